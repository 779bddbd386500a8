"""Rows with named columns, from whatever file -> examples: the target, the split, and the cells that name files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from flambeau.data.examples import SPLIT_WORDS, Source, no_column, readable, some
from flambeau.errors import DataError, Notice
from flambeau.naming import closest

TARGET_NAMES = ("label", "labels", "class", "target", "y")
"""What people call the column that is to be predicted, if they do not say."""
SAMPLE = 100
"""Cells by which a column of file names is told from other text."""


@dataclass(frozen=True)
class Records:
    """The rows of a table as they stand in its file."""

    file: Path
    """Absolute."""
    columns: tuple[str, ...]
    rows: list[dict[str, object]]
    lines: Sequence[int]
    """The line on which each row begins, from 1."""


def as_source(records: Records, target: str | None, split_column: str | None = None) -> Source:
    """Rows -> examples; cells that name files become paths, all others stay what they are.

    A column holds files when at least half of its first cells name an existing file, relative to the table or absolute.
    Files outside the table's folder are read, as lists of data on other disks are common, but never silently.

    Raises:
        DataError: no such column, or the target has to be named.
    """
    name = readable(str(records.file))
    target = find_target(records.columns, target, name)
    given = None
    if split_column is not None:
        if split_column not in records.columns:
            raise no_column(split_column, records.columns, name)
        places = [f"{name}:{line}" for line in records.lines]
        given = given_split([(place, row[split_column]) for place, row in zip(places, records.rows, strict=True)], split_column)
    others = [column for column in records.columns if column not in (target, split_column)]
    rows, notices = with_files(records.rows, others, records.file.parent)
    for row in rows:
        told = row[target]
        row[target] = told.strip() if isinstance(told, str) else told  # "cat " is no class beside "cat"
    notices += _unused_split(rows, others)
    return Source(readable(records.file.stem), records.file, records.columns, rows, target, given, tuple(notices))


def find_target(columns: Sequence[str], target: str | None, where: str) -> str:
    """The column to predict: `target`, or the only column with a usual name for it.

    Raises:
        DataError: no such column, or it has to be named.
    """
    if target is not None:
        if target not in columns:
            raise no_column(target, columns, where)
        return target
    usual = [name for name in columns if name.strip().casefold() in TARGET_NAMES]
    if len(usual) == 2:  # beside a name that says it, y is a coordinate
        usual = [name for name in usual if name.strip().casefold() != "y"]
    if len(usual) != 1:
        raise DataError("column-needed", where=where, columns=", ".join(columns), first=columns[-1])
    return usual[0]


def given_split(words: Sequence[tuple[str, object]], column: str) -> tuple[str | None, ...]:
    """(place, word) of each example -> train, valid or test; None for an empty word, which counts as train.

    Raises:
        DataError: a word that names no split.
    """
    found: list[str | None] = []
    for place, word in words:
        name = str(word).strip().casefold()
        if name and name not in SPLIT_WORDS:
            raise DataError("split-word", where=place, word=str(word)[:80], column=column, guess=closest(name, tuple(SPLIT_WORDS)))
        found.append(SPLIT_WORDS[name] if name else None)
    return tuple(found)


def with_files(rows: Sequence[dict[str, object]], columns: Sequence[str], folder: Path) -> tuple[list[dict[str, object]], list[Notice]]:
    """The rows with paths in place of the cells of columns that hold files, and what there is to say about them."""
    examples = [dict(row) for row in rows]
    notices = []
    for column in columns:
        sample = [cell for cell in islice((example[column] for example in examples), SAMPLE) if isinstance(cell, str) and cell]
        if not sample:
            continue
        if sum(_is_file(_path(cell, folder)) for cell in sample) * 2 >= len(sample):
            outside = []
            for example in examples:
                cell = str(example[column] or "")
                example[column] = path = _path(cell, folder)
                if cell and not path.is_relative_to(folder):
                    outside.append(cell)
            if outside:
                notices.append(Notice("files-outside", {"n": len(outside), "folder": readable(str(folder)), "names": some(outside, 3)}))
        elif all(re.search(r"\.[A-Za-z]\w{1,4}$", cell) and len(cell) < 1000 for cell in sample):
            notices.append(Notice("files-missing", {"column": column, "folder": readable(str(folder)), "names": some(sample, 2)}))
    return examples, notices


def _path(cell: str, folder: Path) -> Path:
    """A cell -> the file it names; `..` is taken out, and a backslash stands for a slash where no file is called so."""
    import os

    path = Path(os.path.normpath(folder / cell))
    if "\\" in cell and not _is_file(path):
        return Path(os.path.normpath(folder / cell.replace("\\", "/")))
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _unused_split(examples: Sequence[dict[str, object]], columns: Sequence[str]) -> list[Notice]:
    """A hint, if a column looks like a split that the recipe does not use."""
    found = [column for column in columns if all(str(example[column]).strip().casefold() in SPLIT_WORDS for example in examples)]
    return [Notice("split-unused", {"column": column}) for column in found[:1]]
