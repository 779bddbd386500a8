"""Layers that went wrong, by name: not finite, dead, exploding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from math import isfinite

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from flambeau.errors import DataError, FlambeauError, Notice, RecipeError
from flambeau.training.parameters import layers
from flambeau.types import Epoch

EXPLODING = 1e3
"""Mean L2 norm of a layer's gradient. Healthy ones of a mean loss lie between 1e-4 and 10."""


def diagnose(
    network: nn.Module, inputs: Mapping[str, Tensor], forward: Callable[[], object], loss: float, optimizer: str, epoch: int
) -> FlambeauError:
    """Why the loss or a gradient of a step is not finite: the error to raise, which names the first layer at fault.

    Args:
        network: with the gradients of the step.
        inputs: of the step.
        forward: runs the network on `inputs` once more, in training mode.
        loss: of the step.
        optimizer: its name, for the place of the fault.
        epoch: counted from 1.
    """
    for name, tensor in inputs.items():
        if not _finite(tensor):
            return DataError("input-not-finite", where=name, input=name)
    place = ("training", "optimizer", optimizer)
    activation = _first_non_finite_output(network, forward)
    if activation:
        return RecipeError("activation-not-finite", path=place, layer=activation, epoch=epoch)
    if not isfinite(loss):
        return RecipeError("loss-not-finite", path=place, epoch=epoch)
    # Gradients flow from the last layer to the first, so the last one that is sick is where it began.
    sick = [name for name, parameters in layers(network).items() if not all(_norm_is_finite(parameter) for parameter in parameters)]
    return RecipeError("gradient-not-finite", path=place, layer=", ".join(sick[-1:]), epoch=epoch)


def notices(history: Sequence[Epoch]) -> list[Notice]:
    """What the gradients of the newest epoch tell about each layer, when it is new."""
    found: list[Notice] = []
    for layer, norm in history[-1].gradient_norms.items():
        norms = [epoch.gradient_norms.get(layer, 1.0) for epoch in history]
        # A layer behind a weight that starts at 0 (a residual's last norm) has no gradient in the very first steps: hence two epochs.
        if norms[-2:] == [0.0, 0.0] and norms[-3:] != [0.0, 0.0, 0.0]:
            found.append(Notice("layer-dead", {"layer": layer, "epoch": history[-1].number}))
        if norm > EXPLODING and not any(earlier > EXPLODING for earlier in norms[:-1]):
            found.append(Notice("layer-exploding", {"layer": layer, "epoch": history[-1].number, "norm": norm}))
    return found


def _first_non_finite_output(network: nn.Module, forward: Callable[[], object]) -> str:
    """Name of the first layer whose output is not finite, in the order in which they run; "" if there is none."""
    sick: list[str] = []

    def hook(name: str) -> Callable[[nn.Module, object, object], None]:
        def look(module: nn.Module, inputs: object, output: object) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            if not all(_finite(part) for part in parts if isinstance(part, Tensor)):
                sick.append(name)

        return look

    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            if not any(True for _ in module.children()):
                hooks.callback(module.register_forward_hook(hook(name)).remove)
        forward()
    return sick[0] if sick else ""


def _norm_is_finite(parameter: Parameter) -> bool:
    """Whether the gradient's length is a number: it can overflow though every element of it is one."""
    return parameter.grad is None or bool(torch.linalg.vector_norm(parameter.grad).isfinite())


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
