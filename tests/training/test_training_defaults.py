"""What a recipe leaves open about training follows from how much there is to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import flambeau as fb
from flambeau.data.config import SplitConfig
from flambeau.data.split import expected_sizes, split
from flambeau.training.defaults import EMA, batch_size_for, epochs_for


def test_more_examples_need_fewer_epochs_and_more_steps() -> None:
    sizes = [10, 99, 100, 620, 1_400, 22_400, 10**6]
    assert [epochs_for(size) for size in sizes] == [120, 120, 60, 60, 40, 10, 10]
    assert [batch_size_for(size) for size in (0, 1, 30, 100, 200, 354, 511, 512, 10**6)] == [8, 8, 8, 16, 32, 32, 64, 64, 64]
    assert [epochs_for(size, 2.5) for size in (99, 620, 4_505, 14_000, 10**6)] == [120, 60, 56, 32, 25]
    assert [epochs_for(size, 0.75) for size in (99, 350, 620, 1_444, 12_600, 10**6)] == [113, 60, 45, 30, 10, 10]
    assert all(epochs_for(size) * size <= epochs_for(2 * size) * 2 * size for size in range(1, 50_000))


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        (None, {}),
        (["train"] * 60 + ["test"] * 40, {}),
        ([None] * 70 + ["valid"] * 30, {"train": 0.5, "valid": 0.25, "test": 0.25}),
        (["train"] * 50 + ["valid"] * 20 + ["test"] * 30, {}),
    ],
)
def test_the_sizes_that_are_expected_are_those_of_the_split(given: list[str | None] | None, shares: dict[str, float]) -> None:
    import numpy as np

    config = SplitConfig(**shares)
    made = split([str(row % 2) for row in range(100)], np.arange(100), config, given=given)
    expected = expected_sizes(100, config, given)
    for word in ("train", "valid", "test"):
        assert abs(expected[word] - len(getattr(made, word))) <= 2


def settled(data: Path, **training: Any) -> dict[str, Any]:
    preview = fb.check(data, recipe={"training": training}, show=fb.silent)
    found = yaml.safe_load(preview.recipe.to_yaml())["training"]
    assert isinstance(found, dict)
    return found


def test_a_handful_of_validation_examples_decides_nothing(few_digits: Path) -> None:
    """18 of them: one more that is right is 6 points."""
    left = settled(few_digits)
    assert (left["stop_early"], left["keep_best"], left["batch_size"]) == (None, False, 8)
    assert settled(few_digits, keep_best=True)["keep_best"] is True
    assert settled(few_digits, stop_early=7)["stop_early"] == 7
    assert settled(few_digits, stop_early=7)["keep_best"] is True
    assert settled(few_digits, batch_size=32)["batch_size"] == 32
    assert settled(few_digits, optimizer="lbfgs")["batch_size"] == "all"


@pytest.fixture(scope="module")
def long_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,900 rows, of which 2,030 train."""
    path = tmp_path_factory.mktemp("long_table") / "rows.csv"
    path.write_text("a,b,label\n" + "".join(f"{row},{row * 7 % 101},{'even' if row * 7 % 101 % 2 == 0 else 'odd'}\n" for row in range(2_900)))
    return path


def test_the_weights_of_a_long_table_are_averaged(long_table: Path, tmp_path: Path) -> None:
    assert settled(long_table)["ema"] == EMA
    assert settled(long_table, ema=0.9)["ema"] == 0.9
    assert all(
        settled(long_table, **chosen)["ema"] is None
        for chosen in ({"ema": None}, {"swa": 0.3}, {"optimizer": "schedule_free"}, {"optimizer": "lbfgs"})
    )
    short = tmp_path / "short.csv"
    short.write_text("".join(long_table.read_text().splitlines(keepends=True)[:2_500]))
    assert settled(short)["ema"] is None


def test_enough_of_them_choose_the_epoch(digits_folder: Path) -> None:
    left = settled(digits_folder)
    assert (left["epochs"], left["stop_early"], left["keep_best"], left["batch_size"]) == (32, 11, True, 64)
