"""A running mean of the weights.

Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; the slow start is that of TensorFlow's
ExponentialMovingAverage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


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

    def load(self, mean: Mapping[str, Tensor]) -> None:
        """Goes on from an earlier `mean`."""
        for name, tensor in self.mean.items():
            tensor.copy_(mean[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the mean as its weights inside, and its own again outside."""
        own = {name: tensor.clone() for name, tensor in self._live.items()}
        self._put(self.mean)
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, tensor in self._live.items():
            tensor.copy_(weights[name])
