"""Where images lie as channels_last, so do the gradients behind them, and the numbers stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from flambeau.network.modules import MeanOver
from flambeau.tasks.losses import ClassLoss
from flambeau.training.config import TrainingConfig
from flambeau.training.objective import Objective

ENDS = {
    "flatten": [nn.Flatten(), nn.Linear(6 * 8 * 8, 10)],
    "mean": [MeanOver((2, 3)), nn.Linear(6, 10)],
    "times": [nn.Flatten(2), nn.Flatten(), nn.Linear(6 * 8 * 8, 10)],
    "adaptive": [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)],
}


class Pictures(nn.Module):
    """A convolution, an activation and what ends the picture; it notes how the activation's gradients come."""

    def __init__(self, end: list[nn.Module]) -> None:
        super().__init__()
        self.gradients: list[Tensor] = []
        activation = nn.ReLU()
        activation.register_full_backward_pre_hook(lambda module, gradients: self.gradients.append(gradients[0]))  # type: ignore[arg-type]
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), activation, *end)
        self.activation = nn.Softmax(-1)

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        answers: Tensor = self.body(inputs["image"].float() / 255)
        return answers


def gradients(network: Pictures, batch: Any, **settings: Any) -> list[Tensor]:
    """Of all parameters after one batch, as copies in the usual order."""
    config = TrainingConfig.model_validate({"optimizer": "adamw", "precision": "fp32", **settings})
    network.to(memory_format=torch.channels_last if settings["memory_format"] == "channels_last" else torch.contiguous_format)
    Objective(network, ClassLoss([1.0] * 10), config, torch.device("cpu"), lambda notice: None).backward(batch, 0)
    return [parameter.grad.clone(memory_format=torch.contiguous_format) for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("end", ENDS)
def test_a_gradient_lies_as_its_image(digits: Any, end: str) -> None:
    batch = next(digits(slice(0, 40), 40).epoch(1))
    network = Pictures(ENDS[end])
    plain = gradients(network, batch, memory_format="contiguous")
    moved = gradients(network, batch, memory_format="channels_last")
    before, after = network.gradients
    assert before.is_contiguous() and after.is_contiguous(memory_format=torch.channels_last) and not after.is_contiguous()
    assert len(plain) == 4
    for one, other in zip(plain, moved, strict=True):
        torch.testing.assert_close(one, other)


def test_nothing_stays_on_the_network(digits: Any) -> None:
    network = Pictures(ENDS["mean"])
    gradients(network, next(digits(slice(0, 40), 40).epoch(1)), memory_format="channels_last")
    assert not list(chain.from_iterable(module._forward_pre_hooks for module in network.modules()))


@pytest.mark.parametrize(("compiled", "hooks"), [(False, 1), (True, 0)])
def test_a_compiled_network_is_left_alone(digits: Any, monkeypatch: pytest.MonkeyPatch, compiled: bool, hooks: int) -> None:
    """It orders its memory itself, and would be compiled anew for what is hung on its modules."""
    monkeypatch.setattr(torch, "compile", lambda function: function)
    network = Pictures(ENDS["flatten"])
    end, seen = network.body[2], []
    network.body[0].register_forward_hook(lambda *_: seen.append(len(end._forward_pre_hooks)))
    gradients(network, next(digits(slice(0, 40), 40).epoch(1)), memory_format="channels_last", compile=compiled)
    assert seen == [hooks]
