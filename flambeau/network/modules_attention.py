"""Attention on (batch, time, features)."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flambeau.network.padding import Flow, OverTime, flow, parts


class Attention(OverTime):
    """Each time looks at all real times and takes a weighted mean of what they say: (batch, time, features) -> the same.

    Letters of shapes: b batch, t time, h head, d features of a head.
    """

    def __init__(self, features: int, heads: int, dropout: float, rotary: bool) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.asks = nn.Linear(features, 3 * features)
        """Queries, keys and values."""
        self.gives = nn.Linear(features, features)
        self.rotary = Rotary(features // heads) if rotary else nn.Identity()

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        q, k, v = self.asks(values).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # b t (3 h d) -> 3 of b h t d
        seen = None if mask is None else mask[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        heard = functional.scaled_dot_product_attention(self.rotary(q), self.rotary(k), v, seen, dropout)  # b h t d
        return flow(self.gives(heard.transpose(1, 2).flatten(2)), mask)


class Rotary(nn.Module):
    """Pairs of features turned by an angle that grows with time, so that what two times have in common depends on their distance alone:
    (batch, heads, time, features) -> the same.

    Source: Su et al., RoFormer, 2021.
    """

    rates: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("rates", 10_000.0 ** -(torch.arange(0, features, 2) / features), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[2], device=x.device, dtype=self.rates.dtype).unsqueeze(1) * self.rates
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        one, other = x.chunk(2, 3)
        return torch.cat((one * cos - other * sin, other * cos + one * sin), 3)
