"""Layers that scale what goes through: by a learned number, by what the whole example looks like, or, in training, by chance."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flambeau.network.layer import FEATURES, IMAGE, SEQUENCE, Axes, Factor, Layer, Positive, Shape, Share, layer
from flambeau.network.norm import SameShape

if TYPE_CHECKING:
    from torch import nn


@layer
class LayerScale(SameShape):
    """Each channel (or feature) times a learned number. At the end of a residual branch, a small one lets deep networks start calmly.

    Source: Touvron et al., Going Deeper with Image Transformers, ICCV 2021.
    """

    name: ClassVar[str] = "layer_scale"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
    initial: Positive = 0.1
    """The number at the start."""

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import LayerScale as Module

        axis = shape.wide
        return Module(shape.concrete[axis], axis - len(shape.axes), self.initial)


@layer
class StochasticDepth(SameShape):
    """In training, whole examples become 0 with this probability and the others grow to make up for it: the residual branch that it ends is
    then left out.

    Source: Huang et al., Deep Networks with Stochastic Depth, ECCV 2016.
    """

    name: ClassVar[str] = "stochastic_depth"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
    probability: Share = 0.1
    """Share of the examples for which it is 0."""

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import StochasticDepth as Module

        return Module(self.probability)


@layer
class SqueezeExcitation(SameShape):
    """Each channel (or feature) times a number from 0 to 1, which two linear layers make of the means of all channels.

    Source: Hu et al., Squeeze-and-Excitation Networks, CVPR 2018.
    """

    name: ClassVar[str] = "squeeze_excitation"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE)
    reduction: Factor = 4
    """By how much the first linear layer is narrower than the channels."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.modules import ScaledChannels
        from flambeau.network.modules_time import ScaledTime

        size = shape.concrete[0 if shape.axes == IMAGE else 1]
        narrow = max(1, size // self.reduction)
        scales = nn.Sequential(nn.Linear(size, narrow), nn.ReLU(), nn.Linear(narrow, size), nn.Sigmoid())
        return ScaledChannels(scales) if shape.axes == IMAGE else ScaledTime(scales)


SCALING: tuple[type[Layer], ...] = (LayerScale, StochasticDepth, SqueezeExcitation)
