"""A row for each time -> an example for each series, or for each window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flambeau.data.examples import Source
from flambeau.data.long_table import Windows, gather
from flambeau.errors import DataError


def source(*rows: tuple[object, ...]) -> Source:
    columns = ("id", "time", "label", "place", "x", "y")
    return Source("long", Path("/data/long.csv"), columns, [dict(zip(columns, row, strict=True)) for row in rows], "label")


ROWS = [
    ("s10", "2", "run", "home", "7", "1"),
    ("s2", "10", "walk", "lake", "3", ""),
    ("s2", "9", "walk", "lake", "2.5", "4e1"),
    ("s10", "1", "run", "home", "6", "NA"),
    ("s2", "-1", "walk", "lake", "1", "5"),
]


def test_series_are_sorted_by_time_and_named_naturally() -> None:
    found = gather(source(*ROWS), "id", "time")
    assert found.columns == ("series", "id", "label", "place")
    assert [example["id"] for example in found.examples] == ["s2", "s10"]
    assert np.array_equal(found.examples[0]["series"], [[1, 5], [2.5, 40], [3, np.nan]], equal_nan=True)
    assert np.array_equal(found.examples[1]["series"], [[6, np.nan], [7, 1]], equal_nan=True)
    assert [found.label(row) for row in range(2)] == ["walk", "run"]


def test_times_of_several_kinds_sort_as_text() -> None:
    rows = [("a", value, "up", "p", place, 0) for place, value in enumerate([10, "b", 2])]
    assert gather(source(*rows), "id", "time").examples[0]["series"][:, 0].tolist() == [0, 2, 1]


def test_dates_sort_as_text() -> None:
    rows = [("a", "2026-11-02", "u", "p", 2, 0), ("a", "2026-02-11", "u", "p", 1, 0), ("b", "2025-01-01", "v", "p", 3, 0)]
    assert gather(source(*rows), "id", "time").examples[0]["series"][:, 0].tolist() == [1, 2]


def test_windows_keep_the_identity_and_take_the_most_frequent_label() -> None:
    rows = [("a", time, "up" if time < 5 else "down", "p", time, -time) for time in range(10)] + [("b", 0, "up", "p", 0, 0)]
    found = gather(source(*rows), "id", "time", Windows(4, 3))
    assert [example["series"][0, 0] for example in found.examples] == [0, 3, 6]
    assert [example["label"] for example in found.examples] == ["up", "down", "down"], "of equally many the last"
    assert {example["id"] for example in found.examples} == {"a"}
    assert [(notice.code, notice.facts["n"]) for notice in found.notices] == [("long-short", 1)]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([("a", 0, "u", "p", 1, 1), ("a", 1, "v", "p", 1, 1)], "long-label"),
        ([("a", 0, "u", "p", "x", "y")], "long-channels"),
        ([*[("a", time, "u", "p", 1, 1) for time in range(20)], ("a", 99, "u", "p", "broken", 1)], "long-number"),
    ],
)
def test_what_is_wrong_is_said(rows: list[tuple[object, ...]], code: str) -> None:
    with pytest.raises(DataError) as raised:
        gather(source(*rows), "id", "time")
    assert raised.value.code == code


def test_columns_that_are_not_there() -> None:
    with pytest.raises(DataError, match="no column 'idd'"):
        gather(source(*ROWS), "idd", "time")
