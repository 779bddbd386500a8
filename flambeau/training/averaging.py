"""Means of the weights: a running one over the steps, and one over the last epochs.

Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; the slow start is that of TensorFlow's
ExponentialMovingAverage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Mean(Protocol):
    """Weights that are used in place of those that learn."""

    @property
    def mean(self) -> dict[str, Tensor]:
        """The network's state with the mean as its weights."""

    def update(self, number: int) -> None:
        """Takes in the weights after step `number` (from 0)."""

    def close(self, epoch: int, statistics: Callable[[], None]) -> None:
        """Takes in the weights after an epoch (from 1); `statistics` measures anew what the network's batch norm knows of its inputs."""

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""

    def applied(self) -> AbstractContextManager[None]:
        """The network has the mean as its weights inside, and its own again outside."""


class Average:
    """The exponential mean of everything in a network's state that is a float; the rest (counters) is copied.

    The running statistics of batch norm are averaged like the weights, so that they belong to them.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """
        Args:
            network: what is averaged.
            decay: share that the mean keeps at each update.
        """
        self._decay = decay
        self._live = dict(network.state_dict(keep_vars=False))
        self.mean = {name: tensor.clone() for name, tensor in self._live.items()}
        floats = [name for name, tensor in self._live.items() if tensor.is_floating_point()]
        self._floats = ([self.mean[name] for name in floats], [self._live[name] for name in floats])
        self._others = [name for name in self._live if name not in set(floats)]

    @torch.no_grad()
    def update(self, number: int) -> None:
        """Takes the weights after step `number` (from 0) into the mean; early steps weigh more, so that the start is forgotten."""
        decay = min(self._decay, (1 + number) / (10 + number))
        torch._foreach_lerp_(*self._floats, 1.0 - decay)
        for name in self._others:
            self.mean[name].copy_(self._live[name])

    def close(self, epoch: int, statistics: Callable[[], None]) -> None:
        """Ends of epochs do not count."""

    def state(self) -> dict[str, Any]:
        """The mean."""
        return dict(self.mean)

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from an earlier mean."""
        for name, tensor in self.mean.items():
            tensor.copy_(state[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the mean as its weights inside, and its own again outside."""
        with _applied(self._live, self.mean):
            yield


class EpochAverage:
    """The plain mean of the weights at the ends of the last epochs; before these, the weights themselves.

    Source: Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018.
    """

    def __init__(self, network: nn.Module, first: int) -> None:
        """
        Args:
            network: what is averaged.
            first: number of the first epoch that counts, from 1.
        """
        self._first = first
        self._live = dict(network.state_dict(keep_vars=False))
        self._sum: dict[str, Tensor] = {}
        self._count = 0

    @property
    def mean(self) -> dict[str, Tensor]:
        """The mean, or what there is to be averaged."""
        return dict(self._sum or self._live)

    def update(self, number: int) -> None:
        """Single steps do not count."""

    @torch.no_grad()
    def close(self, epoch: int, statistics: Callable[[], None]) -> None:
        """Takes in the weights after an epoch, and what batch norm sees of the training examples with their mean."""
        if epoch < self._first:
            return
        self._count += 1
        before = self._sum or {name: tensor.clone() for name, tensor in self._live.items()}
        floats = {name for name, tensor in self._live.items() if tensor.is_floating_point()}
        self._sum = {name: before[name].lerp(tensor, 1 / self._count) if name in floats else tensor.clone() for name, tensor in self._live.items()}
        with self.applied():
            statistics()
            measured = {name: tensor.clone() for name, tensor in self._live.items()}
        self._sum = measured

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"sum": self._sum, "count": self._count}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self._sum = {name: tensor.to(self._live[name].device) for name, tensor in state["sum"].items()}
        self._count = state["count"]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the mean as its weights inside, and its own again outside."""
        with _applied(self._live, self.mean):
            yield


@contextmanager
def _applied(live: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Tensors hold other values inside, and their own again outside."""
    own = {name: tensor.clone() for name, tensor in live.items()}
    _put(live, weights)
    try:
        yield
    finally:
        _put(live, own)


@torch.no_grad()
def _put(live: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name, tensor in live.items():
        tensor.copy_(weights[name])
