"""Several results made one: side by side along the channels (or features), or added up. And taps, which carry one far down the list."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from flambeau.errors import ShapeError
from flambeau.network.layer import FEATURES, IMAGE, SEQUENCE, Axes, Layer, Shape, layer

if TYPE_CHECKING:
    from torch import nn

Join: TypeAlias = Literal["concatenate", "sum"]
JOIN = "concatenate: side by side along the channels (or features), all else equal; sum: added up, all shapes equal."
Label = Annotated[str, Field(min_length=1, max_length=100)]


def join_shapes(shapes: Sequence[Shape], join: Join) -> Shape:
    """The shapes of several results -> the shape of all together.

    Raises:
        ShapeError: they cannot be joined so.
    """
    first = shapes[0]
    axis = first.wide
    if len({(one.axes, one.sizes if join == "sum" else (*one.sizes[:axis], *one.sizes[axis + 1 :])) for one in shapes}) > 1:
        raise ShapeError("branches-differ", shapes=" / ".join(map(str, shapes)), join=join)
    return first if join == "sum" else first.widened(sum(one.concrete[axis] for one in shapes))


def join_axis(shape: Shape, join: Join) -> int | None:
    """The axis along which results of this shape are put side by side, counted from the end; None adds."""
    return shape.wide - len(shape.axes) if join == "concatenate" else None


@layer
class Tap(Layer):
    """Hands on what comes, and keeps it for a from_tap further down the same list: the long skips of a U-Net."""

    name: ClassVar[str] = "tap"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
    label: Label
    """What it is called."""

    def gives(self, shape: Shape) -> Shape:
        return shape

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import Tap as Module

        return Module(self.label)


@layer
class FromTap(Layer):
    """What comes, joined with what a tap of the same list kept."""

    name: ClassVar[str] = "from_tap"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
    label: Label
    """What the tap is called."""
    join: Join = "concatenate"
    """concatenate: side by side along the channels (or features), all else equal; sum: added up, all shapes equal."""

    def gives(self, shape: Shape) -> Shape:
        return self.joined(shape, {})

    def joined(self, shape: Shape, kept: Mapping[str, Shape]) -> Shape:
        """The shape that comes, and the shapes that taps have kept -> the shape of both together.

        Raises:
            ShapeError: there is no such tap in front, or what it kept cannot be joined.
        """
        if self.label not in kept:
            raise ShapeError("tap-unknown", path=("label",), label=self.label, labels=", ".join(kept))
        return join_shapes((shape, kept[self.label]), self.join)

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import FromTap as Module

        return Module(self.label, join_axis(shape, self.join))


TAPS: tuple[type[Layer], ...] = (Tap, FromTap)
