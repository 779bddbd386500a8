"""Where each node of a document stands, and how to show it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from flambeau.messages import printable

Tree: TypeAlias = "bool | int | float | str | list[Tree] | dict[str, Tree] | None"
"""What a document says, as plain data."""

Path: TypeAlias = tuple[str | int, ...]
"""The way from the root to a node: ("network", 2, "conv2d", "channels")."""

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML takes for the end of a line; more than str.splitlines does in some places, less in others."""

_WIDTH = 100
"""Columns of a line that a snippet shows."""


@dataclass(frozen=True)
class Place:
    """A stretch of a document, counted from 0; the end is one past the last character."""

    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def is_empty(self) -> bool:
        """Whether it is a point between two characters."""
        return (self.line, self.column) == (self.end_line, self.end_column)


@dataclass(frozen=True)
class Marks:
    """The places of a document's nodes."""

    file: str
    """How the document is called in messages."""
    lines: tuple[str, ...]
    values: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, Place] = field(default_factory=dict)
    """Where the key of a mapping's entry stands."""
    texts: Mapping[Path, str] = field(default_factory=dict)
    """What an unquoted scalar looked like before it was read as a number, true or false."""

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of the value (or of the key) at `path`, or of the nearest node above it that is in the document.

        A block has no end to underline, and nothing at all has no place: there its key is shown, or its first one.
        """
        while path not in self.values and path:
            path = path[:-1]
        place = self.values.get(path, Place(0, 0, 0, 0))
        if path in self.keys and (key or place.is_empty):
            return self.keys[path]
        return next((inner for other, inner in self.keys.items() if other[:-1] == path), place) if place.is_empty else place

    def where(self, place: Place) -> str:
        """``recipe.yaml:9:5``, counted from 1."""
        return f"{self.file}:{place.line + 1}:{place.column + 1}"

    def snippet(self, place: Place) -> str:
        """The line at fault with its number, and a line of ^^^^ under the fault."""
        line = self.lines[place.line] if place.line < len(self.lines) else ""
        end = place.end_column if place.end_line == place.line else len(line.rstrip())
        return snippet(line, place.line + 1, place.column, end)


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a text as YAML counts them."""
    return tuple(_BREAK.split(text))


def snippet(line: str, number: int, start: int, end: int) -> str:
    """A numbered line and under it ^^^^ from column `start` up to `end`; a long line is cut around the fault."""
    end = max(end, start + 1)
    first = max(0, start - _WIDTH // 2) if len(line) > _WIDTH else 0
    last = min(len(line), first + _WIDTH)
    before, fault, after = (_shown(line[i:j]) for i, j in ((first, start), (start, min(end, last)), (min(end, last), last)))
    lead, tail = ("…" if first else ""), ("…" if last < len(line) else "")
    gap = " " * _columns(lead + before)
    return f"{number:6} | {lead}{before}{fault}{after}{tail}\n       | {gap}{'^' * max(1, _columns(fault))}"


def _shown(text: str) -> str:
    return printable(text.replace("\t", " "))


def _columns(text: str) -> int:
    """Columns that a text takes on a terminal: Chinese characters and emoji take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
