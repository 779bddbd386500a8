"""The kinds of columns that a table can have: what a cell of each may say, and how a column is recognised.

A cell becomes a list of numbers (None where it is missing), or one word. What needs all cells (mean, vocabulary) is fitted in table.py.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

import numpy as np
from pydantic import Field

from flambeau.cells import is_missing, moment_of, number_of
from flambeau.choice import Named, OneOf
from flambeau.errors import DataError
from flambeau.messages import printable

Cell: TypeAlias = "list[float | None] | str | None"
"""A cell of numbers, or a word; None for a missing word."""

TRUE = frozenset({"true", "yes", "y", "t", "on", "是", "真"})
FALSE = frozenset({"false", "no", "n", "f", "off", "否", "假"})
MAX_WORD = 1_000
"""Characters of a category; what is longer is a text."""
MAX_WIDTH = 100_000
"""Numbers in one cell."""
SHORT = 60
"""Characters of a word that may be the name of a category, where a column is recognised."""
FEW = 20
"""Different words that make a column one of categories, however few rows there are."""
ODD = 0.01
"""Share of the cells that may be no numbers in a column of numbers: each is an error of its row."""
SHORTEST_DATE = len("2026-1")
CODE = re.compile("0[0-9]+")
PARTS_OF_DATE = ("days", "season sin", "season cos", "weekday sin", "weekday cos", "hour sin", "hour cos")
"""What a date becomes: days since 1970, and where it stands in the year, the week and the day, as points on a circle."""


class Column(Named):
    """One kind of column."""

    words: ClassVar[bool] = False
    """Whether its cells are words; else they are numbers."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What each number of a cell is called behind the column's name; () for words."""
        return ("",)

    @classmethod
    @abstractmethod
    def recognises(cls, cells: Sequence[object]) -> bool:
        """Whether a column whose cells that are not missing are these is of this kind."""

    def over(self, cells: Sequence[object]) -> Column:
        """The same, with what is open chosen by looking at cells."""
        return self

    @abstractmethod
    def parse(self, value: object) -> Cell:
        """One raw cell that is not missing -> its numbers, or its word.

        Raises:
            ValueError: it is not of this kind.
        """

    def cell(self, value: object, name: str) -> Cell:
        """One raw cell of the column `name` -> its numbers, or its word.

        Raises:
            DataError: it is not of this kind.
        """
        if is_missing(value):
            return None if self.words else [None] * len(self.parts)
        try:
            return self.parse(value)
        except (ValueError, TypeError, OverflowError) as error:
            raise DataError("cell-kind", where=name, column=name, value=printable(str(value)[:60]), kind=self.name) from error


def _parses(kind: type[Column], cells: Sequence[object], odd: float = 0.0) -> bool:
    """Whether all cells are of a kind, but for a share of odd ones."""
    column, left = kind(), odd * len(cells)
    for cell in cells:
        try:
            column.parse(cell)
        except (ValueError, TypeError, OverflowError):
            left -= 1
            if left < 0:
                return False
    return bool(cells)


class Number(Column):
    """Numbers: measures, counts, prices."""

    name: ClassVar[str] = "number"
    scale: Literal["standard", "robust", "none"] = "standard"
    """standard: minus the mean, by the standard deviation; robust: minus the median, by the middle half, which outliers do not move."""
    log: bool | None = None
    """The logarithm of 1 + |x|, with the sign of x, instead of x. Left open: for columns without negative numbers and with a long tail."""

    @classmethod
    def recognises(cls, cells: Sequence[object]) -> bool:
        """Whether all are numbers, but for one in a hundred, and not true or false. Codes with zeros in front (postcodes) are words, if few of them
        are different."""
        if any(isinstance(cell, bool | np.bool_) for cell in cells) or not _parses(cls, cells, ODD):
            return False
        return not any(isinstance(cell, str) and CODE.fullmatch(cell.strip()) for cell in cells) or not Category.recognises(cells)

    def parse(self, value: object) -> Cell:
        """3, 3.5, "3.5", "1e3", "1,234", "$12", "5%" (0.05)."""
        return [number_of(value)]


class Boolean(Column):
    """True or false, yes or no."""

    name: ClassVar[str] = "boolean"

    @classmethod
    def recognises(cls, cells: Sequence[object]) -> bool:
        """Whether all are true or false in words."""
        return all(isinstance(cell, bool | np.bool_ | str) for cell in cells) and _parses(cls, cells)

    def parse(self, value: object) -> Cell:
        """True, "yes", "f", "是", 1."""
        if isinstance(value, str):
            word = value.strip().casefold()
            if word in TRUE or word in FALSE:
                return [float(word in TRUE)]
        number = number_of(value)
        if number not in (0.0, 1.0):
            raise ValueError(value)
        return [number]


