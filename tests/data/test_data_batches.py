"""Batches: every example once, the same order whenever it is asked for, and an epoch that can be entered anywhere."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flambeau.data.ahead import read_ahead
from flambeau.data.batches import Batches
from flambeau.data.cache import encode
from flambeau.data.config import DataConfig
from flambeau.data.source import open_source
from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.pictures import Pictures
from flambeau.inputs.augment.steps import Cutmix, Flip, Mixup
from flambeau.inputs.input import Preprocessor
from flambeau.types import Array, Batch, TensorSpec


class Numbers(Preprocessor):
    """One number an example."""

    type: Literal["numbers"] = "numbers"

    @property
    def spec(self) -> Any:
        return TensorSpec((), (), "int16")

    @property
    def gives(self) -> Any:
        raise AssertionError

    def read(self, value: object) -> Array:
        return np.asarray(value)

    def module(self) -> torch.nn.Module:
        return torch.nn.Identity()


def make(size: int, batch_size: Any = 4, **options: Any) -> Batches:
    """Examples whose input is their row, whose target is row % 3; the split holds every second row."""
    rows = np.arange(0, 2 * size, 2)
    everything = np.arange(2 * size, dtype=np.int16)
    return Batches({"x": everything}, everything.astype(np.int64) % 3, rows, {"x": Numbers()}, batch_size, **options)


def values(batch: Batch) -> list[int]:
    return [int(number) for number in batch.inputs["x"]]


def all_values(batches: Iterable[Batch]) -> list[int]:
    return [number for batch in batches for number in values(batch)]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 40), st.one_of(st.integers(1, 12), st.just("all")), st.integers(0, 5))
def test_an_epoch_holds_everything_once(size: int, batch_size: Any, epoch: int) -> None:
    batches = make(size, batch_size)
    found = list(batches.epoch(epoch))
    assert len(found) == batches.num_steps
    assert sorted(all_values(found)) == list(range(0, 2 * size, 2))
    sizes = [len(batch.targets) for batch in found]
    assert batches.num_examples == size
    assert 1 not in sizes or size == 1 or batch_size == 1
    if batch_size != "all":
        assert max(sizes) <= batch_size + 1
        assert all(one == batch_size for one in sizes[:-1])
    for batch in found:
        assert batch.targets.tolist() == [row % 3 for row in values(batch)]
        assert batch.weights is None


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 7), st.integers(0, 3), st.sampled_from(["shuffle", "balanced"]))
def test_an_epoch_can_be_entered_anywhere(size: int, batch_size: int, epoch: int, sampling: Any) -> None:
    whole = [values(batch) for batch in make(size, batch_size, sampling=sampling).epoch(epoch)]
    for start in range(len(whole) + 1):
        assert [values(batch) for batch in make(size, batch_size, sampling=sampling).epoch(epoch, start)] == whole[start:]


def test_seed_and_epoch_decide_the_order() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return all_values(make(50, seed=seed).epoch(epoch))

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_in_order_is_as_it_was() -> None:
    def shout(batch: Batch, draw: Draw) -> Batch:
        raise AssertionError("validation is never varied")

    batches = make(9, 4, augment={"x": shout})
    found = list(batches.in_order())
    assert all_values(found) == list(range(0, 18, 2))
    assert [len(batch.targets) for batch in found] == [4, 4, 1]
    assert [len(batch.targets) for batch in make(9, "all").in_order()] == [9]


def test_types_stay_and_weights_come_along() -> None:
    weights = np.linspace(0, 1, 20).astype(np.float32)
    batch = next(make(10, 3, weights=weights).in_order())
    assert batch.inputs["x"].dtype == torch.int16
    assert batch.targets.dtype == torch.int64
    torch.testing.assert_close(batch.weights, torch.from_numpy(weights[[0, 2, 4]]))
    assert next(Batches({"x": np.arange(4)}, None, np.arange(4), {"x": Numbers()}).in_order()).targets is None


def test_balanced_sampling() -> None:
    targets = np.array([0] * 70 + [1] * 25 + [2] * 5)
    batches = Batches({"x": np.arange(100)}, targets, np.arange(100), {"x": Numbers()}, 10, sampling="balanced")
    seen: Counter[int] = Counter()
    for epoch in range(40):
        drawn = all_values(batches.epoch(epoch))
        per_class = Counter(targets[drawn].tolist())
        assert sorted(per_class.values()) == [33, 33, 34]
        times = Counter(drawn)
        assert {times[row] for row in range(95, 100)} <= {6, 7}
        assert max(times[row] for row in range(70)) == 1
        seen.update(drawn)
    assert len(seen) == 100  # over the epochs every example of the largest class comes
    with pytest.raises(AssertionError, match="only classes"):
        Batches({"x": np.arange(4)}, np.eye(4), np.arange(4), {"x": Numbers()}, sampling="balanced")


def test_augmentation_gets_its_draw_and_may_change_targets() -> None:
    draws: list[Draw] = []

    def vary(batch: Batch, draw: Draw) -> Batch:
        draws.append(draw)
        assert list(batch.inputs) == ["x"]
        return replace(batch, inputs={"x": batch.inputs["x"] + 1}, targets=draw.soft(batch.targets))

    inputs = {"x": np.arange(6), "other": np.arange(6)}
    both = {"x": Numbers(), "other": Numbers()}
    batches = Batches(
        inputs, np.arange(6) % 2, np.arange(6), both, 4, 7, {"x": vary}, lambda targets: torch.nn.functional.one_hot(targets, 2).float()
    )
    found = list(batches.epoch(3))
    for batch, draw in zip(found, draws, strict=True):
        assert (batch.inputs["x"] == batch.inputs["other"] + 1).all()
        assert batch.targets.shape == (len(batch.inputs["x"]), 2)
        assert (draw.seed, draw.epoch) == (7, 3)
        assert (draw.indices == batch.inputs["other"].numpy()).all()


def test_random_numbers_do_not_depend_on_the_batch_but_differ_between_repeats() -> None:
    def numbers(batch_size: int, sampling: Any) -> dict[int, list[float]]:
        found: dict[int, list[float]] = {}

        def vary(batch: Batch, draw: Draw) -> Batch:
            for row, number in zip(values(batch), draw.uniform(1), strict=True):
                found.setdefault(row, []).append(float(number))
            return batch

        targets = np.array([0] * 30 + [1] * 4)
        list(Batches({"x": np.arange(34)}, targets, np.arange(34), {"x": Numbers()}, batch_size, augment={"x": vary}, sampling=sampling).epoch(2))
        return found

    assert numbers(5, "shuffle") == numbers(9, "shuffle")
    balanced = numbers(5, "balanced")
    assert all(len(set(balanced[row])) == len(balanced[row]) > 3 for row in range(30, 34))
    assert {row: one[:1] for row, one in balanced.items()}.items() <= {row: one[:1] for row, one in numbers(5, "shuffle").items()}.items()


def test_from_the_cache_with_ragged_rows(tmp_path: Path, letters: Any, pixels: Any, digits: tuple[np.ndarray, np.ndarray]) -> None:
    words = ["a", "bcd", "ef", "g"]
    source = open_source(DataConfig(), memory={"word": words, "word2": digits[0][:4], "label": [0, 1, 0, 1]})
    inputs = {"word": letters(), "word2": pixels()}
    cache = encode(source, inputs, tmp_path)
    preprocessors = {name: chosen.fit([]) for name, chosen in inputs.items()}
    seen: list[set[str]] = []

    def vary(batch: Batch, draw: Draw) -> Batch:
        seen.append(set(batch.inputs))
        return batch

    batches = Batches(cache.rows, np.array([0, 1, 0, 1]), np.array([3, 1]), preprocessors, "all", augment={"word": vary, "word2": vary})
    batch = next(batches.in_order())
    assert batch.inputs["word"].tolist() == [[103, 0, 0], [98, 99, 100]]
    assert batch.inputs["word.mask"].tolist() == [[True, False, False], [True, True, True]]
    assert (batch.inputs["word2"][:, 0].numpy() == digits[0][[3, 1]]).all()
    assert batch.inputs["word2"].dtype == torch.uint8
    batch.inputs["word2"] += 1  # a batch is the step's own: the cache behind it cannot be written
    list(batches.epoch(0))
    assert seen == [{"word", "word.mask"}, {"word2"}]


def test_batches_loaded_ahead_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = [values(batch) for batch in make(50).epoch(1, 3)], [values(batch) for batch in make(50).in_order()]
    monkeypatch.setattr("flambeau.data.batches.memory", lambda: 0)
    used: list[object] = []
    monkeypatch.setattr("flambeau.data.batches.read_ahead", lambda items: used.append(items) or read_ahead(items))
    assert ([values(batch) for batch in make(50).epoch(1, 3)], [values(batch) for batch in make(50).in_order()]) == at_once
    assert len(used) == 2
    epoch = make(50).epoch(1)
    next(epoch)
    epoch.close()
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())


@pytest.mark.parametrize("step", ["mixup", "cutmix"])
def test_two_inputs_that_mix_blend_the_targets_once(step: str) -> None:
    size = 12
    pictures = np.zeros((size, size, 8, 8), np.uint8)
    pictures[np.arange(size), np.arange(size)] = 200  # channel k belongs to example k
    one_step = Mixup(alpha=1) if step == "mixup" else Cutmix()
    augment = {"left": Pictures((one_step,)), "right": Pictures((Flip(probability=0), one_step))}
    both = {"left": Numbers(), "right": Numbers()}

    def soft(targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(targets, size).float()

    batches = Batches({"left": pictures, "right": pictures}, np.arange(size), np.arange(size), both, size, 3, augment, soft)
    (batch,) = batches.epoch(1)
    left, right = (batch.inputs[name].mean((2, 3)) / 200 for name in ("left", "right"))
    torch.testing.assert_close(batch.targets, (left + right) / 2, rtol=0, atol=1e-5)
    assert not torch.equal(left, right), "steps at different places of their lists draw their own numbers"
