"""Layers on images that look at a neighbourhood: convolutions and upsample."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from flambeau.errors import ShapeError
from flambeau.network.activation import ActivationName, activation
from flambeau.network.chain import build_chain, last_shape
from flambeau.network.initialisation import InitialMethod, initialised
from flambeau.network.layer import (
    IMAGE,
    Axes,
    Extent,
    Factor,
    Flag,
    Layer,
    Padding,
    Shape,
    Width,
    both,
    layer,
)
from flambeau.network.norm import NormName, norm
from flambeau.network.windows import border, fitting, windows

if TYPE_CHECKING:
    from torch import nn


@layer
class Conv2d(Layer):
    """Each new channel is a weighted sum over a window of all channels."""

    name: ClassVar[str] = "conv2d"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    channels: Width
    """Number of channels that it gives."""
    kernel: Extent = 3
    """Window in pixels: one number, or [height, width]."""
    stride: Extent = 1
    """Pixels from one window to the next; 2 halves height and width."""
    padding: Padding = "half"
    """Pixels of zeros around the image; half: half of the kernel, so that an odd kernel at stride 1 keeps height and width."""
    dilation: Extent = 1
    """Pixels from one weight of the kernel to the next."""
    groups: Width = 1
    """Parts that the channels fall into, each convolved alone; divides the channels in front and behind."""
    bias: Flag = True
    """Add a learned constant to each channel; needless in front of a norm."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        channels, height, width = shape.sizes
        if shape.concrete[0] % self.groups or self.channels % self.groups:
            raise ShapeError("groups-do-not-divide", path=("groups",), groups=self.groups, channels=f"{channels} / {self.channels}")
        sizes = windows((height, width), self.kernel, self.stride, border(self.padding, self.kernel, self.dilation), self.dilation)
        return Shape(IMAGE, (self.channels, *fitting(sizes, self.kernel)))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        padding = border(self.padding, self.kernel, self.dilation)
        kernel, stride, dilation = both(self.kernel), both(self.stride), both(self.dilation)
        module = nn.Conv2d(shape.concrete[0], self.channels, kernel, stride, padding, dilation, self.groups, self.bias)
        return initialised(module, self.initialise)


@layer
class DepthwiseConv2d(Layer):
    """Each channel is convolved alone: cheap, and usually followed by a conv2d with kernel 1.

    Source: Howard et al., MobileNets, 2017.
    """

    name: ClassVar[str] = "depthwise_conv2d"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    kernel: Extent = 3
    """Window in pixels: one number, or [height, width]."""
    stride: Extent = 1
    """Pixels from one window to the next; 2 halves height and width."""
    padding: Padding = "half"
    """Pixels of zeros around the image; half: half of the kernel, so that an odd kernel at stride 1 keeps height and width."""
    dilation: Extent = 1
    """Pixels from one weight of the kernel to the next."""
    multiplier: Factor = 1
    """New channels that are made of each channel."""
    bias: Flag = True
    """Add a learned constant to each channel; needless in front of a norm."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        channels, height, width = shape.sizes
        sizes = windows((height, width), self.kernel, self.stride, border(self.padding, self.kernel, self.dilation), self.dilation)
        return Shape(IMAGE, (channels and channels * self.multiplier, *fitting(sizes, self.kernel)))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        channels = shape.concrete[0]
        padding = border(self.padding, self.kernel, self.dilation)
        kernel, stride, dilation = both(self.kernel), both(self.stride), both(self.dilation)
        module = nn.Conv2d(channels, channels * self.multiplier, kernel, stride, padding, dilation, channels, self.bias)
        return initialised(module, self.initialise)


@layer
class ConvBlock(Layer):
    """A conv2d, a norm and an activation: the brick of most image networks. The convolution has a bias only where there is no norm."""

    name: ClassVar[str] = "conv_block"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    channels: Width
    """Number of channels that it gives."""
    kernel: Extent = 3
    """Window in pixels: one number, or [height, width]."""
    stride: Extent = 1
    """Pixels from one window to the next; 2 halves height and width."""
    padding: Padding = "half"
    """Pixels of zeros around the image; half: half of the kernel, so that an odd kernel at stride 1 keeps height and width."""
    dilation: Extent = 1
    """Pixels from one weight of the kernel to the next."""
    groups: Width = 1
    """Parts that the channels fall into, each convolved alone; divides the channels in front and behind."""
    norm: NormName = "batch"
    """What standardises the channels after the convolution; none: nothing."""
    activation: ActivationName = "relu"
    """The curve at the end, with its defaults; none: nothing."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        return last_shape(self._parts(), shape)

    def build(self, shape: Shape) -> nn.Module:
        return build_chain(self._parts(), shape)

    def _parts(self) -> tuple[Layer, ...]:
        bias = self.norm == "none"
        convolution = Conv2d(self.channels, self.kernel, self.stride, self.padding, self.dilation, self.groups, bias, self.initialise)
        return (convolution, *norm(self.norm, self.channels), *activation(self.activation))


@layer
class Upsample(Layer):
    """A larger image by repeating pixels or by interpolating between them."""

    name: ClassVar[str] = "upsample"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    scale: Factor = 2
    """Factor on height and width."""
    mode: Literal["nearest", "bilinear"] = "nearest"
    """nearest: repeat; bilinear: interpolate."""

    def gives(self, shape: Shape) -> Shape:
        channels, *sizes = shape.sizes
        return Shape(IMAGE, (channels, *(size and size * self.scale for size in sizes)))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import Upsample as Module

        return Module(self.scale, self.mode)


CONVOLUTION: tuple[type[Layer], ...] = (Conv2d, DepthwiseConv2d, ConvBlock, Upsample)
