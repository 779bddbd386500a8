"""Another optimizer's step, by the gradient at the worst place near by.

Source: Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, ICLR 2021, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flambeau.training.optimizer import Optimizer
from flambeau.training.optimizer_state import load_optimizer


class SharpnessAware:
    """Two gradients for each step of `base`: here, and a distance `rho` uphill."""

    def __init__(self, base: Optimizer, rho: float) -> None:
        self._base = base
        self._rho = rho

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of the optimizer that takes the step."""
        return self._base.param_groups

    def step(self, closure: Callable[[], Tensor]) -> object:
        """The gradient here, the gradient uphill, back, and a step by the second one; the loss is the first one."""
        with torch.enable_grad():
            loss = closure()
        parameters = [parameter for group in self.param_groups for parameter in group["params"] if parameter.grad is not None]
        with torch.no_grad():
            here = [parameter.detach().clone() for parameter in parameters]  # adding and taking away again would round
            gradients = [parameter.grad for parameter in parameters]
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_add_(parameters, torch._foreach_mul(gradients, self._rho / (norm + 1e-12)))
        with torch.enable_grad():
            closure()
        with torch.no_grad():
            torch._foreach_copy_(parameters, here)
        self._base.step(lambda: loss)
        return loss

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        self._base.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """That of the optimizer that takes the step."""
        return self._base.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        load_optimizer(self._base, state_dict)
