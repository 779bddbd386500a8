"""Layers on the columns of a table: numbers, and ids of categories held as numbers."""

# ruff: noqa: D102  # gives and build: as Layer says
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flambeau.network.layer import COLUMNS, FEATURES, SEQUENCE, Axes, Layer, Shape, Width, layer

if TYPE_CHECKING:
    from torch import nn

MOST = 50
"""Longest vector of a category."""


@layer
class ColumnEmbedding(Layer):
    """The numbers of a table as they are, beside a learned vector for each category.

    Source: Guo, Berkhahn, Entity Embeddings of Categorical Variables, 2016.
    """

    name: ClassVar[str] = "column_embedding"
    takes: ClassVar[tuple[Axes, ...]] = (COLUMNS,)
    makes: ClassVar[Axes | None] = FEATURES
    features: Width | None = None
    """Length of each vector; null: by the number of categories, 1.6 n^0.56 and at most 50."""

    def gives(self, shape: Shape) -> Shape:
        return Shape(FEATURES, (sum(self._width(size) if size else 1 for size in categories(shape)),))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_columns import ColumnEmbedding as Module

        sizes = categories(shape)
        return Module(sizes, [self._width(size) for size in sizes if size])

    def _width(self, size: int) -> int:
        return self.features or min(MOST, round(1.6 * size**0.56))


@layer
class ColumnTokens(Layer):
    """Each column of a table as a time of a sequence: a number times a learned vector, a category as one; so attention can join columns.

    Source: Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021.
    """

    name: ClassVar[str] = "column_tokens"
    takes: ClassVar[tuple[Axes, ...]] = (COLUMNS,)
    makes: ClassVar[Axes | None] = SEQUENCE
    features: Width
    """Number of features of each column."""

    def gives(self, shape: Shape) -> Shape:
        return Shape(SEQUENCE, (shape.sizes[0], self.features))

    def build(self, shape: Shape) -> nn.Module:
        from flambeau.network.modules_columns import ColumnTokens as Module

        return Module(categories(shape), self.features)


COLUMN: tuple[type[Layer], ...] = (ColumnEmbedding, ColumnTokens)


def categories(shape: Shape) -> tuple[int, ...]:
    """How many categories each column has, 0 for a number."""
    return shape.categories if isinstance(shape.categories, tuple) else (0,) * shape.concrete[0]
