"""A Parquet or Arrow file, or a data frame in memory -> columns. Needs polars for files (the extra `table`)."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from flambeau.data.examples import readable, some
from flambeau.data.folder import not_found
from flambeau.data.records import Records
from flambeau.errors import DataError, ExtraMissing, panics_as_errors
from flambeau.machine import memory

CELL = 64
"""Bytes that a cell takes as a plain Python value, without its text."""


def read_parquet(path: Path) -> Records:
    """A Parquet, Arrow or Feather file -> its rows as plain Python values.

    Raises:
        DataError: not there, damaged, or without rows.
        ExtraMissing: polars is not installed.
    """
    place = path.absolute()
    if not place.is_file():
        raise not_found(path)
    try:
        import polars
    except ImportError as error:
        raise ExtraMissing("polars-missing", where=readable(str(path))) from error
    is_parquet = place.suffix.casefold() in (".parquet", ".pq")
    scan, read = (polars.scan_parquet, polars.read_parquet) if is_parquet else (polars.scan_ipc, polars.read_ipc)
    try:
        raw = place.read_bytes()
        with panics_as_errors():
            rows = int(scan(BytesIO(raw)).select(polars.len()).collect().item())
            columns = len(scan(BytesIO(raw)).collect_schema())
            _check_size(path, CELL * rows * columns, len(raw))  # a few bytes can stand for as many equal numbers as one likes
            frame = read(BytesIO(raw))
            _check_size(path, CELL * rows * columns + int(frame.estimated_size()), len(raw))
            records = frame.to_dicts()
    except (polars.exceptions.PolarsError, OSError, ValueError, RuntimeError) as error:
        raise DataError("parquet-broken", where=readable(str(path)), reason=(str(error) or "damaged").splitlines()[0][:200]) from error
    if not records:
        raise DataError("table-empty", where=readable(str(path)))
    return Records(place, tuple(frame.columns), records, range(1, len(records) + 1))


def _check_size(path: Path, size: int, packed: int) -> None:
    """Refuses what would take more than half of the memory as plain values."""
    if size > memory() // 2:
        raise DataError("arrays-huge", where=readable(str(path)), member=readable(path.name), gigabytes=size / 1e9, packed=packed / 1e9)


def is_frame(data: object) -> bool:
    """Whether this is a data frame, of pandas or polars, by what it can do: nothing has to be imported."""
    return not isinstance(data, Mapping) and hasattr(data, "columns") and hasattr(data, "__dataframe__") | hasattr(data, "__arrow_c_stream__")


def columns_of(frame: Any) -> dict[str, list[object]]:
    """A data frame -> its columns as lists of plain values, by name as text."""
    names = [str(name) for name in frame.columns]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise DataError("table-columns-equal", where="data", column=twice, columns=some(names, 20))
    return {name: frame[column].to_list() for name, column in zip(names, frame.columns, strict=True)}
