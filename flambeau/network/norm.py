"""Norms: numbers brought to mean 0 and variance 1, then scaled and shifted by learned numbers; and dropout of whole channels."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from flambeau.errors import ShapeError
from flambeau.network.layer import FEATURES, IMAGE, SEQUENCE, Axes, Flag, Layer, Shape, Share, Small, Width, layer

if TYPE_CHECKING:
    from torch import nn

NormName: TypeAlias = Literal["none", "batch", "layer", "group", "instance"]
"""A norm with its defaults, as a field of another layer; "none" is no norm. A group norm takes the most groups, up to 8, that divide."""


class SameShape(Layer):
    """A layer that rescales the numbers and does not change the shape."""

    def gives(self, shape: Shape) -> Shape:
        return shape


@layer
class BatchNorm(SameShape):
    """Each channel (or feature) standardised over the batch, and all pixels or times; in use, by the running statistics of the training.

    Source: Ioffe, Szegedy, Batch Normalization, ICML 2015.
    """

    name: ClassVar[str] = "batch_norm"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
    momentum: Small = 0.1
    """Weight of the newest batch in the running statistics."""
    eps: Small = 1e-5
    """Added to the variance, against a division by 0."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.modules_time import BatchNormOverTime

        settings = (shape.concrete[shape.wide], self.eps, self.momentum)
        if shape.axes == IMAGE:
            return nn.BatchNorm2d(*settings)
        return BatchNormOverTime(nn.BatchNorm1d(*settings)) if shape.axes == SEQUENCE else nn.BatchNorm1d(*settings)


@layer
class LayerNorm(SameShape):
    """Each pixel standardised over its channels; a row, or each time of a sequence, over its features."""

    name: ClassVar[str] = "layer_norm"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
    eps: Small = 1e-6
    """Added to the variance, against a division by 0."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.modules import LayerNorm2d

        return LayerNorm2d(shape.concrete[0], self.eps) if shape.axes == IMAGE else nn.LayerNorm(shape.concrete[-1], self.eps)


@layer
class GroupNorm(Layer):
    """The channels in groups, each standardised over the image; does not depend on the batch.

    Source: Wu, He, Group Normalization, ECCV 2018.
    """

    name: ClassVar[str] = "group_norm"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, FEATURES)
    groups: Width = 8
    """Number of groups; divides the channels."""
    eps: Small = 1e-5
    """Added to the variance, against a division by 0."""

    def gives(self, shape: Shape) -> Shape:
        if shape.concrete[0] % self.groups:
            raise ShapeError("groups-do-not-divide", path=("groups",), groups=self.groups, channels=str(shape.sizes[0]))
        return shape

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.GroupNorm(self.groups, shape.concrete[0], self.eps)


@layer
class InstanceNorm(Layer):
    """Each channel of each image standardised over its pixels: contrast no longer matters."""

    name: ClassVar[str] = "instance_norm"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    affine: Flag = True
    """Scale and shift each channel by learned numbers."""
    eps: Small = 1e-5
    """Added to the variance, against a division by 0."""

    def gives(self, shape: Shape) -> Shape:
        if shape.sizes[1:] == (1, 1):
            raise ShapeError("one-pixel")
        return shape

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.InstanceNorm2d(shape.concrete[0], self.eps, affine=self.affine)


@layer
class Dropout2d(SameShape):
    """In training, each channel becomes 0 as a whole with this probability and the others grow to make up for it."""

    name: ClassVar[str] = "dropout2d"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    probability: Share = 0.2
    """Share of the channels that are dropped, 0 to 1."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Dropout2d(self.probability)


NORMS: tuple[type[Layer], ...] = (BatchNorm, LayerNorm, GroupNorm, InstanceNorm, Dropout2d)


def norm(name: NormName, channels: int) -> tuple[Layer, ...]:
    """The norm of this name with its defaults, as a list of no or one layer."""
    if name == "group":
        return (GroupNorm(gcd(channels, 8)),)
    return tuple(cls() for cls in (BatchNorm, LayerNorm, InstanceNorm) if cls.name == f"{name}_norm")
