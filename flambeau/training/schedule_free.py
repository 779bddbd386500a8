"""Steps whose mean is the result: the learning rate need not fall, so the length of the run need not be known.

Three sequences: z takes the steps, x is their weighted mean, and y between the two is where gradients are taken. The network holds y
while it learns; `ScheduleFreeAverage` puts x in its place for validation and for the result. The statistics of batch norm are those
that were met at y, which lies close to x.

Source: Defazio et al., The Road Less Scheduled, NeurIPS 2024, algorithm 1, with weights by the squared learning rate as in section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class ScheduleFreeOptimizer(torch.optim.Optimizer):
    """Schedule-free SGD or AdamW over torch's groups."""

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float, beta2: float | None, eps: float) -> None:
        """
        Args:
            groups: as torch takes them.
            lr: learning rate of groups that have none.
            momentum: share of x in y.
            beta2: share that the mean of squared gradients keeps; None steps along the plain gradient.
            eps: added to the divisor.
        """
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self.momentum = momentum
        self._beta2 = beta2
        self._eps = eps

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step of z, and with it of x and y."""
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, float(group["lr"]), float(group["weight_decay"]))
        return loss

    def average(self, parameter: Tensor) -> Tensor:
        """x of a parameter; the parameter itself before its first step."""
        z = self.state[parameter].get("z") if parameter in self.state else None
        return parameter.detach().clone() if z is None else torch.lerp(parameter.detach(), z, 1 - 1 / self.momentum)

    def _move(self, y: Tensor, lr: float, weight_decay: float) -> None:
        state = self.state[y]
        if not state:
            state["z"], state["step"], state["weight"] = y.detach().clone(), 0, 0.0
            if self._beta2 is not None:
                state["squares"] = torch.zeros_like(y)
        assert y.grad is not None
        state["step"] += 1
        state["weight"] += lr**2
        share = lr**2 / state["weight"] if state["weight"] else 0.0
        direction = y.grad
        if self._beta2 is not None:
            state["squares"].mul_(self._beta2).addcmul_(y.grad, y.grad, value=1 - self._beta2)
            direction = y.grad / (state["squares"] / (1 - self._beta2 ** state["step"])).sqrt_().add_(self._eps)
        direction = direction.add(y, alpha=weight_decay) if weight_decay else direction
        y.lerp_(state["z"], share)
        y.add_(direction, alpha=lr * (self.momentum * (1 - share) - 1))
        state["z"].sub_(direction, alpha=lr)


class ScheduleFreeAverage:
    """The network as `ScheduleFreeOptimizer` means it: its mean is derived, so nothing of it has to be saved."""

    def __init__(self, network: nn.Module, optimizer: ScheduleFreeOptimizer) -> None:
        self._network = network
        self._optimizer = optimizer

    @property
    def mean(self) -> dict[str, Tensor]:
        """The network's state with x in place of y."""
        parameters = dict(self._network.named_parameters())
        return {
            name: self._optimizer.average(parameters[name]) if name in parameters else tensor.detach().clone()
            for name, tensor in self._network.state_dict().items()
        }

    def update(self, number: int) -> None:
        """The optimizer has done it."""

    def close(self, epoch: int, statistics: Callable[[], None]) -> None:
        """Ends of epochs do not count."""

    def state(self) -> dict[str, Any]:
        """Nothing: it is in the optimizer's."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Nothing to do."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the mean as its weights inside, and its own again outside."""
        own = {name: parameter.detach().clone() for name, parameter in self._network.named_parameters()}
        mean = self.mean
        with torch.no_grad():
            for name, parameter in self._network.named_parameters():
                parameter.copy_(mean[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in self._network.named_parameters():
                    parameter.copy_(own[name])
