"""The step tuner tries, chooses, remembers, and leaves the network alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from flambeau.tasks.losses import ClassLoss
from flambeau.training import tuner
from flambeau.training.config import TrainingConfig
from flambeau.training.tuner import Trial, plain, tune

LONG = 1000


def config(**settings: Any) -> TrainingConfig:
    return TrainingConfig(**{"epochs": LONG, "threads": 1, **settings})


def trials(digits: Any, network: Any, folder: Path, **settings: Any) -> list[Trial]:
    return tune(network, ClassLoss([1.0] * 10), digits(slice(0, 300), 32), config(**settings), folder)


def test_every_open_choice_is_tried_and_one_is_chosen(digits: Any, small_net: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = small_net()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    tried = trials(digits, network, tmp_path)
    ways = {(trial.precision, trial.memory_format, trial.fused) for trial in tried}
    assert {(p, m) for p, m, _ in ways} == {(p, m) for p in ("fp32", "bf16") for m in ("contiguous", "channels_last")}
    assert {fused for _, _, fused in ways} == {True, False}
    assert sum(trial.chosen for trial in tried) == 1
    assert all(trial.milliseconds > 0 for trial in tried)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_fastest_is_chosen_unless_its_losses_go_elsewhere(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(self: Any, key: Any, steps: Any) -> float:
        settings = dict(key)
        self._losses[key] = next(steps) + (100 if settings["memory_format"] == "channels_last" else 0)
        return {"fp32": 2.0, "bf16": 1.0}[settings["precision"]] - (0.5 if settings["memory_format"] == "channels_last" else 0)

    monkeypatch.setattr(tuner._Track, "_step", timed)
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path, fused=True) if trial.chosen]
    assert (chosen.precision, chosen.memory_format, chosen.milliseconds) == ("bf16", "contiguous", 1000.0)


def test_a_gain_within_the_noise_changes_nothing(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(self: Any, key: Any, steps: Any) -> float:
        self._losses[key] = next(steps)
        return 1.0 if dict(key)["precision"] == "fp32" else 0.99

    monkeypatch.setattr(tuner._Track, "_step", timed)
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path) if trial.chosen]
    assert (chosen.precision, chosen.memory_format, chosen.fused) == ("fp32", "contiguous", True)


def test_a_winner_is_kept_for_the_same_work_only(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "RESTLESS", float("inf"))
    torch.manual_seed(0)
    first = trials(digits, small_net(), tmp_path)
    again = trials(digits, small_net(), tmp_path)
    assert again == [trial for trial in first if trial.chosen]
    assert len(trials(digits, small_net(), tmp_path, fused=False)) > 1
    for file in tmp_path.iterdir():
        file.write_text("{")
    assert len(trials(digits, small_net(), tmp_path)) > 1


def test_what_a_busy_machine_gave_is_not_kept(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "RESTLESS", 0.0)
    assert trials(digits, small_net(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 2}, {"precision": "fp32", "memory_format": "contiguous"}, {"optimizer": "lbfgs"}],
    ids=["too short", "nothing open", "full batch"],
)
def test_nothing_is_tried_where_it_does_not_pay(digits: Any, small_net: Any, tmp_path: Path, settings: dict[str, Any]) -> None:
    assert trials(digits, small_net(), tmp_path, **settings) == []
    assert list(tmp_path.iterdir()) == []


def test_plain_is_what_always_works() -> None:
    settled = plain(config())
    assert (settled.precision, settled.memory_format) == ("fp32", "contiguous")
    fixed = config(precision="bf16", memory_format="channels_last")
    assert plain(fixed) == fixed
