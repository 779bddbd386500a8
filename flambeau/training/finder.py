"""Which learning rate? Try all of them for a moment, from tiny to far too large, and look where the loss falls.

Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3 (the range test); the smoothing is Gugger's, 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import isfinite
from statistics import fmean, stdev

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_

from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device
from flambeau.training.learner import optimizer_of
from flambeau.training.objective import Objective, learning_mode
from flambeau.training.optimizer import Optimizer
from flambeau.training.optimizers_adaptive import Rprop
from flambeau.training.parameters import Group, trainable
from flambeau.training.source import BatchSource
from flambeau.types import Batch

LOWEST, HIGHEST = 1e-6, 1.0
NUM_STEPS = 100
SMOOTHING = 0.9
"""Share of the running mean that the next loss leaves in place."""
NUM_FIRST = 10
"""Steps at the start, too short to change anything, whose losses tell the level before learning and how batches differ."""
DIVERGED = 4.0
"""A rise of so many times the fall before it, and the test ends: larger learning rates cannot be better."""


@dataclass(frozen=True)
class Found:
    """The result of a range test."""

    lrs: tuple[float, ...]
    """Learning rates that were tried, rising by the same factor from step to step."""
    losses: tuple[float, ...]
    """Smoothed loss at each."""
    suggestion: float | None
    """A tenth of where the loss is lowest; None if it never falls."""


def find_lr(network: nn.Module, loss: nn.Module, batches: BatchSource, config: TrainingConfig, groups: Sequence[Group] = ()) -> Found:
    """A network and its batches -> the learning rate to try first. The network is left as it was.

    All parts learn, each at its pace, also those that `unfreeze` would keep waiting: the result has to be right for them too. Rprop gets
    no suggestion: it takes the learning rate for its first step only.

    Args:
        network: as for `train`.
        loss: as for `train`.
        batches: the train split; as many epochs of it as the test needs.
        config: its optimizer is tested, without a schedule. The learning rates of all parts keep their ratios, those of muon's `rest` too.
        groups: as for `train`.
    """
    if isinstance(config.optimizer, Rprop):
        return Found((), (), None)
    device = choose_device(config.device)
    network.to(device)
    objective = Objective(network, loss.to(device), config, device, lambda notice: None)
    lrs: list[float] = []
    plain: list[float] = []
    losses: list[float] = []
    smoothed = 0.0
    with _unchanged(network), objective.own_randomness():
        optimizer, parameters = optimizer_of(network, config, groups), trainable(network)
        learning_mode(network)
        for number, batch in zip(range(NUM_STEPS), _endless(batches), strict=False):
            lr = LOWEST * (HIGHEST / LOWEST) ** (number / (NUM_STEPS - 1))
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] / config.optimizer.lr * lr
            plain.append(_step(optimizer, partial(_gradients, objective, batch, number, parameters, config)))
            smoothed = SMOOTHING * smoothed + (1 - SMOOTHING) * plain[-1]
            unbiased = smoothed / (1 - SMOOTHING ** (number + 1))
            fall = _fall(plain, losses)
            if not isfinite(unbiased) or (fall and unbiased > min(losses[NUM_FIRST:]) + DIVERGED * fall):
                break
            lrs.append(lr)
            losses.append(unbiased)
    return Found(tuple(lrs), tuple(losses), _before_the_bottom(lrs, plain, losses))


def _step(optimizer: Optimizer, evaluate: Callable[[], Tensor]) -> float:
    """One optimizer step; returns the loss before it."""
    losses: list[Tensor] = []

    def closure() -> Tensor:
        losses.append(evaluate())
        return losses[-1]

    optimizer.step(closure)
    return losses[0].item()


def _gradients(objective: Objective, batch: Batch, number: int, parameters: Sequence[Parameter], config: TrainingConfig) -> Tensor:
    """The loss of a batch; its gradients lie in the parameters, clipped as in a training."""
    loss = objective.backward(batch, number)
    if config.clip is not None and not config.optimizer.full_batch:
        clip_grad_norm_(parameters, config.clip)
    return loss


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


def _fall(plain: list[float], losses: list[float]) -> float:
    """How far the smoothed losses came down from the level of the first steps; 0 where that is no more than noise: than the first
    losses differ from batch to batch, or float32 can tell. Only differences count: a loss may lie below 0.
    """
    if len(losses) <= NUM_FIRST:
        return 0.0
    first = plain[:NUM_FIRST]
    noise = max(stdev(first), torch.finfo(torch.float32).eps * max(map(abs, first)))
    fall = fmean(first) - min(losses[NUM_FIRST:])
    return fall if fall > noise else 0.0


def _before_the_bottom(lrs: list[float], plain: list[float], losses: list[float]) -> float | None:
    """A tenth of the learning rate at which the loss is lowest: there it still falls, far from where it diverges.

    Source: Gugger, How Do You Find A Good Learning Rate, 2018.
    """
    return lrs[min(range(NUM_FIRST, len(losses)), key=losses.__getitem__)] / 10 if _fall(plain, losses) else None
