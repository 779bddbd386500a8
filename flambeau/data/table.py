"""A CSV file -> its rows. Standard library only; what is malformed is an error with its line."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from flambeau.data.examples import readable, some
from flambeau.data.folder import not_found
from flambeau.data.records import Records
from flambeau.errors import DataError

DELIMITERS = ",;\t|"
UTF8 = "utf-8-sig"
"""With or without a byte order mark."""
MAX_LINE = 1 << 24
"""Characters in one line."""
MAX_CELL = 1 << 22
"""Characters in one cell: a long mail or article; a quote that is never closed would make one of the rest of the file."""
MAX_COLUMNS = 10_000


def read_table(path: Path, encoding: str | None = None) -> Records:
    """A CSV file with a header -> its rows; every cell is text.

    Args:
        encoding: of a file that is neither UTF-8 nor, with a byte order mark, UTF-16.

    Raises:
        DataError: not there, not of this encoding, malformed (with the line), or without rows.
    """
    place = path.absolute()
    if not place.is_file():
        raise not_found(path)
    before = csv.field_size_limit(MAX_CELL)  # the module has one limit for the whole process
    try:
        header, lines, records = _parse(place, readable(str(path)), _encoding(place, encoding))
    finally:
        csv.field_size_limit(before)
    return Records(place, header, [dict(zip(header, record, strict=True)) for record in records], lines)


def _parse(place: Path, name: str, encoding: str) -> tuple[tuple[str, ...], list[int], list[list[str]]]:
    """A CSV file -> its header, and for each record the line on which it begins and its cells."""
    rows = _rows(place, name, encoding)
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


def _rows(place: Path, name: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Each record and the line (from 1) on which it begins; empty lines are left out."""
    reader = csv.reader(_lines(place, name, encoding), delimiter=_delimiter(place, name, encoding), strict=True)
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


def _encoding(place: Path, named: str | None) -> str:
    """UTF-16 with the byte order mark that Excel writes, UTF-8, or what is named for a file that is neither."""
    with place.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        if named is None:
            return UTF8
        file.seek(0)
        decoder = codecs.getincrementaldecoder(UTF8)()
        try:
            for chunk in iter(lambda: file.read(MAX_LINE), b""):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return named
    return UTF8


def _lines(place: Path, name: str, encoding: str) -> Iterator[str]:
    """The lines of a file of this encoding."""
    with place.open(encoding=encoding, errors="surrogateescape" if encoding == UTF8 else "replace", newline="") as text:
        for number, line in enumerate(iter(lambda: text.readline(MAX_LINE), ""), 1):
            if len(line) >= MAX_LINE:
                raise DataError("table-cell", where=f"{name}:{number}")
            if "\0" in line:
                raise DataError("table-nul", where=f"{name}:{number}")
            if re.search("[\udc80-\udcff]", line):
                raise DataError("table-encoding", where=f"{name}:{number}", guess=_likely(place))
            if encoding != UTF8 and "\N{REPLACEMENT CHARACTER}" in line:
                raise DataError("table-encoding-other", where=f"{name}:{number}", encoding=encoding)
            yield line


def _likely(place: Path) -> str:
    """What the beginning of a file that is not UTF-8 may be: Chinese, where it can be read so, else Western European."""
    with place.open("rb") as file:
        start = file.read(MAX_LINE)
    try:
        codecs.getincrementaldecoder("gb18030")().decode(start)
    except UnicodeDecodeError:
        return "cp1252"
    return "gb18030"


def _delimiter(place: Path, name: str, encoding: str) -> str:
    """The delimiter by which the first records come out with equally many cells, and with most of them."""
    sample = list(islice(_lines(place, name, encoding), 20))

    def fit(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(record) for record in csv.reader(sample, delimiter=delimiter) if record]
        except csv.Error:
            return 0, 0
        return (sum(width == widths[0] for width in widths), widths[0]) if widths and widths[0] > 1 else (0, 0)

    return max(DELIMITERS, key=fit)
