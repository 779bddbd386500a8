"""A Parquet or Arrow file, or a data frame in memory -> columns. Needs polars for files (the extra `table`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flambeau.data.examples import readable
from flambeau.data.folder import not_found
from flambeau.data.records import Records
from flambeau.errors import DataError, ExtraMissing


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
    read = polars.read_parquet if place.suffix.casefold() in (".parquet", ".pq") else polars.read_ipc
    try:
        frame = read(place.read_bytes())
    except (polars.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError("parquet-broken", where=readable(str(path)), reason=str(error).splitlines()[0][:200]) from error
    if not len(frame):
        raise DataError("table-empty", where=readable(str(path)))
    return Records(place, tuple(frame.columns), frame.to_dicts(), range(1, len(frame) + 1))


def is_frame(data: object) -> bool:
    """Whether this is a data frame, of pandas or polars, by what it can do: nothing has to be imported."""
    return not isinstance(data, Mapping) and hasattr(data, "columns") and hasattr(data, "__dataframe__") | hasattr(data, "__arrow_c_stream__")


def columns_of(frame: Any) -> dict[str, list[object]]:
    """A data frame -> its columns as lists of plain values, by name as text."""
    return {str(name): frame[name].to_list() for name in frame.columns}
