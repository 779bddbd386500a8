"""The learning-rate finder: it tries what will train, and only differences of losses count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

import flambeau as fb
from flambeau.tasks.losses import ClassLoss
from flambeau.training.config import TrainingConfig
from flambeau.training.finder import Found, find_lr
from flambeau.training.parameters import Group


class Small(nn.Module):
    """Two dense layers over the pixels: quick, as a trial takes a hundred steps."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 16)
        self.head = nn.Linear(16, 10)
        self.activation = nn.Softmax(-1)

    def logits(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return self.head(torch.relu(self.first(inputs["image"].flatten(1) / 255)))


class Shifted(ClassLoss):
    def __init__(self, shift: float) -> None:
        super().__init__([1.0] * 10)
        self.shift = shift

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return super().forward(logits, targets) + self.shift


class Uneven(nn.Module):
    """As uneven from batch to batch as a real loss, but nothing can be learnt from it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 0.0 * logits.sum(-1) + 1.0 + 0.2 * torch.randn((), generator=self.generator)


@pytest.fixture
def find(digits: Any) -> Any:
    def found(loss: nn.Module | None = None, groups: Any = (), pace: Any = (), **settings: Any) -> Found:
        torch.manual_seed(0)
        network = Small()
        named = [Group([*getattr(network, part).parameters()], scale) for part, scale in groups]
        config = TrainingConfig.model_validate({"threads": 1, "clip": None, "groups": pace, **settings})
        return find_lr(network, loss or Shifted(0.0), digits(slice(0, 160), 32), config, named)

    return found


@pytest.mark.parametrize("shift", [-3.0, -1.0, 50.0])
def test_a_constant_in_the_loss_changes_nothing(find: Any, shift: float) -> None:
    plain, shifted = find(), find(Shifted(shift))
    assert plain.suggestion is not None and 1e-4 < plain.suggestion < 0.3
    assert shifted.suggestion == pytest.approx(plain.suggestion)
    assert len(shifted.lrs) == len(plain.lrs)


def test_noise_is_no_fall(find: Any) -> None:
    assert sum(find(Uneven(seed)).suggestion is not None for seed in range(5)) <= 1


@pytest.mark.parametrize("scale", [0.0, 0.01])
def test_parts_are_tried_at_their_own_pace(find: Any, scale: float) -> None:
    """What learns at a hundredth of the pace needs a much larger learning rate, and what does not learn has none, whoever says so."""
    plain = find(optimizer="adamw").suggestion
    by_network = find(optimizer="adamw", groups=[(part, scale) for part in ("first", "head")]).suggestion
    by_recipe = find(optimizer="adamw", pace=({"match": "*", "lr_scale": scale},)).suggestion
    assert by_network == by_recipe
    assert by_recipe is None if scale == 0 else by_recipe > 3 * plain


def test_gradients_are_clipped_as_in_the_training(find: Any) -> None:
    clipped = find(optimizer={"sgd": {"momentum": 0.0, "weight_decay": 0.0}}, clip=1e-6)
    assert clipped.suggestion is None, "steps of 1e-6 change nothing at any learning rate up to 1"


def test_rprop_gets_no_suggestion(find: Any) -> None:
    assert find(optimizer="rprop").suggestion is None


def test_what_muon_leaves_to_others_gets_the_learning_rate_that_was_tried(tmp_path: Path, few_digits: Path) -> None:
    optimizer = {"muon": {"lr": 0.02, "rest": {"sgd": 0.1}}}
    network = [{"conv2d": 4}, "relu", {"conv2d": 4}, "relu", "flatten"]
    training = {"optimizer": optimizer, "epochs": 1, "precision": "fp32", "memory_format": "contiguous", "fused": False, "compile": False}
    shown: list[Any] = []
    run = fb.fit(few_digits, recipe={"network": network, "training": training}, run=tmp_path / "run", find_lr=True, show=shown.append)
    [lr] = [event.facts["lr"] for event in shown if getattr(event, "code", "") == "lr-found"]
    assert run.path is not None
    muon = yaml.safe_load((run.path / "recipe.resolved.yaml").read_text(encoding="utf-8"))["training"]["optimizer"]["muon"]
    assert muon["lr"] == pytest.approx(lr, rel=0.01)
    assert muon["rest"]["sgd"]["lr"] == pytest.approx(5 * lr, rel=0.01)
