"""A long table, one row for each time, -> one example for each series, or for each window of one.

id,time,label,x,y                      {"id": "a", "label": "walk", "series": [[0.1, 2.0], [0.2, 1.9]]}
a,0,walk,0.1,2.0              ->       {"id": "b", ...}
a,1,walk,0.2,1.9
b,0,run,0.9,3.0
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flambeau.cells import is_missing, number_of
from flambeau.data.config import DataConfig, SplitConfig
from flambeau.data.examples import Source, no_column, some
from flambeau.data.ordering import ranks, windows_in_order
from flambeau.errors import DataError, Notice
from flambeau.naming import natural
from flambeau.types import Example

SERIES = "series"
"""What the input of series is called."""
MOST = 0.9
"""Share of the cells that must be numbers; one that is none is then an error with its row."""
SAMPLE = 1000
"""Rows by which a column of measurements is told from text."""


@dataclass(frozen=True)
class Windows:
    """How series are cut."""

    size: int
    """Times in one window."""
    step: int
    """Times from the start of one window to the next one's."""


def kept_apart(config: DataConfig) -> DataConfig:
    """The windows of one series stay together in a split; where there is one series alone and they overlap, they are shared out by time.
    Unless the config says something else."""
    series, parts = config.series, config.split
    if series is None or series.window is None or {parts.group, parts.order, parts.column} != {None}:
        return config
    if series.id is not None:
        return config.model_copy(update={"split": parts.model_copy(update={"group": series.id})})
    overlap = series.step is not None and series.step < series.window
    return config.model_copy(update={"split": parts.model_copy(update={"order": series.time})}) if overlap else config


def with_channels(config: DataConfig, source: Source) -> DataConfig:
    """With the columns that became channels: other data may have more columns, in another order."""
    if config.series is None:
        return config
    return config.model_copy(update={"series": config.series.model_copy(update={"channels": source.channels})})


def gather(
    source: Source,
    identity: str | None,
    time: str,
    windows: Windows | None = None,
    exclude: Sequence[str] = (),
    parts: SplitConfig | None = None,
    channels: Sequence[str] | None = None,
    weight: str | None = None,
) -> Source:
    """Rows of single times -> series sorted by time, in natural order of their names.

    The columns in `channels`, or else all columns of numbers but the group of `parts` and the weight, become the channels of "series", in their
    order; missing cells are NaN. Other columns (the target, the identity,
    a speaker, a place) stay columns if they are the same at all times of a series. Of a window the most frequent target counts, of equally
    frequent ones the last: where each time has a number of its own, what it is at the end.
    All windows of a series keep its identity: split by it (`data.split.group`), and no series lies in two splits. Columns in `exclude`
    are not looked at. Where `parts` orders by time, the windows are shared out so, and those that overlap the split before them are left out.

    Raises:
        DataError: no such column, a cell that is no number, nothing to measure, or a target that changes within a series that is not cut.
    """
    where = str(source.place or source.name)
    for column in (identity, time, *(channels or ())):
        if column is not None and column not in source.columns:
            raise no_column(column, source.columns, where)
    if SERIES in (identity, source.target, weight):
        raise DataError("long-name-taken", where=where, column=SERIES)
    source = replace(source, columns=tuple(column for column in source.columns if column not in exclude))
    if channels is None:
        channels = _channels(source, [identity, time, source.target, weight, *((parts.group, parts.column) if parts else ())])
    found: list[tuple[Example, str | None]] = []
    spans: list[tuple[int, int]] = []
    short = 0
    places = ranks(source.values(time))
    order = None if parts is None else parts.order
    if order is not None and (order != time or windows is None or places is None):
        raise DataError("order-series", where="data.split.order", column=order, time=time)
    rows = _rows_by_series(source, identity, list(map(str, source.values(time))) if places is None else places.tolist())
    others = _constant(source, rows, [column for column in source.columns if column not in (time, *channels)])
    for members in rows.values():
        values = _values(source, members, channels)
        pieces = _pieces(len(members), windows)
        short += not pieces
        given = None if source.given is None else source.given[members[0]]
        found += [(_example(source, members[piece], values[piece], others, windows), given) for piece in pieces]
        spans += [(int(members[piece][0]), int(members[piece][-1])) for piece in pieces]
    if not found:
        raise DataError("data-empty", where=where)
    notices = [Notice("long-short", {"n": short, "window": windows.size})] if windows and short else []
    columns = (SERIES, *(column for column in source.columns if column in found[0][0] and column != SERIES))
    words = None if source.given is None else tuple(given for _, given in found)
    examples = [example for example, _ in found]
    gathered = replace(source, columns=columns, examples=examples, given=words, notices=(*source.notices, *notices), channels=tuple(channels))
    if parts is None or order is None or places is None:
        return gathered
    firsts, lasts = places[np.array(spans)].T
    return windows_in_order(gathered, firsts, lasts, parts)


