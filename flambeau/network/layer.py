"""The contract of a layer, and the named shapes that it is about. No torch: a spec can be read, checked and written without it.

A layer is a frozen dataclass: ``Conv2d(32)`` in Python is ``{conv2d: 32}`` in YAML. The text under a field is its documentation
everywhere: JSON Schema, editor, `flambeau layers`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias, TypeVar, dataclass_transform

import pydantic.dataclasses
from pydantic import BeforeValidator, ConfigDict, Field, Strict

from flambeau.choice import problem
from flambeau.docstrings import Documented
from flambeau.types import TensorSpec

if TYPE_CHECKING:
    from torch import nn

Axes: TypeAlias = tuple[str, ...]
IMAGE: Axes = ("channels", "height", "width")
SEQUENCE: Axes = ("time", "features")
FEATURES: Axes = ("features",)
IDS: Axes = ("time",)
"""Whole numbers that name something: the words of a text."""
COLUMNS: Axes = ("columns",)
"""A row of a table: numbers, and ids of categories held as numbers."""

STAND_IN = 16
"""The size that an axis of varying length takes when a network is tried out."""
LONG = 2**14
"""The length from which the stride of a branch is told where lengths vary."""


@dataclass(frozen=True)
class Shape:
    """One example between two layers, without the batch axis."""

    axes: Axes
    sizes: tuple[int | None, ...]
    """One size for each axis; None where it varies."""
    categories: int | tuple[int, ...] | None = None
    """How many different ids there are; of columns, for each one, 0 for a number."""

    @classmethod
    def of(cls, spec: TensorSpec) -> Shape:
        """What a preprocessing gives, as a shape."""
        return cls(spec.axes, spec.shape, spec.categories)

    @property
    def numel(self) -> int:
        """Numbers in one example."""
        return prod(self.concrete)

    @property
    def concrete(self) -> tuple[int, ...]:
        """The sizes, with a stand-in where one varies."""
        return tuple(STAND_IN if size is None else size for size in self.sizes)

    @property
    def wide(self) -> int:
        """The place of the axis that layers make wider: channels, else the last one."""
        return self.axes.index("channels") if "channels" in self.axes else len(self.axes) - 1

    def widened(self, width: int) -> Shape:
        """The same with so many channels (or features)."""
        return Shape(self.axes, (*self.sizes[: self.wide], width, *self.sizes[self.wide + 1 :]))

    @property
    def settled(self) -> Shape:
        """The same with a length where it varies, long enough to tell every stride."""
        return Shape(self.axes, tuple(LONG if size is None else size for size in self.sizes), self.categories)

    def __str__(self) -> str:
        return " x ".join(f"{axis} {'?' if size is None else size}" for axis, size in zip(self.axes, self.sizes, strict=True))


class Layer(Documented, ABC):
    """A node of a network spec: what it takes, what it gives, and the module that does it."""

    name: ClassVar[str]
    """What a spec calls it."""
    takes: ClassVar[tuple[Axes, ...]] = ()
    """The named axes that it accepts, one entry for each alternative; () is any."""
    makes: ClassVar[Axes | None] = None
    """The named axes that it gives; None: the same as it takes; (): whatever its module gives."""

    @abstractmethod
    def gives(self, shape: Shape) -> Shape:
        """The shape of an example before this layer -> after it.

        Raises:
            ShapeError: the sizes do not suit; `path` begins at a field of this layer.
        """

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module:
        """A module for examples of this shape: (batch, *shape) -> (batch, *gives(shape))."""


LayerT = TypeVar("LayerT", bound=Layer)
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)


@dataclass_transform(frozen_default=True)
def layer(cls: type[LayerT]) -> type[LayerT]:
    """A class with annotated fields -> a frozen dataclass that checks its values and refuses unknown fields."""
    made: type[LayerT] = pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)(cls)  # type: ignore[assignment]  # it is cls itself
    return made


# The kinds of values. Numbers are never made from text or booleans. The bounds keep products of any three of them inside 64 bits.
Width = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Factor = Annotated[int, Strict(), Field(ge=1, le=1_024)]
Share = Annotated[float, Strict(), Field(ge=0, lt=1)]
Small = Annotated[float, Strict(), Field(gt=0, le=1)]
Number = Annotated[float, Strict(), Field(ge=-1e6, le=1e6)]
Positive = Annotated[float, Strict(), Field(gt=0, le=1e6)]
Flag = Annotated[bool, Strict()]

MAX_EXTENT = 1_024


def _extent(value: object, low: int) -> int | tuple[int, int]:
    """A number for both, or [height, width]; two equal ones are the same as one."""
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(pair) != 2 or not all(type(size) is int and low <= size <= MAX_EXTENT for size in pair):
        raise problem("extent-invalid", low=low, high=MAX_EXTENT)
    height, width = pair
    return height if height == width else (height, width)


def _positive_extent(value: object) -> int | tuple[int, int]:
    return _extent(value, 1)


def _optional_extent(value: object) -> int | tuple[int, int] | None:
    return None if value is None else _extent(value, 1)


def _padding(value: object) -> Literal["half"] | int | tuple[int, int]:
    return "half" if value == "half" else _extent(value, 0)


_One = Annotated[int, Field(ge=1, le=MAX_EXTENT)]
_Border = Annotated[int, Field(ge=0, le=MAX_EXTENT)]
Extent = Annotated[int | tuple[int, int], BeforeValidator(_positive_extent, json_schema_input_type=_One | tuple[_One, _One])]
Padding = Annotated[
    Literal["half"] | int | tuple[int, int], BeforeValidator(_padding, json_schema_input_type=Literal["half"] | _Border | tuple[_Border, _Border])
]
OptionalExtent = Annotated[int | tuple[int, int] | None, BeforeValidator(_optional_extent, json_schema_input_type=_One | tuple[_One, _One] | None)]


def both(extent: int | tuple[int, int]) -> tuple[int, int]:
    """3 -> (3, 3); (height, width) stays."""
    return (extent, extent) if isinstance(extent, int) else extent
