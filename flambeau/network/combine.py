"""Layers that are made of layers, and the union of all layers, which they close into a circle."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias, TypeVar, Union

from pydantic import AfterValidator, Discriminator, Field
from pydantic.dataclasses import rebuild_dataclass
from typing_extensions import TypeAliasType

from flambeau.choice import problem
from flambeau.errors import RecipeError, ShapeError
from flambeau.network.activation import ACTIVATIONS, ActivationName, activation
from flambeau.network.attention import ATTENTION
from flambeau.network.chain import build_chain, inside, last_shape
from flambeau.network.columns import COLUMN
from flambeau.network.convolution import CONVOLUTION, Conv2d
from flambeau.network.custom import CUSTOM
from flambeau.network.dense import DENSE, Linear
from flambeau.network.initialisation import InitialMethod
from flambeau.network.joining import JOIN, TAPS, Join, join_axis, join_shapes
from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, MAX_EXTENT, SEQUENCE, Axes, Factor, Flag, Layer, Shape, layer
from flambeau.network.node import choice, normaliser, tag
from flambeau.network.norm import NORMS, NormName, norm
from flambeau.network.pooling import POOLING, AvgPool
from flambeau.network.recurrent import RECURRENT
from flambeau.network.scaling import SCALING
from flambeau.network.sequence import SEQUENCES

if TYPE_CHECKING:
    from torch import nn

# Here the descriptions stand in the annotations: before Python 3.13 pydantic loses the texts under the fields of a class that refers to
# a type further down, as these refer to Node.
_ZERO_INIT = """Start as the shortcut alone: the last norm (or weights) of the branch start at 0; null: as the network's `initialise` says.
The branch has to end with a norm, a convolution or a linear: behind a relu nothing would ever learn."""
_ALL = (IMAGE, SEQUENCE, FEATURES, IDS, COLUMNS)
_NUMBERS = (IMAGE, SEQUENCE, FEATURES)
T = TypeVar("T")


def _some(nodes: tuple[T, ...]) -> tuple[T, ...]:
    if not nodes:
        raise problem("layers-empty")
    return nodes


@layer
class Sequential(Layer):
    """Layers in a row, as one node."""

    name: ClassVar[str] = "sequential"
    takes: ClassVar[tuple[Axes, ...]] = _ALL
    layers: Annotated[tuple[Node, ...], Field(description="What is done, one after the other.")]

    def gives(self, shape: Shape) -> Shape:
        return _after(self.layers, shape, "layers")

    def build(self, shape: Shape) -> nn.Module:
        return build_chain(self.layers, shape)


@layer
class Repeat(Layer):
    """The same layers several times in a row, each time with weights of their own, or with the same ones."""

    name: ClassVar[str] = "repeat"
    takes: ClassVar[tuple[Axes, ...]] = _NUMBERS
    times: Annotated[Factor, Field(description="How often.")]
    layers: Annotated[tuple[Node, ...], Field(description="What is done each time, one after the other.")]
    tied: Annotated[Flag, Field(description="Use the same weights each time; the layers must keep the shape.")] = False

    def gives(self, shape: Shape) -> Shape:
        before = shape
        for _ in range(self.times):
            shape = _after(self.layers, shape, "layers")
            if self.tied and shape != before:
                raise ShapeError("tied-shapes", path=("tied",), before=str(before), after=str(shape))
        return shape

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_time import Tied

        return Tied(build_chain(self.layers, shape), self.times) if self.tied else build_chain(self.layers * self.times, shape)


@layer
class Residual(Layer):
    """The result of some layers plus what went into them. Where they change the shape, the shortcut does too:
    a mean over the stride, a convolution with kernel 1 and a norm (on an image), or a linear.

    Source: He et al., Deep Residual Learning, CVPR 2016; the shortcut: He et al., Bag of Tricks, CVPR 2019.
    """

    name: ClassVar[str] = "residual"
    takes: ClassVar[tuple[Axes, ...]] = _NUMBERS
    layers: Annotated[tuple[Node, ...], AfterValidator(_some), Field(description="The branch: what is done, one after the other.")]
    activation: Annotated[ActivationName, Field(description="The curve after the sum, with its defaults.")] = "none"
    norm: Annotated[NormName, Field(description="The norm of a shortcut that changes the channels of an image.")] = "batch"
    zero_init: Annotated[Flag | None, Field(description=_ZERO_INIT)] = None
    initialise: Annotated[InitialMethod | None, Field(description="How the weights of the shortcut start; null: as for zero_init.")] = None

    def gives(self, shape: Shape) -> Shape:
        after = _after(self.layers, shape, "layers")
        last_shape(self._shortcut(shape, after), shape)
        return after

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.initialisation import start_at_zero
        from flambeau.network.modules import Residual as Module

        branch = build_chain(self.layers, shape)
        if self.zero_init:
            start_at_zero(branch)
        shortcut = self._shortcut(shape, last_shape(self.layers, shape))
        curve = activation(self.activation)
        return Module(branch, build_chain(shortcut, shape) if shortcut else nn.Identity(), build_chain(curve, shape) if curve else nn.Identity())

    def _shortcut(self, before: Shape, after: Shape) -> tuple[Layer, ...]:
        """The layers that bring the input to the shape of the result; none where it has it already."""
        if before == after and (None not in before.sizes or before.settled == last_shape(self.layers, before.settled)):
            return ()
        if before.axes != after.axes:
            raise ShapeError("residual-shapes", before=str(before), after=str(after))
        if before.axes == IMAGE:
            return self._projection(before, after)
        stride = self._stride(before, after) if before.axes == SEQUENCE else 1
        pool = () if stride == 1 else (AvgPool(stride),)
        return pool if before.sizes[-1] == after.sizes[-1] else (*pool, Linear(after.concrete[-1], initialise=self.initialise))

    def _stride(self, before: Shape, after: Shape) -> int:
        """By how much the branch shortens a sequence."""
        settled = before.settled
        stride = _stride(settled.concrete[0], last_shape(self.layers, settled).concrete[0])
        if not stride:
            raise ShapeError("residual-shapes", before=str(before), after=str(after))
        return stride

    def _projection(self, before: Shape, after: Shape) -> tuple[Layer, ...]:
        strides = [_stride(size, reduced) for size, reduced in zip(before.concrete[1:], after.concrete[1:], strict=True)]
        if 0 in strides:
            raise ShapeError("residual-shapes", before=str(before), after=str(after))
        stride = (strides[0], strides[1])
        pool = () if stride == (1, 1) else (AvgPool(stride),)
        if before.sizes[0] == after.sizes[0]:
            return pool
        channels = after.concrete[0]
        return (*pool, Conv2d(channels, kernel=1, bias=self.norm == "none", initialise=self.initialise), *norm(self.norm, channels))


@layer
class Parallel(Layer):
    """Several branches from the same input, side by side or added up. An empty branch hands its input on."""

    name: ClassVar[str] = "parallel"
    takes: ClassVar[tuple[Axes, ...]] = _NUMBERS
    branches: Annotated[tuple[tuple[Node, ...], ...], AfterValidator(_some), Field(description="Lists of layers.", max_length=64)]
    join: Annotated[Join, Field(description=JOIN)] = "concatenate"

    def gives(self, shape: Shape) -> Shape:
        if None in shape.sizes:
            self.gives(shape.settled)  # branches of different strides
        shapes = [_after(branch, shape, "branches", index) for index, branch in enumerate(self.branches)]
        return _joined(shapes, self.join, "branches")

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import Parallel as Module

        return Module([build_chain(branch, shape) for branch in self.branches], join_axis(last_shape(self.branches[0], shape), self.join))


@layer
class DenseConnection(Layer):
    """The same layers several times, each with weights of its own; each time they get the input and all results so far, side by side.

    Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017.
    """

    name: ClassVar[str] = "dense_connection"
    takes: ClassVar[tuple[Axes, ...]] = _NUMBERS
    layers: Annotated[tuple[Node, ...], AfterValidator(_some), Field(description="What is done each time; keeps all but the channels.")]
    times: Annotated[Factor, Field(description="How often.")] = 4

    def gives(self, shape: Shape) -> Shape:
        if None in shape.sizes:
            self.gives(shape.settled)
        return self._steps(shape)[-1]

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import Dense

        return Dense([build_chain(self.layers, before) for before in self._steps(shape)[:-1]], shape.wide - len(shape.axes))

    def _steps(self, shape: Shape) -> list[Shape]:
        """The shape in front of each time, and after the last."""
        shapes = [shape]
        for _ in range(self.times):
            shapes.append(_joined((shapes[-1], _after(self.layers, shapes[-1], "layers")), "concatenate", "layers"))
        return shapes


@layer
class Gated(Layer):
    """The result of some layers times what a gate lets through, from 0 to 1: the same layers once more with weights of their own, and a sigmoid.

    Source: Dauphin et al., Language Modeling with Gated Convolutional Networks, ICML 2017.
    """

    name: ClassVar[str] = "gated"
    takes: ClassVar[tuple[Axes, ...]] = _NUMBERS
    layers: Annotated[tuple[Node, ...], AfterValidator(_some), Field(description="What is done, one after the other.")]

    def gives(self, shape: Shape) -> Shape:
        return _after(self.layers, shape, "layers")

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import Gated as Module

        return Module(build_chain(self.layers, shape), build_chain(self.layers, shape), highway=False)


@layer
class Highway(Layer):
    """At each number, a learned share of the result of some layers and the rest of what went into them. The layers keep the shape.

    Source: Srivastava et al., Training Very Deep Networks, NeurIPS 2015.
    """

    name: ClassVar[str] = "highway"
    takes: ClassVar[tuple[Axes, ...]] = _NUMBERS
    layers: Annotated[tuple[Node, ...], AfterValidator(_some), Field(description="What is done, one after the other.")]

    def gives(self, shape: Shape) -> Shape:
        if None in shape.sizes:
            self.gives(shape.settled)
        after = _after(self.layers, shape, "layers")
        if after != shape:
            raise ShapeError("highway-shapes", path=("layers",), before=str(shape), after=str(after))
        return after

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.modules import Gated as Module

        width = shape.concrete[shape.wide]
        gate = nn.Conv2d(width, width, 1) if shape.axes == IMAGE else nn.Linear(width, width)
        nn.init.constant_(gate.bias, -1.0)  # type: ignore[arg-type]  # both have a bias; so that most of the input passes at the start
        return Module(build_chain(self.layers, shape), gate, highway=True)


_COMBINED: tuple[type[Layer], ...] = (Sequential, Repeat, Residual, Parallel, DenseConnection, Gated, Highway)
LAYERS: tuple[type[Layer], ...] = (
    *(*DENSE, *ACTIVATIONS, *CONVOLUTION, *POOLING, *NORMS),
    *(*SEQUENCES, *RECURRENT, *ATTENTION, *COLUMN, *SCALING, *TAPS),
    *(*_COMBINED, *CUSTOM),
)
"""Every layer that a spec can name."""

if TYPE_CHECKING:
    Node: TypeAlias = Layer
    """A node of a spec: `relu`, `{conv2d: 32}`, `{conv2d: {channels: 32}}` or `Conv2d(32)`."""
else:
    _Choices: Any = Union[tuple(choice(cls) for cls in LAYERS)]  # noqa: UP007  # made of a tuple
    Node = TypeAliasType("Node", Annotated[_Choices, Discriminator(tag), normaliser(LAYERS)])
    for _cls in _COMBINED:
        rebuild_dataclass(_cls)


def num_layers(layers: Sequence[Layer]) -> int:
    """How many layers a network of these has when each repetition and each branch is counted."""
    return sum(1 + getattr(one, "times", 1) * num_layers(list(_inner(one))) for one in layers)


def _inner(value: object) -> Iterator[Layer]:
    """The layers that a layer is made of."""
    for field in fields(value):  # type: ignore[arg-type]  # every layer is a dataclass
        yield from _layers_of(getattr(value, field.name))


def _layers_of(value: object) -> Iterator[Layer]:
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _layers_of(item)


def _after(layers: Sequence[Layer], shape: Shape, *path: str | int) -> Shape:
    try:
        return last_shape(layers, shape)
    except RecipeError as error:
        raise inside(error, *path) from None


def _stride(size: int, reduced: int) -> int:
    """The stride at which pools and convolutions bring `size` to `reduced`; 0 where there is none."""
    stride = -(-size // reduced)
    return stride if -(-size // stride) == reduced and stride <= MAX_EXTENT else 0


def _joined(shapes: Sequence[Shape], join: Join, *path: str | int) -> Shape:
    try:
        return join_shapes(shapes, join)
    except RecipeError as error:
        raise inside(error, *path) from None
