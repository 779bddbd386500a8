"""Modules on the columns of a table, (batch, columns): numbers, and ids of categories held as numbers."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ColumnEmbedding(nn.Module):
    """(batch, columns) -> (batch, features): the numbers, then the vector of each category."""

    def __init__(self, categories: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.numbers = [place for place, size in enumerate(categories) if not size]
        self.named = [place for place, size in enumerate(categories) if size]
        self.vectors = nn.ModuleList(_vectors(size, width, 0.1) for size, width in zip(filter(None, categories), widths, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        vectors = [vector(x[:, place].long()) for place, vector in zip(self.named, self.vectors, strict=True)]
        return torch.cat([x[:, self.numbers], *vectors], 1) if vectors else x


class ColumnTokens(nn.Module):
    """(batch, columns) -> (batch, time = columns, features), in the order of the columns."""

    def __init__(self, categories: Sequence[int], features: int) -> None:
        super().__init__()
        self.numbers = [place for place, size in enumerate(categories) if not size]
        self.named = [place for place, size in enumerate(categories) if size]
        bound = features**-0.5
        self.direction = nn.Parameter(torch.empty(len(self.numbers), features).uniform_(-bound, bound))
        """What a number is multiplied with."""
        self.place = nn.Parameter(torch.empty(len(categories), features).uniform_(-bound, bound))
        """What is added for each column."""
        self.vectors = nn.ModuleList(_vectors(size, features, bound) for size in categories if size)
        self.order = sorted(range(len(categories)), key=[*self.numbers, *self.named].__getitem__)

    def forward(self, x: Tensor) -> Tensor:
        numbers = x[:, self.numbers].unsqueeze(2) * self.direction
        vectors = [vector(x[:, place].long()).unsqueeze(1) for place, vector in zip(self.named, self.vectors, strict=True)]
        tokens = torch.cat([numbers, *vectors], 1) if vectors else numbers
        return (tokens[:, self.order] if vectors else tokens) + self.place


def _vectors(size: int, width: int, std: float) -> nn.Embedding:
    vectors = nn.Embedding(size, width)
    nn.init.normal_(vectors.weight, std=std)
    return vectors
