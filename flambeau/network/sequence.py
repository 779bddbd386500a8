"""Layers on sequences: embedding, convolution over time, positions; and the ways between images and sequences."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from flambeau.errors import ShapeError
from flambeau.network.activation import ActivationName, activation
from flambeau.network.chain import build_chain, last_shape
from flambeau.network.initialisation import InitialMethod, initialised
from flambeau.network.layer import IDS, IMAGE, MAX_EXTENT, SEQUENCE, Axes, Flag, Layer, Positive, Shape, Width, layer
from flambeau.network.norm import NormName, norm

if TYPE_CHECKING:
    from torch import nn

_Times = Annotated[int, Field(ge=1, le=MAX_EXTENT, strict=True)]
_Border = Literal["half"] | Annotated[int, Field(ge=0, le=MAX_EXTENT, strict=True)]


@layer
class Embedding(Layer):
    """A learned vector for each id: the words of a text become a sequence."""

    name: ClassVar[str] = "embedding"
    takes: ClassVar[tuple[Axes, ...]] = (IDS,)
    makes: ClassVar[Axes | None] = SEQUENCE
    features: Width
    """Length of each vector."""
    std: Positive = 0.1
    """Standard deviation of the vectors at the start."""
    freeze: Flag = False
    """Leave the vectors as they are: for pretrained ones."""

    def gives(self, shape: Shape) -> Shape:
        return Shape(SEQUENCE, (shape.sizes[0], self.features))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        assert isinstance(shape.categories, int)
        module = nn.Embedding(shape.categories, self.features)
        nn.init.normal_(module.weight, std=self.std)
        return module.requires_grad_(not self.freeze)


@layer
class Conv1d(Layer):
    """Each new feature is a weighted sum over a window of times."""

    name: ClassVar[str] = "conv1d"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    features: Width
    """Number of features that it gives."""
    kernel: _Times = 3
    """Window in times."""
    stride: _Times = 1
    """Times from one window to the next; 2 halves the length."""
    padding: _Border = "half"
    """Times of zeros at both ends; half: as many as keep the length at stride 1, half of them at each end."""
    dilation: _Times = 1
    """Times from one weight of the kernel to the next."""
    groups: Width = 1
    """Parts that the features fall into, each convolved alone; divides the features in front and behind."""
    bias: Flag = True
    """Add a learned constant to each feature; needless in front of a norm."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        time, features = shape.sizes
        if shape.concrete[1] % self.groups or self.features % self.groups:
            raise ShapeError("groups-do-not-divide", path=("groups",), groups=self.groups, channels=f"{features} / {self.features}")
        window = self.dilation * (self.kernel - 1) + 1
        count = ((1 if time is None else time) + sum(self._border) - window) // self.stride + 1
        if count < 1:
            raise ShapeError("window-over-varying" if time is None else "window-too-large", window=str(window))
        return Shape(SEQUENCE, (time and count, self.features))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.modules_time import Conv1d as Module

        convolution = nn.Conv1d(
            shape.concrete[1], self.features, self.kernel, self.stride, dilation=self.dilation, groups=self.groups, bias=self.bias
        )
        return Module(initialised(convolution, self.initialise), *self._border)

    @property
    def _border(self) -> tuple[int, int]:
        """Zeros in front and behind."""
        if isinstance(self.padding, int):
            return self.padding, self.padding
        together = self.dilation * (self.kernel - 1)
        return together // 2, together - together // 2


@layer
class Conv1dBlock(Layer):
    """A conv1d, a norm and an activation. The convolution has a bias only where there is no norm."""

    name: ClassVar[str] = "conv1d_block"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    features: Width
    """Number of features that it gives."""
    kernel: _Times = 3
    """Window in times."""
    stride: _Times = 1
    """Times from one window to the next; 2 halves the length."""
    padding: _Border = "half"
    """Times of zeros at both ends; half: as many as keep the length at stride 1, half of them at each end."""
    dilation: _Times = 1
    """Times from one weight of the kernel to the next."""
    groups: Width = 1
    """Parts that the features fall into, each convolved alone; divides the features in front and behind."""
    norm: NormName = "batch"
    """What standardises the features after the convolution, batch or layer; none: nothing."""
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
        convolution = Conv1d(self.features, self.kernel, self.stride, self.padding, self.dilation, self.groups, bias, self.initialise)
        return (convolution, *norm(self.norm, self.features), *activation(self.activation))


