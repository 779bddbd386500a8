"""Attention, and the block that transformers are made of."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from flambeau.errors import ShapeError
from flambeau.network.activation import ActivationName, activation
from flambeau.network.chain import build_chain
from flambeau.network.dense import Dropout, Linear
from flambeau.network.initialisation import InitialMethod, initialised
from flambeau.network.layer import SEQUENCE, Axes, Factor, Flag, Layer, Positive, Shape, Share, layer
from flambeau.network.norm import LayerNorm
from flambeau.network.scaling import LayerScale, StochasticDepth

if TYPE_CHECKING:
    from torch import nn

_Ratio = Annotated[float, Field(gt=0, le=64, strict=True)]


@layer
class Attention(Layer):
    """Each time takes a weighted mean of what all times say; the weights come from what it asks and what they offer.

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017; rotary: Su et al., RoFormer, 2021.
    """

    name: ClassVar[str] = "attention"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    heads: Factor = 4
    """Parts that the features fall into, each with weights of its own; divides the features."""
    dropout: Share = 0.0
    """Share of the weights that is dropped in training."""
    rotary: Flag = False
    """Turn queries and keys by their place, so that distances count; needs no positional_encoding."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        features = shape.concrete[1]
        if features % (self.heads * (2 if self.rotary else 1)):
            raise ShapeError("heads-do-not-divide", path=("heads",), heads=self.heads, features=features)
        return shape

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_attention import Attention as Module

        module = Module(shape.concrete[1], self.heads, self.dropout, self.rotary)
        initialised(module.asks, self.initialise)
        initialised(module.gives, self.initialise)
        return module


@layer
class TransformerBlock(Layer):
    """Attention, then two linear layers at each time, each with a norm in front and what came in added behind.

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017; norm in front: Xiong et al., On Layer Normalization, ICML 2020.
    """

    name: ClassVar[str] = "transformer_block"
    takes: ClassVar[tuple[Axes, ...]] = (SEQUENCE,)
    heads: Factor = 4
    """Parts that the features fall into in the attention; divides the features."""
    mlp_ratio: _Ratio = 4.0
    """Width between the two linear layers, in multiples of the features."""
    dropout: Share = 0.0
    """Share of the numbers that is dropped in training: attention weights and what either half adds."""
    rotary: Flag = False
    """Turn queries and keys by their place, so that distances count; needs no positional_encoding."""
    activation: ActivationName = "gelu"
    """The curve between the two linear layers."""
    layer_scale: Positive | None = None
    """What either half adds is scaled by learned factors that start at this number; null: not scaled."""
    stochastic_depth: Share = 0.0
    """Share of the examples for which a half is left out in training."""
    initialise: InitialMethod | None = None
    """How the weights start; null: as the network's `initialise` says."""

    def gives(self, shape: Shape) -> Shape:
        return self._attention.gives(shape)

    def build(self, shape: Shape) -> nn.Module:
        from torch import nn

        from flambeau.network.modules import Chain, Residual

        width = max(1, round(shape.concrete[1] * self.mlp_ratio))
        wide = (Linear(width, initialise=self.initialise), *activation(self.activation), *self._dropout)
        halves = ((self._attention,), (*wide, Linear(shape.concrete[1], initialise=self.initialise)))
        chains = [build_chain((LayerNorm(), *half, *self._ending), shape) for half in halves]
        parts = {name: Residual(chain, nn.Identity(), nn.Identity()) for name, chain in zip(("0_attention", "1_mlp"), chains, strict=True)}
        return Chain(parts, (shape, shape))

    @property
    def _attention(self) -> Attention:
        return Attention(self.heads, self.dropout, self.rotary, self.initialise)

    @property
    def _dropout(self) -> tuple[Layer, ...]:
        return (Dropout(self.dropout),) if self.dropout else ()

    @property
    def _ending(self) -> tuple[Layer, ...]:
        """What is done to what a half adds."""
        scale = () if self.layer_scale is None else (LayerScale(self.layer_scale),)
        return (*self._dropout, *scale, *((StochasticDepth(self.stochastic_depth),) if self.stochastic_depth else ()))


ATTENTION: tuple[type[Layer], ...] = (Attention, TransformerBlock)
