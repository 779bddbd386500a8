"""Recurrent layers: each time is read with what is remembered of the times before it."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from flambeau.network.layer import SEQUENCE, Axes, Flag, Layer, Shape, Share, Width, layer

if TYPE_CHECKING:
    from torch import nn

_Layers = Annotated[int, Field(ge=1, le=64, strict=True)]


@layer
class Rnn(Layer):
    """The plain recurrent layer: forgets within some tens of times.

    Source: Elman, Finding Structure in Time, Cognitive Science 14, 1990.
    """

    name: ClassVar[str] = "rnn"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    features: Width
    """Number of features that it gives for each time, in each direction."""
    layers: _Layers = 1
    """Recurrent layers, one on top of the other."""
    bidirectional: Flag = False
    """Read from the end as well; the features of both directions side by side."""
    dropout: Share = 0.0
    """Share of the numbers that is dropped between two layers."""
    activation: Literal["tanh", "relu"] = "tanh"
    """The curve of each step."""

    def gives(self, shape: Shape) -> Shape:
        return _gives(self.features, self.bidirectional, shape)

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return _built(nn.RNN, self, shape, nonlinearity=self.activation)


@layer
class Lstm(Layer):
    """A recurrent layer with a memory of its own beside what it gives, and gates that write, keep and read it.

    Source: Hochreiter, Schmidhuber, Long Short-Term Memory, Neural Computation 9, 1997.
    """

    name: ClassVar[str] = "lstm"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    features: Width
    """Number of features that it gives for each time, in each direction."""
    layers: _Layers = 1
    """Recurrent layers, one on top of the other."""
    bidirectional: Flag = False
    """Read from the end as well; the features of both directions side by side."""
    dropout: Share = 0.0
    """Share of the numbers that is dropped between two layers."""

    def gives(self, shape: Shape) -> Shape:
        return _gives(self.features, self.bidirectional, shape)

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return _built(nn.LSTM, self, shape)


@layer
class Gru(Layer):
    """A recurrent layer with two gates: as good as lstm on most tasks, with three quarters of its work.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
    """

    name: ClassVar[str] = "gru"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    features: Width
    """Number of features that it gives for each time, in each direction."""
    layers: _Layers = 1
    """Recurrent layers, one on top of the other."""
    bidirectional: Flag = False
    """Read from the end as well; the features of both directions side by side."""
    dropout: Share = 0.0
    """Share of the numbers that is dropped between two layers."""

    def gives(self, shape: Shape) -> Shape:
        return _gives(self.features, self.bidirectional, shape)

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        return _built(nn.GRU, self, shape)


RECURRENT: tuple[type[Layer], ...] = (Rnn, Lstm, Gru)


def _gives(features: int, bidirectional: bool, shape: Shape) -> Shape:
    return Shape(SEQUENCE, (shape.sizes[0], features * (2 if bidirectional else 1)))


def _built(kind: Callable[..., nn.RNNBase], layer: Rnn | Lstm | Gru, shape: Shape, **more: Any) -> nn.Module:
    """One module of torch for all layers; only where two directions meet different lengths, one for each layer and direction."""
    from flambeau.network.modules_recurrent import BothWays, Recurrent

    time, size = shape.sizes[0], shape.concrete[1]
    if time is not None or not layer.bidirectional:
        dropout = layer.dropout if layer.layers > 1 else 0.0  # torch warns of a dropout that has no place
        stack = kind(size, layer.features, layer.layers, batch_first=True, dropout=dropout, bidirectional=layer.bidirectional, **more)
        return Recurrent(stack)
    sizes = [size, *[2 * layer.features] * (layer.layers - 1)]
    ahead, back = ([kind(width, layer.features, batch_first=True, **more) for width in sizes] for _ in range(2))
    return BothWays(ahead, back, layer.dropout)