@layer
class PositionalEncoding(Layer):
    """Adds to each time a vector that tells its place, because attention does not see the order.

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    """

    name: ClassVar[str] = "positional_encoding"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    kind: Literal["sinusoidal", "learned"] = "sinusoidal"
    """sinusoidal: sines and cosines of many wavelengths, for any length; learned: a vector for each place, which starts so."""
    max_length: Width = 1_024
    """Learned vectors where lengths vary; places behind the last one share its vector."""

    def gives(self, shape: Shape) -> Shape:
        return shape

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_time import LearnedPositions, Waves

        time, features = shape.sizes[0] or self.max_length, shape.concrete[1]
        return LearnedPositions(time, features) if self.kind == "learned" else Waves(features)


@layer
class ClassToken(Layer):
    """A learned vector in front of all times, in which attention gathers what the answer needs; first_state takes it out again.

    Source: Devlin et al., BERT, NAACL 2019.
    """

    name: ClassVar[str] = "class_token"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)

    def gives(self, shape: Shape) -> Shape:
        time, features = shape.sizes
        return Shape(SEQUENCE, (time and time + 1, features))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_time import ClassToken as Module

        return Module(shape.concrete[1])


@layer
class PatchEmbedding(Layer):
    """An image cut into square patches, each made a time of a sequence.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021.
    """

    name: ClassVar[str] = "patch_embedding"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    makes: ClassVar[Axes | None] = SEQUENCE
    features: Width
    """Number of features of each patch."""
    size: Annotated[int, Field(ge=1, le=MAX_EXTENT, strict=True)] | None = None
    """Side of a patch in pixels; null: an eighth of the image's shorter side."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        _, height, width = shape.sizes
        if height is None or width is None:
            raise ShapeError("size-varies", layer=self.name, gets=str(shape))
        side = self._side(shape)
        return Shape(SEQUENCE, (-(-height // side) * -(-width // side), self.features))

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.modules import Patches

        channels, height, width = shape.concrete
        side = self._side(shape)
        return Patches(initialised(nn.Conv2d(channels, self.features, side, side), self.initialise), (-height % side, -width % side))

    def _side(self, shape: Shape) -> int:
        return self.size or max(1, round(min(shape.concrete[1:]) / 8))


@layer
class AsSequence(Layer):
    """An image read from left to right: its width becomes the time, all channels of a column of pixels the features. For spectrograms."""

    name: ClassVar[str] = "as_sequence"
    takes: ClassVar[tuple[Axes, ...]] = (IMAGE,)
    makes: ClassVar[Axes | None] = SEQUENCE

    def gives(self, shape: Shape) -> Shape:
        channels, height, width = shape.sizes
        return Shape(SEQUENCE, (width, channels and height and channels * height))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import ColumnsOfTimes

        return ColumnsOfTimes()


@layer
class AsImage(Layer):
    """A sequence as an image of one channel: the features become the height, the time the width."""

    name: ClassVar[str] = "as_image"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    makes: ClassVar[Axes | None] = IMAGE

    def gives(self, shape: Shape) -> Shape:
        time, features = shape.sizes
        if time is None:
            raise ShapeError("size-varies", layer=self.name, gets=str(shape))
        return Shape(IMAGE, (1, features, time))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules import TimesOfColumns

        return TimesOfColumns()


SEQUENCES: tuple[type[Layer], ...] = (
    Embedding,
    Conv1d,
    Conv1dBlock,
    PositionalEncoding,
    ClassToken,
    PatchEmbedding,
    AsSequence,
    AsImage,
)
