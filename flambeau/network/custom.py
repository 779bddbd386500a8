"""A layer that is a class of the user. Its code runs, so it is loaded only where that is allowed: a recipe says `Custom`, and where
code may run `permitted` puts `Permitted` in its place.
"""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from flambeau.code import Target, refused
from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, SEQUENCE, Axes, Layer, Shape, layer

if TYPE_CHECKING:
    from torch import nn


@layer
class _Foreign(Layer):
    """What the two have in common."""

    name: ClassVar[str] = "custom"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES, IDS, COLUMNS)
    makes: ClassVar[Axes | None] = ()
    target: Target
    """Where the class is: package.module:Class."""
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    """Keyword arguments of the class."""


@layer
class Custom(_Foreign):
    """A class of the user, derived from torch.nn.Module; only where code of the user is allowed (--allow-code).
    It gives (batch, features), (batch, time, features) or (batch, channels, height, width): found by running it on two examples of zeros.
    """

    def gives(self, shape: Shape) -> Shape:
        raise refused(self.target, "target")

    def build(self, shape: Shape) -> nn.Module:
        raise refused(self.target, "target")


@layer
class Permitted(_Foreign):
    """The same where its code may run."""

    def gives(self, shape: Shape) -> Shape:
        from flambeau.network.modules_custom import loaded, shape_behind

        return shape_behind(loaded(self.target), self, shape)  # type: ignore[arg-type]  # a class of modules can be hashed

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_custom import Unseen, loaded, on_meta, user_module

        module = user_module(loaded(self.target), self)
        return Unseen(module, shape, self.gives) if on_meta() else module


CUSTOM: tuple[type[Layer], ...] = (Custom,)


def permitted(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The same layers, with the permission to run code of the user wherever they name it."""
    found = _permitted(tuple(layers))
    assert isinstance(found, tuple)
    return found


def names_class(value: object) -> bool:
    """Whether a layer, or one of those inside it, is a class of the user."""
    if isinstance(value, tuple):
        return any(map(names_class, value))
    return isinstance(value, _Foreign) or (isinstance(value, Layer) and any(names_class(inner) for inner in _values(value).values()))


def _permitted(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_permitted, value))
    if isinstance(value, Custom):
        return Permitted(value.target, value.arguments)
    if not names_class(value):
        return value
    return replace(value, **{name: _permitted(inner) for name, inner in _values(value).items()})  # type: ignore[type-var]  # it is a layer


def _values(one: object) -> dict[str, object]:
    assert is_dataclass(one)
    return {entry.name: getattr(one, entry.name) for entry in fields(one)}
