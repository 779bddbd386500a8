"""A training that was cut off and goes on ends with the same bits as one that was not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from flambeau.errors import UsageError
from flambeau.training.device import using_threads
from flambeau.types import Epoch

Begin = Callable[..., Any]

KINDS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": {"sgd": 0.1}},
    "adamw": {"optimizer": "adamw", "l1": 1e-4},
    "adamw-unfused": {"optimizer": "adamw", "fused": False},
    "rmsprop": {"optimizer": {"rmsprop": {"momentum": 0.9}}},
    "muon": {"optimizer": {"muon": {"rest": {"sgd": 0.05}}}},
    "muon-channels-last": {"optimizer": "muon", "memory_format": "channels_last"},
    "lbfgs": {"optimizer": {"lbfgs": {"max_iterations": 5}}, "batch_size": None, "epochs": 9},
    "lbfgs-parts": {"optimizer": {"lbfgs": {"max_iterations": 3, "mini_batch": True}}, "accumulate": 2, "schedule": "constant"},
    "ema": {"optimizer": "adamw", "ema": 0.9},
    "swa": {"optimizer": {"sgd": 0.1}, "swa": 0.7, "schedule": "constant"},
    "schedule-free": {"optimizer": "schedule_free"},
    "schedule-free-sgd": {"optimizer": {"schedule_free": {"kind": "sgd", "lr": 0.5, "weight_decay": 0.01}}},
    "sam": {"optimizer": {"sam": {"base": {"sgd": 0.1}}}},
    "nadam": {"optimizer": "nadam"},
    "radam": {"optimizer": "radam"},
    "adamax": {"optimizer": "adamax"},
    "adadelta": {"optimizer": "adadelta"},
    "adafactor": {"optimizer": "adafactor"},
    "asgd": {"optimizer": "asgd"},
    "rprop": {"optimizer": "rprop", "batch_size": None, "epochs": 9},
    "unfreeze": {"optimizer": "adamw", "unfreeze": 1, "layer_decay": 0.7},
    "plateau": {"optimizer": {"sgd": 0.2}, "schedule": {"plateau": {"gamma": 0.3, "patience": 1}}, "batch_size": 48, "epochs": 5},
    "parts": {"optimizer": "adamw", "accumulate": 3},
    "bf16-channels-last": {"optimizer": "adamw", "memory_format": "channels_last", "precision": "bf16"},
}


def timeless(epochs: list[Epoch]) -> list[Epoch]:
    return [replace(epoch, seconds=0.0) for epoch in epochs]


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_at_any_step_changes_no_bit(begin: Begin, fingerprint: Any, power_cut: Any, tmp_path: Path, kind: str) -> None:
    settings = {**KINDS[kind], "checkpoint_seconds": 0.0}
    whole = begin(folder=tmp_path / "whole", **settings)
    epochs = timeless(whole.finish())
    for cut_after in (1, 3, 4, 8):
        folder = tmp_path / f"cut-{cut_after}"
        with pytest.raises(power_cut):
            begin(folder=folder, cut_after=cut_after, **settings).finish()
        again = begin(folder=folder, resume=True, **settings)
        assert timeless(again.finish()) == epochs, cut_after
        assert fingerprint(again.network) == fingerprint(whole.network), cut_after


def test_a_restart_of_a_restart_and_in_validation_changes_no_bit(begin: Begin, fingerprint: Any, power_cut: Any, tmp_path: Path) -> None:
    settings = {"optimizer": "adamw", "ema": 0.8, "checkpoint_seconds": 0.0, "stop_early": 2, "epochs": 4}
    whole = begin(folder=tmp_path / "whole", **settings)
    epochs = timeless(whole.finish())
    cuts: list[dict[str, Any]] = [{"cut_after": 2}, {"cut_in_validation": 0}, {"cut_in_validation": 1}, {"cut_after": 1}, {"cut_after": 5}]
    for number, cut in enumerate(cuts):
        with pytest.raises(power_cut):
            begin(resume=number > 0, **settings, **cut).finish()
    again = begin(resume=True, **settings)
    assert timeless(again.finish()) == epochs and fingerprint(again.network) == fingerprint(whole.network)


def test_a_training_that_was_over_is_over(begin: Begin, fingerprint: Any) -> None:
    settings = {"optimizer": {"sgd": {"lr": 1e-9, "momentum": 0}}, "stop_early": 1, "epochs": 9, "schedule": "constant"}
    first = begin(**settings)
    epochs = first.finish()
    again = begin(resume=True, cut_after=0, **settings)
    assert again.finish() == epochs and len(epochs) < 9
    assert fingerprint(again.network) == fingerprint(first.network)


def test_resume_without_a_checkpoint_begins_and_begin_forgets_the_old(begin: Begin, tmp_path: Path) -> None:
    first = begin(resume=True).finish()
    assert timeless(begin().finish()) == timeless(first)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 4


def test_leaving_early_still_gives_the_best_weights(begin: Begin, fingerprint: Any, tmp_path: Path) -> None:
    run = begin(epochs=5)
    for epoch in run.epochs:
        if epoch.number == 2:
            break
    run.epochs.close()
    other = begin(folder=tmp_path / "other", epochs=5)
    weights = {}
    for epoch in other.epochs:
        if epoch.best and epoch.number <= 2:
            weights = {name: tensor.clone() for name, tensor in other.network.state_dict().items()}
    assert all(torch.equal(tensor, run.network.state_dict()[name]) for name, tensor in weights.items())


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"optimizer": {"adamw": 0.1}}, "training.optimizer"),
        ({"epochs": 7, "seed": 5}, "training.epochs, training.seed"),
        ({"examples": 95}, "data"),
    ],
)
def test_another_training_is_not_resumed(begin: Begin, change: dict[str, Any], differing: str) -> None:
    begin(epochs=1, seed=0, optimizer="adamw").finish()
    with pytest.raises(UsageError) as caught:
        begin(**{"epochs": 1, "resume": True, "optimizer": "adamw", **change}).finish()
    assert (caught.value.code, caught.value.facts["differing"]) == ("resume-differs", differing)


def test_another_network_is_not_resumed(begin: Begin, small_net: Any) -> None:
    begin().finish()
    network = small_net()
    network.head = torch.nn.Linear(16, 11)
    with pytest.raises(UsageError) as caught:
        begin(resume=True, network=network).finish()
    assert caught.value.facts["differing"] == "network"


def test_the_threads_of_the_checkpoint_are_used_again(begin: Begin, power_cut: Any) -> None:
    with using_threads(1):
        with pytest.raises(power_cut):
            begin(cut_after=4, threads=2).finish()
        run = begin(resume=True, threads=1)
        assert next(run.epochs).number == 1
        assert torch.get_num_threads() == 2
        assert [notice.code for notice in run.notices] == ["resume-threads"]
        run.finish()
        assert torch.get_num_threads() == 1


def test_another_machine_is_told(begin: Begin, power_cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(power_cut):
        begin(cut_after=4).finish()
    monkeypatch.setattr(torch, "__version__", "9.9")
    run = begin(resume=True)
    run.finish()
    assert [notice.code for notice in run.notices] == ["resume-inexact"] and "-> 9.9" in run.notices[0].what


def test_what_was_learnt_about_the_memory_is_kept(begin: Begin, power_cut: Any, monkeypatch: pytest.MonkeyPatch, small_net: Any) -> None:
    forward = torch.nn.Dropout.forward

    def hungry(self: Any, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 20:
            raise torch.OutOfMemoryError("tried to allocate")
        return forward(self, x)

    monkeypatch.setattr(torch.nn.Dropout, "forward", hungry)
    first = begin(cut_after=4)
    with pytest.raises(power_cut):
        first.finish()
    again = begin(resume=True)
    again.finish()
    assert [notice.code for notice in first.notices] == ["out-of-memory"] and again.notices == []


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    """One process imports torch and forks the trainings, so that each kill costs no start."""
    script = Path(__file__).with_name("killed_training.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    kills, wanted, got = done.stdout.split()
    assert int(kills) >= 3 and wanted == got
