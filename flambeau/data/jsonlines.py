"""A file with one JSON object on each line -> its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import orjson

from flambeau.data.examples import readable, some
from flambeau.data.folder import not_found
from flambeau.data.records import Records
from flambeau.data.table import MAX_COLUMNS, MAX_LINE
from flambeau.errors import DataError

_KEYS = re.compile(rb'"[ \t\r]*:')
"""What stands behind every key, and seldom in a text."""


def read_json_lines(path: Path) -> Records:
    """JSON lines -> rows of numbers, texts, booleans and lists; a key that a line lacks is None there.

    Raises:
        DataError: not there, a line that is no JSON object, has a key twice or holds objects inside, no rows, too many columns.
    """
    place = path.absolute()
    if not place.is_file():
        raise not_found(path)
    name = readable(str(path))
    rows, lines = [], []
    columns: dict[str, None] = {}
    for number, line in _lines(place, name):
        row = _row(line, f"{name}:{number}")
        columns.update(dict.fromkeys(row))
        rows.append(row)
        lines.append(number)
        if len(columns) > MAX_COLUMNS:
            raise DataError("table-header", where=f"{name}:{number}", n=len(columns))
    if not rows:
        raise DataError("table-empty", where=name)
    return Records(place, tuple(columns), [{column: row.get(column) for column in columns} for row in rows], lines)


def _lines(place: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """Each line that is not empty, with its number from 1."""
    with place.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
            if len(line) >= MAX_LINE:
                raise DataError("table-cell", where=f"{name}:{number}")
            if line.strip():
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _row(line: bytes, where: str) -> dict[str, object]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError("json-line", where=where, reason=error.msg) from error
    if not isinstance(row, dict) or not row:
        raise DataError("json-line-kind", where=where)
    if line.count(b":") != len(row) and len(_KEYS.findall(line)) != len(row) and _has_key_twice(line):
        raise DataError("json-key-twice", where=where)
    nested = [key for key, value in row.items() if isinstance(value, dict)]
    if nested:
        raise DataError("json-line-nested", where=where, names=some(nested))
    return row


def _has_key_twice(line: bytes) -> bool:
    """Whether any object of a line of JSON has; in a tenth of the speed, for the lines with more colons than keys."""
    found = []

    def keys(pairs: list[tuple[str, object]]) -> None:
        found.append(len(dict(pairs)) != len(pairs))

    try:
        json.loads(line, object_pairs_hook=keys)
    except RecursionError:  # lists in lists, deeper than any value
        return False
    return any(found)
