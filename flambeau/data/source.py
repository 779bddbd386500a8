"""Where the examples come from: `open_data` looks at what a person named, `open_source` reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from flambeau.data import endings
from flambeau.data.arrays import read_arrays, read_npz
from flambeau.data.config import DataConfig, SeriesConfig
from flambeau.data.examples import Source, no_column
from flambeau.data.folder import is_clutter, not_found, read_folder
from flambeau.data.jsonlines import read_json_lines
from flambeau.data.long_table import Windows, gather
from flambeau.data.ordering import in_order
from flambeau.data.parquet import read_parquet
from flambeau.data.records import Records, as_source, with_files
from flambeau.data.table import read_table
from flambeau.errors import DataError, UsageError
from flambeau.inputs.sound import decode as sound
from flambeau.inputs.words import recognition as words
from flambeau.naming import closest
from flambeau.types import Example

__all__ = ["Source", "open_data", "open_source", "read_examples"]

TABLES: Mapping[str, Callable[[Path], Records] | None] = {
    **dict.fromkeys(endings.TABLE),
    **dict.fromkeys(endings.JSON_LINES, read_json_lines),
    **dict.fromkeys(endings.PARQUET, read_parquet),
}
"""The ending of a file with rows -> what reads it; None: as CSV."""


def open_data(data: object) -> dict[str, Path]:
    """What a person names as data -> the field of DataConfig that it is: {"folder": ...}, {"table": ...} or {"arrays": ...}.

    A folder with one table in it and less than two sub-folders is taken as that table. A mapping of arrays is no file and
    gives {}: hand it to `open_source` itself.

    Raises:
        DataError: there is nothing of that name, or a file that is no table and no arrays.
        UsageError: neither a path nor a mapping.
    """
    if isinstance(data, Mapping):
        return {}
    if not isinstance(data, str | os.PathLike):
        raise UsageError("data-kind", where="data", kind=type(data).__name__)
    path = Path(os.fsdecode(data)).expanduser()
    if path.is_dir():
        table = _only_table(path)
        return {"folder": path} if table is None else {"table": table}
    if not path.exists():
        raise not_found(path)
    ending = path.suffix.casefold()
    if ending in TABLES:
        return {"table": path}
    if ending == ".npz":
        return {"arrays": path}
    raise DataError("data-format", where=str(path), ending=ending or path.name)


def open_source(
    config: DataConfig,
    target: str | None = None,
    memory: Mapping[str, object] | None = None,
    *,
    weight: str | None = None,
    column: str | None = None,
    endings: Sequence[str] | None = None,
) -> Source:
    """The data of a recipe -> its raw examples.

    Args:
        config: names the folder, table or arrays.
        target: the column to predict; by default the only one that is called so (label, class, target, y).
        memory: arrays by column name, where the data is in memory.
        weight: the column with the weights of the examples, if there is one.
        column: what to call the input of a folder, whose only names are those of its classes; by default what its files are.
        endings: the only file endings to take from a folder; by default everything that is not known clutter.

    Raises:
        DataError: the data is not there, empty or malformed.
        UsageError: the config names no data.
    """
    split_column = config.split.column
    if memory is not None:
        source = read_arrays(memory, target, split_column)
    elif config.folder is not None:
        source = _read_files(config.folder, column, endings)
    elif config.table is not None:
        source = as_source(read_rows(config.table, config.encoding), target, split_column)
    elif config.arrays is not None:
        source = read_npz(config.arrays, target, split_column)
    else:
        raise UsageError("data-missing", where="data")
    for left_out in config.exclude_columns:
        if left_out not in source.columns:
            raise no_column(left_out, source.columns, "data.exclude_columns")
    if config.series is not None:
        series = config.series
        source = gather(source, series.id, series.time, _windows(series), config.exclude_columns, config.split, series.channels, weight)
    elif config.split.order is not None:
        source = in_order(source, config.split)
    for needed in (target, config.split.group, split_column):
        if needed is not None and needed not in source.columns:
            raise no_column(needed, source.columns, str(source.place or source.name))
    return _without(source, config.exclude_classes)


def _windows(series: SeriesConfig) -> Windows | None:
    return None if series.window is None else Windows(series.window, series.step or series.window)


def read_rows(path: Path, encoding: str | None = None) -> Records:
    """A file with rows (CSV, JSON lines, Parquet) -> the rows, by the ending of its name; any other is read as CSV.

    Args:
        encoding: of a CSV file that is not UTF-8.
    """
    read = TABLES.get(path.suffix.casefold())
    return read_table(path, encoding) if read is None else read(path)


def read_examples(path: Path, columns: Sequence[str], config: DataConfig, target: str | None = None, keep: Sequence[str] = ()) -> list[Example]:
    """A file with rows -> examples, as a model with these input columns takes them; cells that name files are paths.

    Args:
        config: of the data that the model was trained on: its encoding, how its rows became series.
        target: what was predicted then; it may be in the file, and is not looked at.
        keep: other columns that the examples hold besides.

    Raises:
        DataError: it cannot be read, or lacks one of the columns, or one to keep differs within a series.
    """
    records = read_rows(path, config.encoding)
    for column in keep:
        if column not in records.columns:
            raise no_column(column, records.columns, str(path))
    series = config.series
    if series is not None:
        known = target if target in records.columns else None
        read = Source(path.stem, records.file, records.columns, records.rows, known)
        source = gather(read, series.id, series.time, _windows(series), config.exclude_columns, channels=series.channels)
        for column in keep:
            if column not in source.columns:
                raise DataError("column-differs", where=str(path), column=column)
        return list(source.examples)
    for column in columns:
        if column not in records.columns:
            raise no_column(column, records.columns, str(path))
    wanted = dict.fromkeys((*columns, *keep))
    return [{column: row[column] for column in wanted} for row in with_files(records.rows, columns, records.file.parent)[0]]


def _read_files(folder: Path, column: str | None, endings: Sequence[str] | None) -> Source:
    """A folder -> its examples; text files are taken where there are no others, as they mostly lie beside what they describe."""
    try:
        source = read_folder(folder, column or "image", endings)
    except DataError as error:
        if error.code != "data-empty" or endings is not None:
            raise
        return read_folder(folder, column or "text", words.ENDINGS)
    sounds = sum(path.suffix.casefold() in sound.ENDINGS for path in source.values(source.columns[0]) if isinstance(path, Path))
    return source if column is not None or 2 * sounds <= len(source) else read_folder(folder, "audio", endings)


def _only_table(folder: Path) -> Path | None:
    """The one table of a folder that has no class folders."""
    try:
        entries = [entry for entry in folder.iterdir() if not is_clutter(entry.name)]
    except OSError:
        return None
    tables = [entry for entry in entries if entry.suffix.casefold() in TABLES and entry.is_file()]
    return tables[0] if len(tables) == 1 and sum(entry.is_dir() for entry in entries) < 2 else None


def _without(source: Source, classes: Sequence[str]) -> Source:
    """The source without the examples of some classes."""
    if not classes:
        return source
    labels = [source.label(row) for row in range(len(source))]
    for name in classes:
        if name not in labels:
            known = sorted(set(labels))
            raise DataError("class-unknown", where="data.exclude_classes", label=name, labels=", ".join(known), guess=closest(name, known))
    kept = [row for row, label in enumerate(labels) if label not in classes]
    if not kept:
        raise DataError("data-empty", where=str(source.place or source.name))
    given = None if source.given is None else tuple(source.given[row] for row in kept)
    return replace(source, examples=[source.examples[row] for row in kept], given=given)
