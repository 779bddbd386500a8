"""Whatever holds a series -> (time, channels) float32, missing values as NaN. One conversion, the same in training and serving."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flambeau.errors import DataError
from flambeau.types import Array

Series = npt.NDArray[np.float32]
"""(time, channels)."""

MOST_VALUES = 1 << 26
"""Numbers in one series, at most."""
LARGEST = 1e30
"""Numbers beyond this would overflow where they are squared."""


def series(value: object) -> Series:
    """An array or nested lists, (time,) or (time, channels), None or NaN where a value is missing -> (time, channels).

    Times at the end at which every channel is missing are dropped: that is how arrays hold series of different lengths.

    Raises:
        DataError: sequence-kind, -shape, -empty or -values.
    """
    array = _numbers(value)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0 or array.size > MOST_VALUES:
        raise DataError("sequence-shape", shape=array.shape)
    real = np.flatnonzero(~np.isnan(array).all(1))
    if len(real) == 0:
        raise DataError("sequence-empty")
    array = array[: real[-1] + 1]
    if float(np.nanmax(np.abs(array))) > LARGEST:
        raise DataError("sequence-values")
    return np.ascontiguousarray(array, np.float32)


def _numbers(value: object) -> npt.NDArray[np.float64]:
    """Numbers of any type as float64; what holds anything else is refused, text that looks like a number too."""
    if not isinstance(value, np.ndarray | list | tuple):
        raise DataError("sequence-kind", kind=type(value).__name__)
    try:
        array: Array = np.asarray(value)
        if array.dtype.hasobject and _is_plain(value):
            array = np.array([[np.nan if cell is None else cell for cell in row] if isinstance(row, list | tuple) else _or_nan(row) for row in value])
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise DataError("sequence-shape", shape="?") from None
    if array.dtype.kind not in "biuf":
        raise DataError("sequence-kind", kind=str(array.dtype))
    return array.astype(np.float64)


def _or_nan(cell: object) -> object:
    return np.nan if cell is None else cell


def _is_plain(value: object) -> bool:
    """Whether a list holds numbers and None, or lists of them, and nothing else."""
    rows = value if isinstance(value, list | tuple) else []
    cells = [cell for row in rows for cell in (row if isinstance(row, list | tuple) else [row])]
    return all(cell is None or (isinstance(cell, int | float | np.number) and not isinstance(cell, bool)) for cell in cells)