def _channels(source: Source, apart: Sequence[str | None]) -> list[str]:
    """The columns that hold measurements: numbers in nearly all of the first rows; not those that are said to be something else."""
    others = [column for column in source.columns if column not in apart]
    channels = [column for column in others if _is_measured([example[column] for example in source.examples[:SAMPLE]])]
    if not channels:
        raise DataError("long-channels", where=str(source.place or source.name), columns=", ".join(filter(None, apart)))
    return channels


def _is_measured(cells: Sequence[object]) -> bool:
    present = [cell for cell in cells if not is_missing(cell)]
    return bool(present) and sum(_number(cell) is not None for cell in present) >= MOST * len(present)


def _number(cell: object) -> float | None:
    """A cell as a number; None if it is none."""
    try:
        return None if isinstance(cell, bool) else number_of(cell)
    except (ValueError, TypeError, OverflowError):
        return None


def _rows_by_series(source: Source, identity: str | None, times: list[str] | list[int]) -> dict[str, npt.NDArray[np.int64]]:
    """The name of each series -> its rows in the order of their times: places, or words that are neither numbers nor dates."""
    rows: dict[str, list[int]] = {}
    for row, example in enumerate(source.examples):
        rows.setdefault("" if identity is None else str(example[identity]), []).append(row)
    return {name: np.array(sorted(rows[name], key=times.__getitem__), np.int64) for name in sorted(rows, key=natural)}


def _values(source: Source, rows: npt.NDArray[np.int64], channels: Sequence[str]) -> npt.NDArray[np.float32]:
    """(time, channels)."""
    values = np.full((len(rows), len(channels)), np.nan)
    for place, row in enumerate(rows.tolist()):
        for channel, column in enumerate(channels):
            cell = source.examples[row][column]
            number = math.nan if is_missing(cell) else _number(cell)
            if number is None:
                raise DataError("long-number", where=source.where(row), column=column, cell=str(cell)[:40])
            values[place, channel] = number
    return values.astype(np.float32)


def _constant(source: Source, rows: Mapping[str, npt.NDArray[np.int64]], columns: Sequence[str]) -> list[str]:
    """Of these columns those that are the same at all times of each series, and the target in any case."""
    same = {column for column in columns if all(len({str(source.examples[row][column]) for row in members}) == 1 for members in rows.values())}
    return [column for column in columns if column in same or column == source.target]


def _pieces(length: int, windows: Windows | None) -> list[slice]:
    if windows is None:
        return [slice(0, length)]
    return [slice(start, start + windows.size) for start in range(0, length - windows.size + 1, windows.step)]


def _example(
    source: Source, rows: npt.NDArray[np.int64], values: npt.NDArray[np.float32], columns: Sequence[str], windows: Windows | None
) -> Example:
    example: dict[str, object] = {SERIES: values, **{column: source.examples[rows[0]][column] for column in columns}}
    target = source.target
    if target is not None:
        labels = [source.examples[row][target] for row in rows.tolist()]
        different = list(dict.fromkeys(map(str, labels)))
        if len(different) > 1 and windows is None:
            raise DataError("long-label", where=source.where(int(rows[0])), column=target, labels=some(different))
        counts = Counter(map(str, labels))
        example[target] = max(reversed(labels), key=lambda label: counts[str(label)])
    return example