class Date(Column):
    """Dates, with or without a time, year first: 2026-11-25, 2026-11-25T18:30, 2026/1/5 8:05, 2026-11, 2026年11月25日."""

    name: ClassVar[str] = "date"

    @property
    def parts(self) -> tuple[str, ...]:
        """Days, and the places in year, week and day."""
        return PARTS_OF_DATE

    @classmethod
    def recognises(cls, cells: Sequence[object]) -> bool:
        """Whether all are dates."""
        return all(isinstance(cell, date) or (isinstance(cell, str) and len(cell) >= SHORTEST_DATE) for cell in cells) and _parses(cls, cells)

    def parse(self, value: object) -> Cell:
        """A date -> `PARTS_OF_DATE`."""
        moment = value if isinstance(value, date) else moment_of(str(value))
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        days = moment.timestamp() / 86_400
        turns = (moment.timetuple().tm_yday / 365.25, moment.weekday() / 7, days % 1)
        return [days, *(wave(2 * math.pi * turn) for turn in turns for wave in (math.sin, math.cos))]


class Category(Column):
    """Words out of a limited set: kinds, places, codes."""

    name: ClassVar[str] = "category"
    words: ClassVar[bool] = True
    max_values: int = Field(1_000, ge=1, le=1_000_000)
    """The most frequent values that get a meaning of their own; the others share one."""
    min_count: int = Field(2, ge=1, le=1_000_000)
    """Values that come less often in the training examples share one meaning with those never seen."""

    @property
    def parts(self) -> tuple[str, ...]:
        """None: a cell is a word."""
        return ()

    @classmethod
    def recognises(cls, cells: Sequence[object]) -> bool:
        """Whether all are short words, and few of them different."""
        if not cells or not all(isinstance(cell, str | bool | int | np.str_) and len(str(cell)) <= SHORT for cell in cells):
            return False
        different = len({str(cell) for cell in cells})
        return different < len(cells) and different <= max(FEW, len(cells) // 5)

    def parse(self, value: object) -> Cell:
        """Any word or whole number."""
        if isinstance(value, float | np.floating) and float(value).is_integer():
            value = int(value)
        word = str(value).strip()
        if not isinstance(value, str | bool | int | float | np.generic) or len(word) > MAX_WORD:
            raise ValueError(word[:60])
        return word


class Vector(Column):
    """Several numbers in one cell, always as many: measures that belong together."""

    name: ClassVar[str] = "vector"
    width: int | None = Field(None, ge=1, le=MAX_WIDTH)
    """Numbers in a cell. Left open: as in the data."""
    scale: Literal["standard", "robust", "none"] = "standard"
    """As of a number."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Numbered from 0."""
        assert self.width is not None, "only a resolved column has parts"
        return tuple(f"[{place}]" for place in range(self.width))

    @classmethod
    def recognises(cls, cells: Sequence[object]) -> bool:
        """Whether all are rows of equally many numbers."""
        shapes = {np.shape(cell) if isinstance(cell, np.ndarray | list | tuple) else () for cell in cells}
        return len(shapes) == 1 and len(next(iter(shapes))) == 1 and all(np.asarray(cell).dtype.kind in "fiub" for cell in cells)

    def over(self, cells: Sequence[object]) -> Vector:
        """With the width of the first cell."""
        return self if self.width is not None or not cells else self.model_copy(update={"width": len(np.asarray(cells[0]).reshape(-1))})

    def parse(self, value: object) -> Cell:
        """A row of numbers; NaN and None in it are missing."""
        if not isinstance(value, np.ndarray | list | tuple) or len(value) > MAX_WIDTH or (self.width is not None and len(value) != self.width):
            raise ValueError(type(value).__name__)
        return [None if is_missing(one) else number_of(one) for one in (value.tolist() if isinstance(value, np.ndarray) else value)]


COLUMNS: tuple[type[Column], ...] = (Vector, Boolean, Number, Date, Category)
"""In the order in which cells are offered to them."""

AnyColumn: TypeAlias = Annotated[Column, OneOf("column-kind", *COLUMNS)]
"""``number``, ``{number: robust}``, ``{category: {max_values: 100}}``."""


def recognised(values: Sequence[object]) -> Column | None:
    """The kind of a column with these cells, or None where it is of no kind that a table has."""
    cells = [value for value in values if not is_missing(value)]
    kind = next((kind for kind in COLUMNS if cells and kind.recognises(cells)), None)
    return None if kind is None else kind().over(cells)
