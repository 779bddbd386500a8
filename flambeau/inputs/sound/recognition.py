"""What a sample of raw values tells about a column of sounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flambeau.errors import DataError
from flambeau.inputs.sound.decode import ENDINGS, PREFIX, sniff, sound
from flambeau.inputs.sound.reading import LONGEST
from flambeau.inputs.sound.shape import trimmed

MOST = 0.9
"""Share of the values that must be sounds; the others may be damaged."""
LOOKED_AT = 256
"""Sounds that are decoded at most, evenly spread over the sample."""
HIGHEST = 16_000
"""Samples a second that are kept unasked: what is above 8 kHz seldom tells sounds apart, and costs as much as what is below."""
COVERED = 0.95
"""Share of the sounds that fit into the chosen length."""
STEP = 0.05
"""Seconds to which the chosen length is rounded up."""


def looks_like_sounds(values: Sequence[object]) -> bool:
    """Whether nearly all of the values are sounds: by the ending of a path (its first bytes where it has none), the first bytes of
    bytes, or pairs of samples and a rate."""
    return bool(values) and sum(map(_looks_like_sound, values)) >= MOST * len(values)


def _looks_like_sound(value: object) -> bool:
    if isinstance(value, str | Path):
        ending = Path(value).suffix.lower()
        return ending in ENDINGS if ending else _starts_like_sound(Path(value))
    if isinstance(value, bytes):
        return sniff(value[:PREFIX]) is not None
    if not isinstance(value, tuple) or len(value) != 2 or isinstance(value[1], bool):
        return False
    return isinstance(value[0], np.ndarray) and isinstance(value[1], int | float | np.number)


def _starts_like_sound(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return sniff(file.read(PREFIX)) is not None
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Decisions:
    """What is chosen where the recipe leaves it open."""

    rate: int
    seconds: float


def decide(values: Sequence[object], trim: float | None, longest: float) -> Decisions:
    """A sample of raw values -> the rate that most of them have (at most HIGHEST) and a length that holds nearly all of them.

    Raises:
        DataError: none of them can be read; the first one's error.
    """
    rates: Counter[int] = Counter()
    lengths, errors = [], []
    for value in values[:: math.ceil(len(values) / LOOKED_AT)] if values else ():
        try:
            signal, rate = sound(value, LONGEST)
        except DataError as error:
            errors.append(error)
            continue
        rates[rate] += 1
        lengths.append(len(signal if trim is None else trimmed(signal, rate, trim)) / rate)
    if not lengths:
        raise errors[0] if errors else DataError("inputs-unseen")
    seconds = float(np.quantile(lengths, COVERED, method="higher"))
    return Decisions(min(max(rates, key=lambda rate: (rates[rate], rate)), HIGHEST), min(longest, math.ceil(seconds / STEP) * STEP))
