"""Layers that are made of layers, and the union of all layers, which they close into a circle."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, Union

from pydantic import AfterValidator, Discriminator, Field
from pydantic.dataclasses import rebuild_dataclass
from typing_extensions import TypeAliasType

from flambeau.choice import problem
from flambeau.errors import RecipeError, ShapeError
from flambeau.network.activation import ACTIVATIONS, ActivationName, activation
from flambeau.network.chain import build_chain, inside, last_shape
from flambeau.network.convolution import CONVOLUTION, AvgPool, Conv2d
from flambeau.network.dense import DENSE, Linear
from flambeau.network.initialisation import InitialMethod
from flambeau.network.layer import FEATURES, IMAGE, MAX_EXTENT, SEQUENCE, Axes, Factor, Flag, Layer, Shape, layer
from flambeau.network.node import choice, normaliser, tag
from flambeau.network.norm import NORMS, NormName, norm

if TYPE_CHECKING:
    from torch import nn

# Here the descriptions stand in the annotations: before Python 3.13 pydantic loses the texts under the fields of a class that refers to
# a type further down, as these refer to Node.
_ZERO_INIT = """Start as the shortcut alone: the last norm (or weights) of the branch start at 0; null: as the network's `initialise` says.
The branch has to end with a norm, a convolution or a linear: behind a relu nothing would ever learn."""
_JOIN = "concatenate: side by side along the channels (or features), all else equal; sum: added up, all shapes equal."
T = TypeVar("T")


def _some(nodes: tuple[T, ...]) -> tuple[T, ...]:
    if not nodes:
        raise problem("layers-empty")
    return nodes


@layer
class Sequential(Layer):
    """Layers in a row, as one node."""

    name: ClassVar[str] = "sequential"
    layers: Annotated[tuple[Node, ...], Field(description="What is done, one after the other.")]

    def gives(self, shape: Shape) -> Shape:
        return _after(self.layers, shape, "layers")

    def build(self, shape: Shape) -> nn.Module:
        return build_chain(self.layers, shape)


@layer
class Repeat(Layer):
    """The same layers several times in a row, each time with weights of their own."""

    name: ClassVar[str] = "repeat"
    times: Annotated[Factor, Field(description="How often.")]
    layers: Annotated[tuple[Node, ...], Field(description="What is done each time, one after the other.")]

    def gives(self, shape: Shape) -> Shape:
        for _ in range(self.times):
            shape = _after(self.layers, shape, "layers")
        return shape

    def build(self, shape: Shape) -> nn.Module:
        return build_chain(self.layers * self.times, shape)


@layer
class Residual(Layer):
    """The result of some layers plus what went into them. Where they change the shape, the shortcut does too:
    a mean over the stride, a convolution with kernel 1 and a norm (on an image), or a linear.

    Source: He et al., Deep Residual Learning, CVPR 2016; the shortcut: He et al., Bag of Tricks, CVPR 2019.
    """

    name: ClassVar[str] = "residual"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
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
        if before == after:
            return ()
        if before.axes == after.axes == IMAGE:
            return self._projection(before, after)
        if before.axes != after.axes or before.sizes[:-1] != after.sizes[:-1]:
            raise ShapeError("residual-shapes", before=str(before), after=str(after))
        return (Linear(after.concrete[-1], initialise=self.initialise),)

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
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE, SEQUENCE, FEATURES)
    branches: Annotated[tuple[tuple[Node, ...], ...], AfterValidator(_some), Field(description="Lists of layers.", max_length=64)]
    join: Annotated[Literal["concatenate", "sum"], Field(description=_JOIN)] = "concatenate"

    def gives(self, shape: Shape) -> Shape:
        shapes = [_after(branch, shape, "branches", index) for index, branch in enumerate(self.branches)]
        axis = _joined(shapes[0])
        fixed = {(one.axes, one.sizes if self.join == "sum" else (*one.sizes[:axis], *one.sizes[axis + 1 :])) for one in shapes}
        if len(fixed) > 1:
            raise ShapeError("branches-differ", path=("branches",), shapes=" / ".join(map(str, shapes)), join=self.join)
        if self.join == "sum":
            return shapes[0]
        width = sum(one.concrete[axis] for one in shapes)
        return Shape(shapes[0].axes, (*shapes[0].sizes[:axis], width, *shapes[0].sizes[axis + 1 :]))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import Parallel as Module

        after = last_shape(self.branches[0], shape)
        axis = _joined(after) - len(after.axes)
        return Module([build_chain(branch, shape) for branch in self.branches], axis if self.join == "concatenate" else None)


LAYERS: tuple[type[Layer], ...] = (*DENSE, *ACTIVATIONS, *CONVOLUTION, *NORMS, Sequential, Repeat, Residual, Parallel)
"""Every layer that a spec can name."""

if TYPE_CHECKING:
    Node: TypeAlias = Layer
    """A node of a spec: `relu`, `{conv2d: 32}`, `{conv2d: {channels: 32}}` or `Conv2d(32)`."""
else:
    _Choices: Any = Union[tuple(choice(cls) for cls in LAYERS)]  # noqa: UP007  # made of a tuple
    Node = TypeAliasType("Node", Annotated[_Choices, Discriminator(tag), normaliser(LAYERS)])
    for _cls in (Sequential, Repeat, Residual, Parallel):
        rebuild_dataclass(_cls)


def num_layers(layers: Sequence[Layer]) -> int:
    """How many layers a network of these has when each repetition and each branch is counted."""
    return sum(_num_layers(one) for one in layers)


def _num_layers(one: Layer) -> int:
    if isinstance(one, Repeat):
        return 1 + one.times * num_layers(one.layers)
    if isinstance(one, Parallel):
        return 1 + sum(num_layers(branch) for branch in one.branches)
    return 1 + num_layers(one.layers) if isinstance(one, Sequential | Residual) else 1


def _after(layers: Sequence[Layer], shape: Shape, *path: str | int) -> Shape:
    try:
        return last_shape(layers, shape)
    except RecipeError as error:
        raise inside(error, *path) from None


def _stride(size: int, reduced: int) -> int:
    """The stride at which pools and convolutions bring `size` to `reduced`; 0 where there is none."""
    stride = -(-size // reduced)
    return stride if -(-size // stride) == reduced and stride <= MAX_EXTENT else 0


def _joined(shape: Shape) -> int:
    """The place of the axis along which branches are put side by side."""
    return shape.axes.index("channels") if "channels" in shape.axes else len(shape.axes) - 1
