"""The raw examples of a data set, wherever they come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flambeau.errors import DataError, Notice
from flambeau.naming import closest, natural
from flambeau.types import Example

TRAIN, VALID, TEST = "train", "valid", "test"
WORDS = (TRAIN, VALID, TEST)
SPLIT_WORDS: Mapping[str, str] = {"train": TRAIN, "training": TRAIN, "valid": VALID, "val": VALID, "validation": VALID, "test": TEST, "testing": TEST}
"""What people call a split -> what we call it."""
PLAIN = frozenset({str, int, float, bool, type(None)})
"""Kinds of cells that are told by themselves."""


@dataclass(frozen=True)
class Source:
    """Raw examples in a fixed order, and what is known about them."""

    name: str
    """What to call the data: the name of its folder or file."""
    place: Path | None
    """The folder or file, absolute; None for arrays in memory."""
    columns: tuple[str, ...]
    examples: Sequence[Example]
    target: str | None
    """The column that is to be predicted, where it is known."""
    given: tuple[str | None, ...] | None = None
    """The split of each example (train, valid, test), where the data brings one."""
    notices: tuple[Notice, ...] = ()
    channels: tuple[str, ...] | None = None
    """The columns that became the channels of series, in their order; None where the rows are the examples."""

    def __len__(self) -> int:
        return len(self.examples)

    def values(self, column: str) -> list[object]:
        """A column's name -> its raw value for each example, in order.

        Raises:
            DataError: there is no such column.
        """
        if column not in self.columns:
            raise no_column(column, self.columns, str(self.place or self.name))
        return [example[column] for example in self.examples]

    def raw(self, row: int) -> object:
        """The raw target of one example."""
        assert self.target is not None
        return self.examples[row][self.target]

    def label(self, row: int) -> str:
        """The raw target of one example as text."""
        return str(self.raw(row))

    def where(self, row: int) -> str:
        """What a person finds one example by: its file, relative to the folder or to the table's folder, or its number (from 1)."""
        for value in self.examples[row].values():
            if isinstance(value, Path):
                bases = () if self.place is None else (self.place, self.place.parent)
                return readable(str(next((value.relative_to(base) for base in bases if value.is_relative_to(base)), value)))
        return f"#{row + 1}"

    @property
    def fingerprint(self) -> str:
        """What tells this data from other data without reading files: names, sizes, times and values, as 64 hexadecimal digits."""
        digest = hashlib.sha256("\0".join(self.columns).encode("utf-8", "surrogatepass"))
        root = os.fsencode(self.place or "")
        for example in self.examples:
            row = [example[column] for column in self.columns]
            told = [value if type(value) in PLAIN else _identity(value, root) for value in row]
            digest.update(repr(told).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def _identity(value: object, root: bytes) -> object:
    """What stands for a cell: of a file its name, size and time, of an array what it holds."""
    if isinstance(value, Path):
        name = os.fsencode(value).removeprefix(root)
        try:
            status = value.stat()
        except (OSError, ValueError):
            return name
        return name, status.st_size, status.st_mtime_ns
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value).data).digest()
    return value


def readable(name: str) -> str:
    """A file name as text that can be written as UTF-8: bytes that are none become \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def no_column(column: str, columns: Sequence[str], where: str) -> DataError:
    """The error for a column that is not there."""
    return DataError("column-unknown", where=where, column=column, columns=", ".join(columns), guess=closest(column, columns))


def some(items: Iterable[object], most: int = 5) -> str:
    """The first few items on one line, and how many more there are."""
    listed = [str(item) for item in items]
    return ", ".join(listed[:most]) + (f", ... (+{len(listed) - most:,})" if len(listed) > most else "")


def class_counts(labels: Iterable[object]) -> dict[str, int]:
    """Labels -> examples of each class, most frequent first, then by name."""
    counts: dict[str, int] = {}
    for label in labels:
        counts[str(label)] = counts.get(str(label), 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], natural(item[0]))))


def counted(counts: Mapping[str, int], most: int | None = None) -> str:
    """``cat 512 · dog 498``; of more than `most` classes only the first ones, and how many more there are."""
    listed = [f"{name} {count:,}" for name, count in counts.items()]
    return " · ".join(listed[:most]) + (f" · ... (+{len(listed[most:]):,})" if most is not None and len(listed) > most else "")
