"""Layers that make one number of many: pools over windows, and over all of an image or a sequence."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from flambeau.errors import ShapeError
from flambeau.network.layer import FEATURES, IMAGE, SEQUENCE, Axes, Extent, Flag, Layer, OptionalExtent, Padding, Shape, both, layer
from flambeau.network.windows import Pair, border, fitting, windows

if TYPE_CHECKING:
    from torch import nn


@layer
class MaxPool(Layer):
    """The greatest number of each window, of pixels or of times."""

    name: ClassVar[str] = "max_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE)
    size: Extent = 2
    """Window in pixels: one number, or [height, width]; on a sequence, in times."""
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

        if shape.axes == SEQUENCE:
            return _over_time("max", self.size, self.stride, self.padding, self.ceil_mode)
        padding = border(self.padding, self.size, 1)
        return nn.MaxPool2d(both(self.size), both(self.stride or self.size), padding, ceil_mode=self.ceil_mode)


@layer
class AvgPool(Layer):
    """The mean of each window, of pixels or of times."""

    name: ClassVar[str] = "avg_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE)
    size: Extent = 2
    """Window in pixels: one number, or [height, width]; on a sequence, in times."""
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

        if shape.axes == SEQUENCE:
            return _over_time("avg", self.size, self.stride, self.padding, self.ceil_mode)
        padding = border(self.padding, self.size, 1)
        return nn.AvgPool2d(both(self.size), both(self.stride or self.size), padding, ceil_mode=self.ceil_mode, count_include_pad=False)


class ToFeatures(Layer):
    """A layer that makes one row of features of an image or a sequence."""

    makes: ClassVar[Axes | None] = FEATURES

    def gives(self, shape: Shape) -> Shape:
        return Shape(FEATURES, (shape.sizes[shape.wide],))


@layer
class GlobalAvgPool(ToFeatures):
    """The mean of each channel over the whole image, or of each feature over all times."""

    name: ClassVar[str] = "global_avg_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE)

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import MeanOver
        from flambeau.network.modules_time import MeanTime

        return MeanTime() if shape.axes == SEQUENCE else MeanOver((2, 3))


@layer
class GlobalMaxPool(ToFeatures):
    """The greatest number of each channel over the whole image, or of each feature over all times."""

    name: ClassVar[str] = "global_max_pool"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE)

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import MaxOver
        from flambeau.network.modules_time import MaxTime

        return MaxTime() if shape.axes == SEQUENCE else MaxOver((2, 3))


@layer
class LastState(ToFeatures):
    """The features of the last time: what a recurrent layer knows when it has seen everything."""

    name: ClassVar[str] = "last_state"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    both_ways: Flag = False
    """Behind a bidirectional layer: the second half of the features is taken from the first time, where the way back ends."""

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_time import LastTime

        return LastTime(self.both_ways)


@layer
class FirstState(ToFeatures):
    """The features of the first time: of the class token, where there is one."""

    name: ClassVar[str] = "first_state"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_time import FirstTime

        return FirstTime()


@layer
class AttentionPool(ToFeatures):
    """A mean over all times, each with a weight that is learned from its features.

    Source: Yang et al., Hierarchical Attention Networks for Document Classification, NAACL 2016.
    """

    name: ClassVar[str] = "attention_pool"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_time import AttentionPool as Module

        return Module(shape.concrete[-1])


POOLING: tuple[type[Layer], ...] = (MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, LastState, FirstState, AttentionPool)


def _pooled(shape: Shape, size: Pair, stride: Pair | None, padding: Literal["half"] | Pair, ceil_mode: bool) -> Shape:
    edges = border(padding, size, 1)
    if any(2 * p > k for p, k in zip(edges, both(size), strict=True)):
        raise ShapeError("padding-too-large", path=("padding",), padding=max(edges), limit=min(both(size)) // 2)
    if shape.axes == IMAGE:
        return Shape(IMAGE, (shape.sizes[0], *fitting(windows(shape.sizes[1:], size, stride or size, edges, 1, ceil_mode), size)))
    if not isinstance(size, int) or not isinstance(stride or size, int) or not isinstance(padding, int | str):
        raise ShapeError("one-extent")
    time, features = shape.sizes
    shortest = windows((1 if time is None else time, None), size, stride or size, edges, 1, ceil_mode)
    if time is None and shortest[0] == 0:
        raise ShapeError("window-over-varying", window=size)
    return Shape(SEQUENCE, (time and fitting(shortest, size)[0], features))


def _over_time(kind: Literal["max", "avg"], size: Pair, stride: Pair | None, padding: Literal["half"] | Pair, ceil_mode: bool) -> nn.Module:
    from flambeau.network.modules_time import Pool1d

    return Pool1d(kind, both(size)[0], both(stride or size)[0], border(padding, size, 1)[0], ceil_mode)
