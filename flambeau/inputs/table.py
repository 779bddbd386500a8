"""Columns of a table: numbers, categories, dates, booleans, read together as one input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import Field

from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.inputs.columns import AnyColumn, Category, Cell, Column, Number, Vector, recognised
from flambeau.inputs.input import Input, Preprocessor
from flambeau.messages import printable
from flambeau.types import Array, Example, TensorSpec

if TYPE_CHECKING:
    from torch import nn

LONG_TAIL = 4.0
"""Skewness from which a column without negative numbers is taken by its logarithm."""
LEAST_SPREAD = 1e-9
"""Of a column that is constant in training, as a share of its size."""
HALF_OF_NORMAL = 1.349
"""Width of the middle half of a normal distribution, in standard deviations."""
SHOWN = 8
"""Cells that an excerpt names, and columns of a kind that a plan does."""

Floats = npt.NDArray[np.float64]


class _Columns(Config):
    """What both sides know of their columns."""

    columns: dict[str, AnyColumn] = Field(default_factory=dict)

    def fields(self, name: str) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.columns)

    def take(self, example: Example, name: str) -> object:
        """The cells of an example by column."""
        return {column: example[column] for column in self.columns}

    def read(self, value: object) -> Array:
        """Cells by column -> their numbers and words, in the order of the columns, as the UTF-8 bytes of a JSON list."""
        if not isinstance(value, Mapping):
            raise DataError("cells-needed", where="table", columns=", ".join(self.columns), kind=type(value).__name__)
        missing = [column for column in self.columns if column not in value]
        if missing:
            raise DataError("field-missing", where=missing[0], field=missing[0], fields=", ".join(self.columns))
        cells = [column.cell(value[name], name) for name, column in self.columns.items()]
        try:
            return np.frombuffer(orjson.dumps(cells), np.uint8)
        except TypeError as error:  # half a character
            raise DataError("cells-unwritable", where="table", reason=str(error)) from error


class TableInput(_Columns, Input):
    """Columns of numbers, categories, dates and booleans."""

    gathers: ClassVar[bool] = True
    passes: ClassVar[float] = 2.5  # a row says little, and costs little
    averages_from: ClassVar[float] = 2_000  # lowers the validation loss of DNA, Satellite, LetterRecognition by 2 to 5 %; raises it of smaller ones
    type: Literal["table"] = "table"
    columns: dict[str, AnyColumn] = Field(default_factory=dict)
    """The kind of each column by its name: number, category, boolean, date or vector, or one with settings: {number: {log: true}}."""

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether a table has a kind for such a column."""
        return recognised(values) is not None

    @classmethod
    def over(cls, columns: Mapping[str, Sequence[object]]) -> Self:
        """With the kind of each column by its values; those that are of none are taken for categories."""
        return cls(columns={name: recognised(values) or Category() for name, values in columns.items()})

    def resolve(self, values: Sequence[object]) -> Self:
        """The same with open settings of its columns chosen."""
        rows = [row for row in values if isinstance(row, Mapping)]
        return self.model_copy(
            update={"columns": {name: kind.over([row[name] for row in rows if name in row]) for name, kind in self.columns.items()}}
        )

    def describe(self) -> list[str]:
        """The columns of each kind: "number age, income"."""
        by_kind: dict[str, list[str]] = {}
        for name, column in self.columns.items():
            by_kind.setdefault(column.name, []).append(printable(name))
        more = {kind: f", ... (+{len(names) - SHOWN:,})" for kind, names in by_kind.items() if len(names) > SHOWN}
        return [f"{kind} {', '.join(names[:SHOWN])}{more.get(kind, '')}" for kind, names in by_kind.items()]

    @property
    def spec(self) -> TensorSpec:
        """(bytes,) uint8: the cells as JSON."""
        return TensorSpec(("bytes",), (None,), "uint8")

    def reading_key(self) -> str:
        """Names and kinds of the columns."""
        return orjson.dumps(self.model_dump(mode="json")).decode()

    def is_blank(self, array: Array) -> bool:
        """Whether every cell is missing."""
        return all(cell is None or (isinstance(cell, list) and all(number is None for number in cell)) for cell in _cells(array))

    def fit(self, arrays: Iterable[Array]) -> TablePreprocessor:
        """Rows of the training split -> mean and spread of each number, and the words of each category."""
        rows = [_cells(array) for array in arrays]
        if not rows:
            raise DataError("inputs-unseen")
        numbers, words = _apart(rows, self.columns)
        columns = [column for column in self.columns.values() for _ in column.parts]
        return TablePreprocessor(
            columns=self.columns,
            numbers=tuple(map(_fitted_number, columns, numbers.T)),
            categories=tuple(
                _fitted_category(column, [row[place] for row in words])
                for place, column in enumerate(kind for kind in self.columns.values() if isinstance(kind, Category))
            ),
        )


class FittedNumber(Config):
    """What one number of the rows is standardised by."""

    middle: float
    spread: float
    log: bool
    flagged: bool
    """Whether it was missing in some row of the training split."""


