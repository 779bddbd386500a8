"""The part of the preprocessing of series that travels inside the exported model: gaps and their flags, standardisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PrepareSeries(nn.Module):
    """(batch, time, channels), NaN where a value is missing -> (batch, time, channels + flags): standardised, 0 where missing, and for
    each channel that had gaps in training a flag that is 1 where a value is missing.
    """

    gain: Tensor
    middle: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], gaps: Sequence[bool]) -> None:
        """
        Args:
            mean: of each channel; std likewise.
            gaps: whether each channel had missing values in training.
        """
        super().__init__()
        self.register_buffer("gain", 1 / torch.tensor(std, dtype=torch.float64).float())
        self.register_buffer("middle", torch.tensor(mean, dtype=torch.float64).float())
        self.flagged = [place for place, gap in enumerate(gaps) if gap]

    def forward(self, x: Tensor) -> Tensor:
        """Values, then flags."""
        missing = torch.isnan(x)
        values = torch.where(missing, torch.zeros_like(x), (x - self.middle) * self.gain)
        if not self.flagged:
            return values
        return torch.cat([values, missing[..., self.flagged].to(x.dtype)], -1)


class PreparePadded(nn.Module):
    """The same for series of different lengths: (values, mask) -> (values, mask), zeros where the mask says that nothing is real."""

    def __init__(self, prepare: PrepareSeries) -> None:
        super().__init__()
        self.prepare = prepare

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, time, channels), mask (batch, time) bool."""
        real = mask[..., None]
        values = self.prepare(torch.where(real, x, torch.zeros_like(x)))
        return torch.where(real, values, torch.zeros_like(values)), mask
