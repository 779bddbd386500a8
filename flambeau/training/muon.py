"""Muon for whatever has a matrix in it, and two optimizers as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from flambeau.training.optimizer import Optimizer
from flambeau.training.optimizer_state import load_optimizer


class MatrixMuon:
    """torch.optim.Muon over views: a kernel (out, in, height, width) is updated as the matrix (out, the rest).

    A kernel that lies in memory as channels_last is seen as (out, height x width x in): the same matrix with its columns in
    another order, which changes nothing in exact arithmetic.
    """

    def __init__(self, groups: list[dict[str, Any]], options: Mapping[str, Any]) -> None:
        self._pairs: list[tuple[Parameter, Parameter]] = []
        self._muon = torch.optim.Muon([{**group, "params": [self._view(p) for p in group["params"]]} for group in groups], **options)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of torch's optimizer, over the views."""
        return self._muon.param_groups

    def step(self, closure: Callable[[], Tensor]) -> object:
        """One step along the orthogonalised direction."""
        with torch.enable_grad():
            loss = closure()
        for parameter, view in self._pairs:
            view.grad = None if parameter.grad is None else _as_matrix(parameter.grad, parameter)
        self._muon.step()  # type: ignore[no-untyped-call]
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
