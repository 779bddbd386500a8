"""Layers on images that look at a neighbourhood: convolutions, pools, and upsample."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from flambeau.errors import ShapeError
from flambeau.network.activation import ActivationName, activation
from flambeau.network.chain import build_chain, last_shape
from flambeau.network.initialisation import InitialMethod, initialised
from flambeau.network.layer import (
    FEATURES,
    IMAGE,
    SEQUENCE,
    Axes,
    Extent,
    Factor,
    Flag,
    Layer,
    OptionalExtent,
    Padding,
    Shape,
    Width,
    both,
    layer,
)
from flambeau.network.norm import NormName, norm

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
        sizes = windows((height, width), self.kernel, self.stride, _border(self.padding, self.kernel, self.dilation), self.dilation)
        return Shape(IMAGE, (self.channels, *_fitting(sizes, self.kernel)))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        padding = _border(self.padding, self.kernel, self.dilation)
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
        sizes = windows((height, width), self.kernel, self.stride, _border(self.padding, self.kernel, self.dilation), self.dilation)
        return Shape(IMAGE, (channels and channels * self.multiplier, *_fitting(sizes, self.kernel)))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        channels = shape.concrete[0]
        padding = _border(self.padding, self.kernel, self.dilation)
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
class MaxPool(Layer):
    """The greatest number of each window."""

    name: ClassVar[str] = "max_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    size: Extent = 2
    """Window in pixels: one number, or [height, width]."""
    stride: OptionalExtent = None
    """Pixels from one window to the next; null: the size, so that windows do not overlap."""
    padding: Padding = 0
    """Pixels around the image, which never win; at most half of the size."""
    ceil_mode: Flag = True
    """Keep the window that hangs over the border (torch drops it by default), so that a small image never shrinks to nothing: 7 -> 4, 1 -> 1."""

    def gives(self, shape: Shape) -> Shape:
        return _pooled(shape, self.size, self.stride, self.padding, self.ceil_mode)

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        padding = _border(self.padding, self.size, 1)
        return nn.MaxPool2d(both(self.size), both(self.stride or self.size), padding, ceil_mode=self.ceil_mode)


@layer
class AvgPool(Layer):
    """The mean of each window."""

    name: ClassVar[str] = "avg_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    size: Extent = 2
    """Window in pixels: one number, or [height, width]."""
    stride: OptionalExtent = None
    """Pixels from one window to the next; null: the size, so that windows do not overlap."""
    padding: Padding = 0
    """Pixels around the image, which do not count; at most half of the size."""
    ceil_mode: Flag = True
    """Keep the window that hangs over the border (torch drops it by default), so that a small image never shrinks to nothing: 7 -> 4, 1 -> 1."""

    def gives(self, shape: Shape) -> Shape:
        return _pooled(shape, self.size, self.stride, self.padding, self.ceil_mode)

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        padding = _border(self.padding, self.size, 1)
        return nn.AvgPool2d(both(self.size), both(self.stride or self.size), padding, ceil_mode=self.ceil_mode, count_include_pad=False)


@layer
class GlobalAvgPool(Layer):
    """The mean of each channel over the whole image, or of each feature over all times."""

    name: ClassVar[str] = "global_avg_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE)
    makes: ClassVar[Axes | None] = FEATURES

    def gives(self, shape: Shape) -> Shape:
        return Shape(FEATURES, (shape.sizes[_kept(shape)],))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import MeanOver

        return MeanOver(_pooled_axes(shape))


@layer
class GlobalMaxPool(Layer):
    """The greatest number of each channel over the whole image, or of each feature over all times."""

    name: ClassVar[str] = "global_max_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE)
    makes: ClassVar[Axes | None] = FEATURES

    def gives(self, shape: Shape) -> Shape:
        return Shape(FEATURES, (shape.sizes[_kept(shape)],))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import MaxOver

        return MaxOver(_pooled_axes(shape))


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


CONVOLUTION: tuple[type[Layer], ...] = (Conv2d, DepthwiseConv2d, ConvBlock, MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, Upsample)

Sizes = tuple[int | None, ...]
Pair = int | tuple[int, int]


def windows(sizes: Sizes, kernel: Pair, stride: Pair, padding: tuple[int, int], dilation: Pair = 1, ceil_mode: bool = False) -> Sizes:
    """Height and width in front of a window layer -> behind it; less than 1 where the window does not fit.

    Source: the formulas of torch.nn.Conv2d and torch.nn.MaxPool2d.
    """
    return tuple(
        size if size is None else _count(size + 2 * p, d * (k - 1) + 1, s, size + p if ceil_mode else None)
        for size, k, s, p, d in zip(sizes, both(kernel), both(stride), padding, both(dilation), strict=True)
    )


def _count(size: int, window: int, stride: int, last_start: int | None) -> int:
    """How many windows fit; with `last_start` also one that hangs over, if it starts before there."""
    if last_start is None:
        return (size - window) // stride + 1
    count = -((window - size) // stride) + 1
    return count - 1 if (count - 1) * stride >= last_start else count


def _border(padding: Literal["half"] | Pair, kernel: Pair, dilation: Pair) -> tuple[int, int]:
    if padding == "half":
        (height, width), (d, e) = both(kernel), both(dilation)
        return d * (height - 1) // 2, e * (width - 1) // 2
    return both(padding)


def _fitting(sizes: Sizes, kernel: Pair) -> Sizes:
    if any(size is not None and size < 1 for size in sizes):
        raise ShapeError("window-too-large", window=" x ".join(map(str, both(kernel))))
    return sizes


def _pooled(shape: Shape, size: Pair, stride: Pair | None, padding: Literal["half"] | Pair, ceil_mode: bool) -> Shape:
    border = _border(padding, size, 1)
    if any(2 * p > k for p, k in zip(border, both(size), strict=True)):
        raise ShapeError("padding-too-large", path=("padding",), padding=max(border), limit=min(both(size)) // 2)
    sizes = windows(shape.sizes[1:], size, stride or size, border, 1, ceil_mode)
    return Shape(IMAGE, (shape.sizes[0], *_fitting(sizes, size)))


def _kept(shape: Shape) -> int:
    """The place of the axis that a global pool keeps."""
    return shape.axes.index("channels") if "channels" in shape.axes else shape.axes.index("features")


def _pooled_axes(shape: Shape) -> list[int]:
    """The other axes, as a module counts them: behind the batch axis."""
    return [axis + 1 for axis in range(len(shape.axes)) if axis != _kept(shape)]
