"""Rprop that stands still where the learning rate is 0.

torch's takes the learning rate as the length of the first step, then adapts that by the signs alone: what is frozen would go on moving.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flambeau.training.optimizer_state import load_optimizer


class WaitingRprop:
    """torch's Rprop over the groups whose learning rate is above 0; the first step of each has that length, whenever it is."""

    def __init__(self, rprop: torch.optim.Rprop) -> None:
        self._rprop = rprop

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of torch's."""
        return self._rprop.param_groups

    def step(self, closure: Callable[[], Tensor]) -> object:
        """One step of what does not wait."""
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            if group["lr"] == 0:
                for parameter in group["params"]:
                    parameter.grad = None  # such are passed over, and get no step length yet
        self._rprop.step()
        return loss

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        self._rprop.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """That of torch's."""
        return self._rprop.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        load_optimizer(self._rprop, state_dict)
