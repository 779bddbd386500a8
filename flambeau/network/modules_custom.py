"""Modules of the user: made, and tried on two examples, as nobody else knows what they give."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor, nn

from flambeau.code import found_class, made, reason_of
from flambeau.errors import ShapeError
from flambeau.network.cost import evaluating, example
from flambeau.network.layer import FEATURES, IMAGE, SEQUENCE, STAND_IN, Shape
from flambeau.network.padding import Flow, OverTime, parts

_AXES = {2: FEATURES, 3: SEQUENCE, 4: IMAGE}
"""What a result of so many axes, the batch included, is taken for."""
_LONGER = 3 * STAND_IN
"""A second length at which a module is tried where lengths vary: a size that differs then varies."""


class Said(Protocol):
    """A layer that names a class of the user."""

    @property
    def target(self) -> str:
        """Where it is: ``package.module:Class``."""

    @property
    def arguments(self) -> dict[str, object]:
        """With what it is made, by name."""


class Unseen(OverTime):
    """A module of the user on "meta", where its code may not run: its weights, and the shape of what it gives."""

    def __init__(self, module: nn.Module, before: Shape, gives: Callable[[Shape], Shape]) -> None:
        """
        Args:
            before: an example that it is made for.
            gives: the shape of one example -> of what the module makes of it.
        """
        super().__init__()
        self.module = module
        self.before = before
        self.gives = gives

    def forward(self, x: Flow) -> Tensor:
        """(batch, ...) -> what it would be, without numbers."""
        values, _ = parts(x)
        after = self.gives(Shape(self.before.axes, tuple(values.shape[1:]), self.before.categories))
        return torch.empty(len(values), *after.concrete, device=values.device)


def on_meta() -> bool:
    """Whether what is made now has no memory."""
    return torch.get_default_device().type == "meta"


def loaded(target: str) -> type[nn.Module]:
    """The class of a module that may run."""
    return found_class(target, nn.Module, True, "target")


def user_module(cls: type[nn.Module], said: Said) -> nn.Module:
    """A module of the user with its first weights, always in memory: its code may look at numbers.

    Raises:
        RecipeError: it cannot be made.
    """
    with torch.device("cpu"):
        return made(cls, said.arguments, said.target)


@lru_cache(maxsize=256)
def shape_behind(cls: type[nn.Module], said: Said, shape: Shape) -> Shape:
    """What a module of the user gives for one example of this shape; found by running it on two examples of zeros on the CPU, and kept,
    because a network asks again and again while it is put together.

    Raises:
        RecipeError: it cannot be made.
        ShapeError: it fails, or does not give one tensor of numbers with the batch in front; or it looks at several times where
            lengths vary, and is no `OverTime`.
    """
    with torch.random.fork_rng(devices=[]):
        module = user_module(cls, said)
    if shape.sizes[0] is not None:
        return _tried(said.target, module, shape)
    shorter, longer = (_tried(said.target, module, Shape(shape.axes, (time, *shape.sizes[1:]), shape.categories)) for time in (STAND_IN, _LONGER))
    if not isinstance(module, OverTime) and (shorter.sizes[0], longer.sizes[0]) != (STAND_IN, _LONGER):
        raise ShapeError("custom-time", path=("target",), target=said.target, got=str(shorter))
    return Shape(shorter.axes, (None, *shorter.sizes[1:])) if shorter.sizes[0] != longer.sizes[0] else shorter


def _tried(target: str, module: nn.Module, shape: Shape) -> Shape:
    """The shape of one result, found by running the module."""
    with torch.device("cpu"), evaluating(module), torch.no_grad():
        examples = example(shape, 2, "cpu")
        try:
            result = module(examples)
        except Exception as error:  # the user's code may raise anything
            raise ShapeError("custom-fails", path=("target",), target=target, gets=str(shape), reason=reason_of(error)) from error
    if not isinstance(result, Tensor) or result.ndim not in _AXES or len(result) != len(examples) or not result.is_floating_point():
        got = " x ".join(map(str, result.shape)) if isinstance(result, Tensor) else type(result).__name__
        raise ShapeError("custom-result", path=("target",), target=target, got=got)
    return Shape(_AXES[result.ndim], tuple(result.shape[1:]))
