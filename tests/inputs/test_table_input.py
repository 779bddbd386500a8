"""Rows of a table become numbers and ids, one by one as the server has them, or together as training has them."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.inputs.columns import Category, Number, Vector
from flambeau.inputs.table import TableInput

KINDS = {"size": Number(), "colour": Category(min_count=1), "shape": Vector(width=2), "make": Category(min_count=1)}
ROWS = [(1.5, "red", [1, 2], "a"), (None, "blue", [3, None], "b"), (-2.0, "red", [5, 6], None), (4.0, None, [7, 8], "a")]
UNSEEN = (0.0, "green", [0, 0], "c")


@pytest.mark.parametrize("names", [tuple(KINDS), ("size",), ("colour", "make"), ("shape", "colour")])
def test_rows_are_the_same_together_and_one_by_one(names: tuple[str, ...]) -> None:
    table = TableInput(columns={name: KINDS[name] for name in names})
    rows = [table.read({name: value for name, value in zip(KINDS, row, strict=True) if name in names}) for row in [*ROWS, UNSEEN]]
    fitted = table.fit(rows[:-1])
    together = fitted.finish_all(rows)
    assert np.shape(together) == (len(rows), *fitted.spec.shape)
    for one, row in zip(together, rows, strict=True):
        np.testing.assert_array_equal(one, fitted.finish(row))
        assert one.dtype == np.float64


def test_numbers_come_first_then_ids_by_frequency() -> None:
    table = TableInput(columns=KINDS)
    rows = [table.read(dict(zip(KINDS, row, strict=True))) for row in [*ROWS, UNSEEN]]
    found = np.stack(table.fit(rows[:-1]).finish_all(rows))
    nan = np.nan  # a missing number; a missing word is a word of its own, an unseen one is 0
    expected = [[1.5, 1, 2, 1, 1], [nan, 3, nan, 2, 2], [-2, 5, 6, 1, 3], [4, 7, 8, 3, 1], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(found, expected)
