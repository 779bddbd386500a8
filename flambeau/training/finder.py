"""Which learning rate? Try all of them for a moment, from tiny to far too large, and look where the loss falls.

Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3 (the range test); the smoothing is Gugger's, 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import isfinite

from torch import Tensor, nn

from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device
from flambeau.training.objective import Objective, learning_mode
from flambeau.training.optimizer import Optimizer
from flambeau.training.parameters import parameter_groups
from flambeau.training.source import BatchSource
from flambeau.types import Batch

LOWEST, HIGHEST = 1e-6, 1.0
NUM_STEPS = 100
SMOOTHING = 0.9
"""Share of the running mean that the next loss leaves in place."""
MATERIAL = 0.98
"""The loss must have fallen to this share of the first one; less is noise."""
DIVERGED = 4.0
"""So many times the lowest smoothed loss, and the test ends: larger learning rates cannot be better."""


@dataclass(frozen=True)
class Found:
    """The result of a range test."""

    lrs: tuple[float, ...]
    """Learning rates that were tried, rising by the same factor from step to step."""
    losses: tuple[float, ...]
    """Smoothed loss at each."""
    suggestion: float | None
    """A tenth of where the loss is lowest; None if it never falls."""


def find_lr(network: nn.Module, loss: nn.Module, batches: BatchSource, config: TrainingConfig) -> Found:
    """A network and its batches -> the learning rate to try first. The network is left as it was.

    Args:
        network: as for `train`.
        loss: as for `train`.
        batches: the train split; as many epochs of it as the test needs.
        config: its optimizer is tested, without a schedule.
    """
    device = choose_device(config.device)
    network.to(device)
    objective = Objective(network, loss.to(device), config, device, lambda notice: None)
    lrs: list[float] = []
    losses: list[float] = []
    smoothed = 0.0
    with _unchanged(network), objective.own_randomness():
        optimizer = config.optimizer.build(parameter_groups(network), config.fused)
        learning_mode(network)
        for number, batch in zip(range(NUM_STEPS), _endless(batches), strict=False):
            lr = LOWEST * (HIGHEST / LOWEST) ** (number / (NUM_STEPS - 1))
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] / config.optimizer.lr * lr
            value = _step(objective, optimizer, batch, number)
            smoothed = SMOOTHING * smoothed + (1 - SMOOTHING) * value
            unbiased = smoothed / (1 - SMOOTHING ** (number + 1))
            if not isfinite(unbiased) or (losses and unbiased > DIVERGED * min(losses)):
                break
            lrs.append(lr)
            losses.append(unbiased)
    return Found(tuple(lrs), tuple(losses), _before_the_bottom(lrs, losses))


def _step(objective: Objective, optimizer: Optimizer, batch: Batch, number: int) -> float:
    """One optimizer step; returns the loss before it."""
    losses: list[Tensor] = []

    def closure() -> Tensor:
        losses.append(objective.backward(batch, number))
        return losses[-1]

    optimizer.step(closure)
    return losses[0].item()


def _endless(batches: BatchSource) -> Iterator[Batch]:
    for number in count(1):
        yield from batches.epoch(number)


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """Gives the network its state back, its mode and its gradients (none)."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = {module: module.training for module in network.modules()}
    try:
        yield
    finally:
        network.load_state_dict(before)
        for module, training in modes.items():
            module.training = training
        for parameter in network.parameters():
            parameter.grad = None


def _before_the_bottom(lrs: list[float], losses: list[float]) -> float | None:
    """A tenth of the learning rate at which the loss is lowest: there it still falls, far from where it diverges.

    Source: Gugger, How Do You Find A Good Learning Rate, 2018.
    """
    if len(losses) < 3 or min(losses) > MATERIAL * losses[0]:
        return None
    return lrs[losses.index(min(losses))] / 10
