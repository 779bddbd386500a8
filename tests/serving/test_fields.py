"""What /model tells of the fields of an example, beside figures worked out by hand."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest

from flambeau.inputs.columns import Boolean, Category, Date, Number, Vector
from flambeau.inputs.table import TableInput
from flambeau.inputs.text import TextInput
from flambeau.serving.fields import MOST_CHOICES, fields_of
from flambeau.serving.wire import wires_of


def fitted(columns, rows):
    table = TableInput(columns=columns)
    return table.fit([table.read(dict(zip(columns, row, strict=True))) for row in rows])


def test_each_kind_of_column_tells_what_a_form_needs():
    columns = {
        "size": Number(),
        "price": Number(log=True),
        "code": Number(scale="none"),
        "new": Boolean(),
        "colour": Category(min_count=1),
        "day": Date(),
        "moment": Date(),
        "shape": Vector(width=2),
    }
    rows = [
        (1.0, 10, 7, True, "red", date(2025, 3, 1), datetime(2025, 3, 1, 12), [1, 2]),
        (None, 100, 8, False, "blue", date(2025, 3, 3), datetime(2025, 3, 2, 12), [3, None]),
        (2.0, 1000, 9, True, "red", date(2025, 3, 5), datetime(2025, 3, 3, 12), [5, 4]),
        (3.0, 10000, 9, None, None, None, None, [7, 6]),
    ]
    found = fields_of({"table": fitted(columns, rows)})
    geometric = np.expm1(np.log1p([10, 100, 1000, 10000]).mean())
    assert found == {
        "size": {"kind": "number", "typical": 2.0},
        "price": {"kind": "number", "typical": pytest.approx(geometric, rel=1e-3)},
        "code": {"kind": "number"},
        "new": {"kind": "boolean"},
        "colour": {"kind": "category", "choices": ["red", "blue"], "more": 0, "typical": "red"},
        "day": {"kind": "date", "time": False, "typical": "2025-03-03"},
        "moment": {"kind": "date", "time": True, "typical": "2025-03-02T12:00"},
        "shape": {"kind": "vector", "width": 2, "typical": [4.0, 4.0]},
    }


def test_of_many_words_the_most_frequent_ones_are_told():
    rows = [(f"word {place}",) for place in range(MOST_CHOICES + 7) for _ in range(1 + (place == 50))]
    [field] = fields_of({"table": fitted({"word": Category(min_count=1)}, rows)}).values()
    assert (len(field["choices"]), field["more"], field["choices"][0]) == (MOST_CHOICES, 7, "word 50")


def test_fields_stand_in_the_order_of_the_inputs():
    text = TextInput(segment="words", language="en", max_length=5).resolve(["one two"])
    inputs = {"remark": text.fit([text.read("one two")]), "table": fitted({"b": Number(), "a": Number()}, [(1, 2)])}
    assert list(fields_of(inputs)) == list(wires_of(inputs)) == ["remark", "b", "a"]
