"""Muon for whatever has a matrix in it, and two optimizers as one.

torch has Muon too, but computes its iterations in bfloat16 on any device: right on a GPU, where a CPU without instructions for it
spends more time on them than on the convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Parameter

from flambeau.training.optimizer import Optimizer
from flambeau.training.optimizer_state import load_optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic; chosen for a steep slope at 0. Source: Jordan et al., Muon, 2024."""
LEAST_NORM = 1e-7
LONG = 4
"""From so many times as many columns as rows, the iterations are computed on rows x rows: half of the operations, a third at nine times as
many. In float32 only; with fewer digits it was not tried."""


@dataclass(frozen=True)
class MuonSettings:
    """What all matrices share; learning rate and weight decay are in the groups."""

    momentum: float
    nesterov: bool
    num_iterations: int
    scaling: Literal["original", "match_rms_adamw"]


class Muon(torch.optim.Optimizer):
    """Steps along the momentum of each matrix, made orthogonal."""

    def __init__(self, groups: list[dict[str, Any]], settings: MuonSettings) -> None:
        super().__init__([{**group, "lr": group["initial_lr"]} for group in groups], {"weight_decay": 0.0})
        self._settings = settings

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step, from the gradients as they are or as the closure leaves them."""
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(self._direction(matrix), alpha=-group["lr"] * self._scale(*matrix.shape))
        return loss

    def _direction(self, matrix: Parameter) -> Tensor:
        chosen, state = self._settings, self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix, memory_format=torch.preserve_format)
        mean = state["momentum_buffer"].lerp_(matrix.grad, 1 - chosen.momentum)
        ahead = matrix.grad.lerp(mean, chosen.momentum) if chosen.nesterov and matrix.grad is not None else mean
        return orthogonal(ahead, chosen.num_iterations)

    def _scale(self, rows: int, columns: int) -> float:
        """How a matrix that is not square scales its step."""
        return sqrt(max(1, rows / columns)) if self._settings.scaling == "original" else 0.2 * sqrt(max(rows, columns))


def orthogonal(matrix: Tensor, num_iterations: int) -> Tensor:
    """(rows, columns) -> the same with all singular values near 1 (0.5 to 1.5), by Newton-Schulz iterations of degree five.

    In float32 on a CPU, in bfloat16 elsewhere.
    """
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide if wide.device.type == "cpu" else wide.bfloat16()
    wide = wide / wide.norm().clamp(min=LEAST_NORM)
    is_long = wide.shape[1] >= LONG * wide.shape[0] and wide.dtype != torch.bfloat16
    made = _by_gram(wide, num_iterations) if is_long else _by_steps(wide, num_iterations)
    return (made.T if matrix.shape[0] > matrix.shape[1] else made).to(matrix.dtype)


def _by_steps(wide: Tensor, num_iterations: int) -> Tensor:
    a, b, c = COEFFICIENTS
    for _ in range(num_iterations):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide


def _by_gram(wide: Tensor, num_iterations: int) -> Tensor:
    """The same with X X' alone, in which every factor is a polynomial, so that all commute; X itself is multiplied once."""
    gram = wide @ wide.T
    factor = product = _factor(gram)
    for _ in range(num_iterations - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        product = factor @ product
    return product @ wide


def _factor(gram: Tensor) -> Tensor:
    """G -> a + b G + c G^2, what an iteration multiplies X by."""
    a, b, c = COEFFICIENTS
    factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal().add_(a)
    return factor


class MatrixMuon:
    """Muon over views: a kernel (out, in, height, width) is updated as the matrix (out, the rest).

    A kernel that lies in memory as channels_last is seen as (out, height x width x in): the same matrix with its columns in
    another order, which changes nothing in exact arithmetic.
    """

    def __init__(self, groups: list[dict[str, Any]], settings: MuonSettings) -> None:
        self._pairs: list[tuple[Parameter, Parameter]] = []
        self._muon = Muon([{**group, "params": [self._view(p) for p in group["params"]]} for group in groups], settings)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those over the views."""
        return self._muon.param_groups

    def step(self, closure: Callable[[], Tensor]) -> object:
        """One step along the orthogonalised direction."""
        with torch.enable_grad():
            loss = closure()
        for parameter, view in self._pairs:
            view.grad = None if parameter.grad is None else _as_matrix(parameter.grad, parameter)
        self._muon.step()
        return loss

    def zero_grad(self) -> None:
        """Forgets the gradients of parameters and views."""
        for parameter, view in self._pairs:
            parameter.grad = view.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The momentum of each matrix."""
        return self._muon.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        load_optimizer(self._muon, state_dict)

    def _view(self, parameter: Parameter) -> Parameter:
        view = Parameter(_as_matrix(parameter.detach(), parameter))
        assert view.data_ptr() == parameter.data_ptr(), "the update would be lost in a copy"
        self._pairs.append((parameter, view))
        return view


class Composite:
    """Optimizers over different parameters of one network, as one optimizer."""

    def __init__(self, parts: Mapping[str, Optimizer]) -> None:
        self._parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """All groups of all parts."""
        return [group for part in self._parts.values() for group in part.param_groups]

    def step(self, closure: Callable[[], Tensor]) -> object:
        """The gradients once, then one step of each part."""
        with torch.enable_grad():
            loss = closure()
        for part in self._parts.values():
            part.step(lambda: loss)
        return loss

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for part in self._parts.values():
            part.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The state of each part by its name."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        for name, part in self._parts.items():
            load_optimizer(part, state_dict[name])


def _as_matrix(tensor: Tensor, like: Tensor) -> Tensor:
    """(out, ...) -> (out, the rest) in the order in which `like` lies in memory; a view where `tensor` lies so too."""
    order = sorted(range(1, like.ndim), key=like.stride, reverse=True)
    return tensor.permute(0, *order).reshape(like.shape[0], -1)
