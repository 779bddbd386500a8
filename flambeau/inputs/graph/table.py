"""The part of table preprocessing that travels inside the exported model: logarithm, standardise, what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FARTHEST = 20.0
"""Standard deviations beyond which a number is taken for this one: a slip of the decimal point must not drown the others."""


class PrepareTable(nn.Module):
    """(batch, numbers + categories) float64, NaN where a number is missing -> (batch, numbers + flags + categories) float32.

    A missing number becomes 0, the mean; a flag of 1 says so for the numbers that `flagged` names. Ids of categories pass as they are.
    """

    middle: Tensor
    gain: Tensor
    log: Tensor
    flagged: Tensor

    def __init__(self, middle: Sequence[float], spread: Sequence[float], log: Sequence[bool], flagged: Sequence[int]) -> None:
        """
        Args:
            middle: what is taken off each number, after its logarithm.
            spread: what each number is divided by then.
            log: which numbers become sign(x) * log(1 + |x|).
            flagged: places of the numbers whose absence is told.
        """
        super().__init__()
        self.num_numbers = len(middle)
        self.register_buffer("middle", torch.tensor(middle, dtype=torch.float64))
        self.register_buffer("gain", 1 / torch.tensor(spread, dtype=torch.float64))
        self.register_buffer("log", torch.tensor(log, dtype=torch.bool))
        self.register_buffer("flagged", torch.tensor(flagged, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        numbers, ids = x[:, : self.num_numbers].double(), x[:, self.num_numbers :].float()
        missing = torch.isnan(numbers)
        known = torch.where(missing, torch.zeros_like(numbers), numbers)
        scaled = torch.where(self.log, torch.sign(known) * torch.log1p(known.abs()), known)
        standard = ((scaled - self.middle) * self.gain).clamp(-FARTHEST, FARTHEST)
        values = torch.where(missing, torch.zeros_like(standard), standard).float()
        return torch.cat([values, missing.float().index_select(1, self.flagged), ids], 1)