class TablePreprocessor(_Columns, Preprocessor):
    """Columns with what was learned of them."""

    finishes: ClassVar[bool] = True
    type: Literal["table"] = "table"
    numbers: tuple[FittedNumber, ...]
    """One for each number of a row, in the order of the columns."""
    categories: tuple[tuple[str | None, ...], ...]
    """The words of each column of categories, most frequent first; their ids count from 1, and 0 is any other. None: missing."""

    @property
    def spec(self) -> TensorSpec:
        """(columns,) float64: first all numbers, NaN where one is missing, then the ids of the categories."""
        return TensorSpec(("columns",), (len(self.numbers) + len(self.categories),), "float64")

    def accepts(self, array: Array) -> bool:
        """As Preprocessor.accepts: the ids stand behind the numbers, each column has its own."""
        ids = array[len(self.numbers) :].astype(np.float64)
        known = np.array([len(words) for words in self.categories], np.float64)
        return bool(np.all((ids >= 0) & (ids <= known) & (ids == np.floor(ids))))

    @property
    def gives(self) -> TensorSpec:
        """(columns,) float32: numbers, flags of missing numbers, ids of categories."""
        flags = sum(number.flagged for number in self.numbers)
        categories = (*(0 for _ in range(len(self.numbers) + flags)), *(len(words) + 1 for words in self.categories))
        return TensorSpec(("columns",), (len(categories),), "float32", categories)

    def finish(self, array: Array) -> Array:
        """The cells as JSON -> numbers and ids."""
        return self.finish_all([array])[0]

    def finish_all(self, arrays: Sequence[Array]) -> Sequence[Array]:
        """Rows of cells as JSON -> (rows, columns)."""
        numbers, words = _apart([_cells(array) for array in arrays], self.columns)
        places = [_places(known) for known in self.categories]
        ids = [[known.get(word, 0) for known, word in zip(places, row, strict=True)] for row in words]
        finished: Floats = np.concatenate([numbers, np.array(ids, np.float64).reshape(len(arrays), len(self.categories))], 1)
        return finished  # type: ignore[return-value]  # the rows of an array are a sequence of arrays

    def excerpt(self, array: Array) -> str:
        """ "age 39 · colour red"."""
        names = [f"{name}{part}" for name, column in self.columns.items() for part in column.parts]
        known = [f"{name} {value:.4g}" for name, value in zip(names, array.tolist(), strict=False) if value == value]
        kinds = [name for name, column in self.columns.items() if isinstance(column, Category)]
        ids = array[len(self.numbers) :].tolist()
        said = [f"{name} {words[int(one) - 1]}" for name, words, one in zip(kinds, self.categories, ids, strict=True) if one]
        return printable(" · ".join([*known, *said][:SHOWN]))

    def module(self) -> nn.Module:
        """(batch, columns) float64 -> standardised numbers, flags and ids, float32."""
        from flambeau.inputs.graph.table import PrepareTable

        return PrepareTable(
            [number.middle for number in self.numbers],
            [number.spread for number in self.numbers],
            [number.log for number in self.numbers],
            [place for place, number in enumerate(self.numbers) if number.flagged],
        )


def _cells(array: Array) -> list[Cell]:
    cells: list[Cell] = orjson.loads(array.tobytes())
    return cells


def _apart(rows: Sequence[Sequence[Cell]], columns: Mapping[str, Column]) -> tuple[Floats, list[list[str | None]]]:
    """Rows of cells -> (rows, numbers) with NaN for what is missing, and the words of each row."""
    is_words = [column.words for column in columns.values()]
    numbers = [[number for cell, word in zip(row, is_words, strict=True) if not word for number in cell or ()] for row in rows]
    words = [[cell for cell, word in zip(row, is_words, strict=True) if word] for row in rows]
    width = sum(len(column.parts) for column in columns.values())
    return np.array(numbers, np.float64).reshape(len(rows), width), words  # type: ignore[return-value]  # a cell of words is a word


def _fitted_number(column: Column, values: Floats) -> FittedNumber:
    known = values[~np.isnan(values)]
    flagged = len(known) < len(values)
    scale = column.scale if isinstance(column, Number | Vector) else "none" if column.name == "boolean" else "standard"
    wants_log = column.log if isinstance(column, Number) else False
    log = _has_long_tail(known) if wants_log is None else wants_log
    known = np.sign(known) * np.log1p(np.abs(known)) if log else known
    if scale == "none" or not len(known):
        return FittedNumber(middle=0.0, spread=1.0, log=log, flagged=flagged)
    middle, spread = float(known.mean()), float(known.std())
    if scale == "robust":
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
        spread = (high - low) / HALF_OF_NORMAL or spread
    return FittedNumber(middle=middle, spread=spread if spread > LEAST_SPREAD * abs(middle) else 1.0, log=log, flagged=flagged)


def _has_long_tail(known: Floats) -> bool:
    if len(known) < 3 or known.min() < 0 or known.std() == 0:
        return False
    return bool((((known - known.mean()) / known.std()) ** 3).mean() > LONG_TAIL)


def _fitted_category(column: Category, words: Sequence[str | None]) -> tuple[str | None, ...]:
    counts = Counter(words)
    frequent = [word for word, count in counts.items() if count >= column.min_count]
    return tuple(sorted(frequent, key=lambda word: (-counts[word], word is None, word or ""))[: column.max_values])


@lru_cache
def _places(known: tuple[str | None, ...]) -> Mapping[str | None, int]:
    """Words -> the id of each."""
    return {word: place for place, word in enumerate(known, 1)}
