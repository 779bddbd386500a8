"""Numbers and days as people and spreadsheets write them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau.cells import is_missing, moment_of, number_of


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *((" 3.5 ", 3.5), ("1e3", 1000.0), ("-.5", -0.5), (7, 7.0), (True, 1.0)),
        *(("1,007,349", 1_007_349.0), ("-1,234.50", -1234.5), ("1，234", 1234.0)),
        *(("¥1,234.50", 1234.5), ("￥ 12", 12.0), ("-$5", -5.0), ("12 €", 12.0), ("1,234元", 1234.0)),
        *(("8.6%", 0.086), ("12％", 0.12), ("-3 %", -0.03)),
    ],
)
def test_a_number_as_it_is_written(written: object, number: float) -> None:
    assert number_of(written) == number


@pytest.mark.parametrize(
    "written", ["", "0,123", "0,123,456", "1,23", "1,2345", "1,234,56", "1.234,50", "1_000", "$5%", "inf", "nan", "(5)", "12 m", "9" * 400]
)
def test_what_is_no_number(written: str) -> None:
    with pytest.raises(ValueError):
        number_of(written)


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_python_writes_what_is_read(number: int, decimals: int) -> None:
    assert number_of(f"{number:,}") == number
    assert number_of(f"{number / 100:,.{decimals}f}") == float(f"{number / 100:.{decimals}f}")
    assert number_of(f"{number}%") == number / 100


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-25", datetime(2026, 11, 25)),
        ("2026/1/5", datetime(2026, 1, 5)),
        ("2026/1/5 8:05", datetime(2026, 1, 5, 8, 5)),
        ("2026-11", datetime(2026, 11, 1)),
        ("2026年3月", datetime(2026, 3, 1)),
        ("2026年03月05日", datetime(2026, 3, 5)),
        ("2026.3.5 18:30:59", datetime(2026, 3, 5, 18, 30, 59)),
    ],
)
def test_a_day_as_it_is_written(written: str, moment: datetime) -> None:
    assert moment_of(written) == moment


@pytest.mark.parametrize("written", ["5/3/2026", "2026-13", "2026-02-30", "2026-3-0", "26-3-5", "march"])
def test_what_is_no_day(written: str) -> None:
    with pytest.raises(ValueError):
        moment_of(written)


def test_nothing_is_missing() -> None:
    class NAType:
        """As pandas calls its own."""

    assert all(map(is_missing, (None, float("nan"), NAType(), "", " NA ", "-", "?")))
    assert not any(map(is_missing, (0, "0", False, "no", "空")))


def test_decimals_of_databases_are_numbers() -> None:
    assert number_of(Decimal("1234.50")) == 1234.5
    with pytest.raises(ValueError):
        number_of(Decimal("NaN"))
