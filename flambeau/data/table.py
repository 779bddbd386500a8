"""A CSV file -> examples. Standard library only; what is malformed is an error with its line."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from flambeau.data.examples import SPLIT_WORDS, Source, no_column, readable, some
from flambeau.data.folder import not_found
from flambeau.errors import DataError, Notice
from flambeau.naming import closest

ENDINGS = (".csv", ".tsv", ".tab")
DELIMITERS = ",;\t|"
TARGET_NAMES = ("label", "labels", "class", "target", "y")
"""What people call the column that is to be predicted, if they do not say."""
MAX_LINE = 1 << 24
"""Characters in one line; the csv module itself refuses cells over 131,072."""
MAX_COLUMNS = 10_000
SAMPLE = 100
"""Cells by which a column of file names is told from other text."""


def read_table(path: Path, target: str | None, split_column: str | None = None) -> Source:
    """A CSV file with a header -> its rows as examples; cells that name files become paths, all others stay text.

    A column holds files when at least half of its first cells name an existing file, relative to the CSV or absolute.
    Files outside the CSV's folder are read, as lists of data on other disks are common, but never silently.

    Raises:
        DataError: not there, not UTF-8, malformed (with the line), no rows, no such column, or the target has to be named.
    """
    place = path.absolute()
    if not place.is_file():
        raise not_found(path)
    header, lines, records = _parse(place, readable(str(path)))
    target = find_target(header, target, readable(str(path)))
    examples: list[dict[str, object]] = [dict(zip(header, record, strict=True)) for record in records]
    given = None
    if split_column is not None:
        if split_column not in header:
            raise no_column(split_column, header, readable(str(path)))
        places = [f"{readable(str(path))}:{line}" for line in lines]
        given = given_split([(place, example[split_column]) for place, example in zip(places, examples, strict=True)], split_column)
    others = [name for name in header if name not in (target, split_column)]
    notices = [*_resolve_files(examples, others, place.parent), *_unused_split(examples, others)]
    return Source(readable(place.stem), place, header, examples, target, given, tuple(notices))


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


def _parse(place: Path, name: str) -> tuple[tuple[str, ...], list[int], list[list[str]]]:
    """A CSV file -> its header, and for each record the line on which it begins and its cells."""
    rows = _rows(place, name)
    line, first = next(rows, (1, []))
    header = tuple(cell.strip() for cell in first)
    problem = next((cell for place, cell in enumerate(header) if not cell or cell in header[:place]), None)
    if not header or len(header) > MAX_COLUMNS:
        raise DataError("table-header", where=f"{name}:{line}", n=len(header))
    if problem is not None:
        raise DataError(
            "table-columns-equal" if problem else "table-column-nameless", where=f"{name}:{line}", column=problem, columns=some(header, 20)
        )
    lines, records = [], []
    for line, record in rows:
        if len(record) != len(header):
            raise DataError("table-row", where=f"{name}:{line}", expected=len(header), got=len(record))
        lines.append(line)
        records.append(record)
    if not records:
        raise DataError("table-empty", where=name)
    return header, lines, records


def _rows(place: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Each record and the line (from 1) on which it begins; empty lines are left out."""
    reader = csv.reader(_lines(place, name), delimiter=_delimiter(place, name), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            code = "table-quote" if "unexpected end" in str(error) else "table-cell" if "limit" in str(error) else "table-malformed"
            raise DataError(code, where=f"{name}:{line}", reason=str(error)) from error
        if record:
            yield line, record


def _lines(place: Path, name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, or of a UTF-16 file with a byte order mark as Excel writes it."""
    with place.open("rb") as file:
        wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    with place.open(encoding="utf-16" if wide else "utf-8-sig", errors="replace" if wide else "surrogateescape", newline="") as text:
        for number, line in enumerate(iter(lambda: text.readline(MAX_LINE), ""), 1):
            if len(line) >= MAX_LINE:
                raise DataError("table-cell", where=f"{name}:{number}")
            if "\0" in line:
                raise DataError("table-nul", where=f"{name}:{number}")
            if re.search("[\udc80-\udcff]", line):
                raise DataError("table-encoding", where=f"{name}:{number}", file=name)
            yield line


def _delimiter(place: Path, name: str) -> str:
    """The delimiter by which the first records come out with equally many cells, and with most of them."""
    sample = list(islice(_lines(place, name), 20))

    def fit(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(record) for record in csv.reader(sample, delimiter=delimiter) if record]
        except csv.Error:
            return 0, 0
        return (sum(width == widths[0] for width in widths), widths[0]) if widths and widths[0] > 1 else (0, 0)

    return max(DELIMITERS, key=fit)


def _resolve_files(examples: list[dict[str, object]], columns: Sequence[str], folder: Path) -> list[Notice]:
    """Turns the cells of columns that hold files into paths."""
    notices = []
    for column in columns:
        sample = [cell for cell in islice((str(example[column]) for example in examples), SAMPLE) if cell]
        if sum(_is_file(_path(cell, folder)) for cell in sample) * 2 >= max(len(sample), 1):
            outside = []
            for example in examples:
                cell = str(example[column])
                example[column] = path = _path(cell, folder)
                if cell and not path.is_relative_to(folder):
                    outside.append(cell)
            if outside:
                notices.append(Notice("files-outside", {"n": len(outside), "folder": readable(str(folder)), "names": some(outside, 3)}))
        elif sample and all(re.search(r"\.[A-Za-z]\w{1,4}$", cell) and len(cell) < 1000 for cell in sample):
            notices.append(Notice("files-missing", {"column": column, "folder": readable(str(folder)), "names": some(sample, 2)}))
    return notices


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
    found = [column for column in columns if {str(example[column]).strip().casefold() for example in examples} <= SPLIT_WORDS.keys()]
    return [Notice("split-unused", {"column": column}) for column in found[:1]]
