"""Activations: every number goes through the same curve, whatever the axes."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from flambeau.network.layer import Flag, Layer, Number, Positive, Shape, layer

if TYPE_CHECKING:
    from torch import nn

ActivationName: TypeAlias = Literal[
    "none",
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "relu6",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    "softplus",
]
"""An activation with its defaults, as a field of another layer; "none" is no activation."""


class Activation(Layer):
    """A layer that changes the numbers and not the shape."""

    def gives(self, shape: Shape) -> Shape:
        return shape

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module: ...


@layer
class Relu(Activation):
    """x where it is positive, else 0."""

    name: ClassVar[str] = "relu"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.ReLU()


@layer
class LeakyRelu(Activation):
    """x where it is positive, else a small multiple of it."""

    name: ClassVar[str] = "leaky_relu"
    slope: Number = 0.01
    """Factor on negative numbers."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.LeakyReLU(self.slope)


@layer
class Prelu(Activation):
    """A leaky_relu that learns its slope.

    Source: He et al., Delving Deep into Rectifiers, ICCV 2015.
    """

    name: ClassVar[str] = "prelu"
    each: Flag = False
    """One slope for each channel (or feature) instead of one for all."""
    slope: Number = 0.25
    """Factor on negative numbers at the start."""

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import Prelu as Module

        axis = shape.wide
        return Module(shape.concrete[axis] if self.each else 1, axis - len(shape.axes), self.slope)


@layer
class Elu(Activation):
    """x where it is positive, else alpha (e^x - 1)."""

    name: ClassVar[str] = "elu"
    alpha: Positive = 1.0
    """What it approaches far below 0, times -1."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.ELU(self.alpha)


@layer
class Selu(Activation):
    """An elu whose scale keeps mean 0 and variance 1 from layer to layer.

    Source: Klambauer et al., Self-Normalizing Neural Networks, NeurIPS 2017.
    """

    name: ClassVar[str] = "selu"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.SELU()


@layer
class Gelu(Activation):
    """x times the normal distribution function of x."""

    name: ClassVar[str] = "gelu"
    approximate: Literal["none", "tanh"] = "none"
    """tanh: a quicker formula that differs by less than 0.001."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.GELU(self.approximate)


@layer
class Silu(Activation):
    """x times sigmoid(x); also called swish."""

    name: ClassVar[str] = "silu"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.SiLU()


@layer
class Mish(Activation):
    """x times tanh(softplus(x))."""

    name: ClassVar[str] = "mish"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Mish()


@layer
class Relu6(Activation):
    """x between 0 and 6; kind to 8-bit numbers."""

    name: ClassVar[str] = "relu6"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.ReLU6()


@layer
class Hardswish(Activation):
    """A silu made of straight lines, for small processors."""

    name: ClassVar[str] = "hardswish"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Hardswish()


@layer
class Hardsigmoid(Activation):
    """A sigmoid made of straight lines, for small processors."""

    name: ClassVar[str] = "hardsigmoid"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Hardsigmoid()


@layer
class Sigmoid(Activation):
    """1 / (1 + e^-x): between 0 and 1."""

    name: ClassVar[str] = "sigmoid"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Sigmoid()


@layer
class Tanh(Activation):
    """Between -1 and 1, steepest at 0."""

    name: ClassVar[str] = "tanh"

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Tanh()


@layer
class Softplus(Activation):
    """log(1 + e^(beta x)) / beta: a smooth relu, always positive."""

    name: ClassVar[str] = "softplus"
    beta: Positive = 1.0
    """How sharp the bend is."""

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Softplus(self.beta)


ACTIVATIONS: tuple[type[Activation], ...] = (
    Relu,
    LeakyRelu,
    Prelu,
    Elu,
    Selu,
    Gelu,
    Silu,
    Mish,
    Relu6,
    Hardswish,
    Hardsigmoid,
    Sigmoid,
    Tanh,
    Softplus,
)


def activation(name: ActivationName) -> tuple[Layer, ...]:
    """The activation of this name with its defaults, as a list of no or one layer."""
    return tuple(cls() for cls in ACTIVATIONS if cls.name == name)
