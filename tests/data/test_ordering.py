"""A split by time: nothing of the future is learned from."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau.data.config import DataConfig, SplitConfig
from flambeau.data.examples import Source
from flambeau.data.ordering import follows_time, ranks, shared_out
from flambeau.data.source import open_source
from flambeau.errors import DataError
from flambeau.planning import Request, resolve

ORDER = SplitConfig(order="t")


@given(st.lists(st.integers(0, 30), min_size=3, max_size=200))
def test_no_time_is_in_two_splits_and_none_comes_before_an_earlier_one(times: list[int]) -> None:
    if len(set(times)) < 3:
        with pytest.raises(DataError, match="order-few"):
            shared_out(np.unique(times, return_inverse=True)[1], ORDER, "t")
        return
    words = shared_out(np.unique(times, return_inverse=True)[1], ORDER, "t")
    by_word = {word: [one_time for one_time, one in zip(times, words, strict=True) if one == word] for word in ("train", "valid", "test")}
    assert max(by_word["train"]) < min(by_word["valid"])
    assert max(by_word["valid"]) < min(by_word["test"])


def test_the_shares_are_those_of_the_recipe() -> None:
    assert Counter(shared_out(np.arange(1000), ORDER, "t")) == {"train": 700, "valid": 150, "test": 150}


def test_times_are_numbers_or_dates() -> None:
    assert ranks(["10", "9", "9.5"]).tolist() == [2, 0, 1]  # type: ignore[union-attr]
    assert ranks(["2026/1/10", "2026/1/9", "2026年2月1日"]).tolist() == [1, 0, 2]  # type: ignore[union-attr]
    assert ranks(["2026-01-10", "soon"]) is None


def table(path: Path, rows: list[tuple[object, ...]], header: str) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def test_rows_by_a_date_that_is_no_input(tmp_path: Path) -> None:
    rows = [(f"2026/{1 + day // 28}/{1 + day % 28}", day % 7, day % 5, day / 10) for day in np.random.default_rng(0).permutation(300).tolist()]
    plan = resolve(Request(table(tmp_path / "t.csv", rows, "t,a,b,y"), target="y", settings=("data.split.order=t",)))
    assert plan.recipe.inputs["table"].fields("table") == ("a", "b")
    places = ranks(plan.source.values("t"))
    assert places is not None and plan.source.given is not None
    assert max(places[np.array(plan.source.given) == "train"]) < min(places[np.array(plan.source.given) != "train"])
    with pytest.raises(DataError, match="order-form") as caught:
        resolve(Request(table(tmp_path / "u.csv", [(1, 1, 2), ("later", 2, 3)] * 30, "t,a,y"), target="y", settings=("data.split.order=t",)))
    assert (caught.value.where, caught.value.facts["value"]) == ("#2", "later")


def windows(folder: Path, size: int, step: int, units: int = 1) -> Source:
    rows = [(unit, moment, np.sin(moment), moment) for unit in range(units) for moment in range(200)]
    path = table(folder / "long.csv", rows, "unit,t,x,y")
    series = {"time": "t", "window": size, "step": step, **({} if units == 1 else {"id": "unit"})}
    return open_source(
        DataConfig.model_validate({"table": path, "series": series, "split": {"order": "t"}, "exclude_columns": ["y"] if units < 0 else []}), "y"
    )


@pytest.mark.parametrize("units", [1, 3])
def test_windows_that_reach_back_into_another_split_are_left_out(tmp_path: Path, units: int) -> None:
    source = windows(tmp_path, 20, 5, units)
    ends = np.array([float(example["y"]) for example in source.examples])  # type: ignore[arg-type]  # each window has the last target
    words = np.array(source.given)
    assert (ends - 19).min() == 0
    assert (ends[words == "valid"] - 19).min() > ends[words == "train"].max()
    assert (ends[words == "test"] - 19).min() > ends[words == "valid"].max()
    assert 0.6 < (words == "train").mean() < 0.85


def test_too_few_windows_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="order-few"):
        windows(tmp_path, 90, 30)


def test_an_order_is_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split-several"):
        SplitConfig(order="t", group="unit")


def test_a_record_of_what_happened_is_seen() -> None:
    days = [f"2026-01-{day:02d}" for day in range(1, 29)]
    assert follows_time(days)
    assert not follows_time(days[::-1])
    assert not follows_time(days[:5] * 5)
    assert not follows_time([*sorted(days[:5] * 5)])


def test_hours_of_a_day_that_the_clock_repeats_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    hours = [f"2026-03-29 {hour:02d}:30" for hour in range(5)]  # at two o'clock it is three
    assert ranks(hours).tolist() == list(range(5))  # type: ignore[union-attr]
    monkeypatch.undo()
    time.tzset()


def test_a_split_of_the_data_goes_before_an_order() -> None:
    arrays = {f"{name}_{split}": np.arange(10) for name in ("t", "x", "y") for split in ("train", "test")}
    with pytest.raises(DataError, match="order-given"):
        open_source(DataConfig.model_validate({"split": {"order": "t"}}), "y", arrays)
