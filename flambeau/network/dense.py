"""Layers on plain features: linear, flatten, dropout."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from flambeau.errors import ShapeError
from flambeau.network.initialisation import InitialMethod, initialised
from flambeau.network.layer import FEATURES, SEQUENCE, Axes, Flag, Layer, Shape, Share, Width, layer

if TYPE_CHECKING:
    from torch import nn


@layer
class Linear(Layer):
    """Each new feature is a weighted sum of all features; on a sequence, at each time."""

    name: ClassVar[str] = "linear"
    takes: ClassVar[tuple[Axes, ...]] = (FEATURES, SEQUENCE)
    features: Width
    """Number of features that it gives."""
    bias: Flag = True
    """Add a learned constant to each feature; needless in front of a norm."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        return Shape(shape.axes, (*shape.sizes[:-1], self.features))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return initialised(nn.Linear(shape.concrete[-1], self.features, self.bias), self.initialise)


@layer
class Flatten(Layer):
    """All numbers of an example in one row of features."""

    name: ClassVar[str] = "flatten"
    makes: ClassVar[Axes | None] = FEATURES

    def gives(self, shape: Shape) -> Shape:
        if None in shape.sizes:
            raise ShapeError("size-varies", layer=self.name, gets=str(shape))
        return Shape(FEATURES, (prod(shape.concrete),))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Flatten()


@layer
class Dropout(Layer):
    """In training, each number becomes 0 with this probability and the others grow to make up for it."""

    name: ClassVar[str] = "dropout"
    probability: Share = 0.5
    """Share of the numbers that are dropped, 0 to 1."""

    def gives(self, shape: Shape) -> Shape:
        return shape

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Dropout(self.probability)


DENSE: tuple[type[Layer], ...] = (Linear, Flatten, Dropout)
