"""What a sample of raw values tells about a column of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flambeau.cells import is_nothing

MOST = 0.9
"""Share of the values that must be texts."""
ENDINGS = (".txt", ".md", ".text")
"""Of text files."""
COVERED = 0.98
"""Share of the texts of which every word counts."""
SHORTEST, LONGEST, STEP = 8, 512, 8
"""Bounds and step of the chosen length, in words."""

_LETTER = re.compile(r"[^\W\d_]")


def is_text(values: Sequence[object]) -> bool:
    """Whether nearly all of the values that are there are texts with a letter in them, or paths of text files."""
    there = [value for value in values if not is_nothing(value) and not (isinstance(value, str) and not value)]
    return bool(there) and sum(map(_is_text, there)) >= MOST * len(there)


def _is_text(value: object) -> bool:
    if isinstance(value, Path):
        return value.suffix.lower() in ENDINGS
    return isinstance(value, str) and _LETTER.search(value) is not None


def suited_length(lengths: Sequence[int], factor: float = 1) -> int:
    """Words of each text of a sample -> how many words of a text should count."""
    typical = float(np.quantile(np.array(lengths, np.float64), COVERED)) * factor
    return int(np.clip(np.ceil(typical / STEP) * STEP, SHORTEST, LONGEST))
