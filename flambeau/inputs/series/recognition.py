"""What a sample of raw values tells about a column of time series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flambeau.errors import DataError
from flambeau.inputs.series.decode import Series, series

MOST = 0.9
"""Share of the values that must be series; the others may be damaged."""
SHORTEST = 24
"""Times from which on a flat list of numbers can be a series at all; shorter ones are features."""
SMOOTH = 0.5
"""Mean squared step from one value to the next, in units of the variance, below which numbers follow each other in time. It is 2 for
numbers in no order. Source: von Neumann, Annals of Mathematical Statistics, 1941."""


def looks_like_series(values: Sequence[object]) -> bool:
    """Whether nearly all of the values are (time, channels), or flat lists of numbers whose lengths differ or that change smoothly."""
    arrays = [array for array in map(_plain, values) if array is not None]
    if not arrays or len(arrays) < MOST * len(values):
        return False
    flat = [array for array in arrays if array.ndim == 1]
    if not flat:
        return True
    if len(flat) < len(arrays):
        return False
    found = [one for one in map(_or_none, flat) if one is not None and len(one) >= 2]
    differ = len({len(one) for one in found}) > 1
    return bool(found) and (differ or (len(found[0]) >= SHORTEST and float(np.median([_roughness(one) for one in found])) < SMOOTH))


def _plain(value: object) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None:
    """A value as numbers with one or two axes; None if it is anything else."""
    if not isinstance(value, np.ndarray | list | tuple):
        return None
    try:
        array = np.asarray(value, np.float64) if not isinstance(value, np.ndarray) else value
    except (ValueError, TypeError):
        return None
    return array if array.dtype.kind in "iuf" and array.ndim in (1, 2) and min(array.shape, default=0) >= 1 else None


def _or_none(value: object) -> Series | None:
    try:
        return series(value)
    except DataError:
        return None


def _roughness(one: Series) -> float:
    numbers = one[:, 0][np.isfinite(one[:, 0])].astype(np.float64)
    variance = float(numbers.var()) if len(numbers) > 1 else 0.0
    return float(np.square(np.diff(numbers)).mean()) / variance if variance > 0 else 2.0


@dataclass(frozen=True)
class Decisions:
    """What is chosen where the recipe leaves it open."""

    channels: int
    length: int | None
    """The one length that all have; None where they differ."""


def decide(values: Sequence[object]) -> Decisions:
    """A sample of raw values -> how many channels they have, and their length if it is one.

    Raises:
        DataError: none of them can be read (the first one's error), or they are transposed: (channels, time).
    """
    found, errors = [], []
    for value in values:
        try:
            found.append(series(value))
        except DataError as error:
            errors.append(error)
    if not found:
        raise errors[0] if errors else DataError("inputs-unseen")
    times, channels = ({one.shape[axis] for one in found} for axis in (0, 1))
    if len(channels) > 1:
        code = "sequence-transposed" if len(times) == 1 else "sequence-uneven"
        raise DataError(code, first=_size(found[0]), other=_size(next(one for one in found if one.shape[1] != found[0].shape[1])))
    return Decisions(channels.pop(), times.pop() if len(times) == 1 else None)


def _size(one: Series) -> str:
    return f"{one.shape[0]:,} x {one.shape[1]:,}"
