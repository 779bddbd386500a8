"""An optimizer's state, put back exactly as it lay in memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flambeau.training.optimizer import Optimizer


def load_optimizer(optimizer: Optimizer | torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Lets `optimizer` go on from a `state_dict()` of its kind, whose tensors may be dense copies.

    A fused kernel walks a parameter and its state side by side, so each state tensor has to lie in memory like its parameter
    (channels_last kernels do not lie densely in the order of their axes). The settings stay those of `optimizer`.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        optimizer.load_state_dict(state)
        return
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    values = {index: {name: _like(value, parameters[index]) for name, value in entries.items()} for index, entries in state["state"].items()}
    optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})


def _like(value: object, parameter: Tensor) -> object:
    """A state tensor of the parameter's shape, with the parameter's strides; anything else as it is."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape or value.ndim == 0:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
