"""From what a network gives to the unit of the data: the last piece of an exported graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LARGEST_EXPONENT = 80.0
"""Of e, so that its power still is a float32."""


class Values(nn.Module):
    """Standardised values -> values in the unit of the data; with several quantiles of each, in rising order.

    Quantiles that are estimated each on its own can cross; sorted, they are never farther from the true ones.
    Source: Chernozhukov, Fernandez-Val and Galichon, Quantile and Probability Curves Without Crossing, 2010.
    """

    centres: Tensor
    scales: Tensor

    def __init__(self, centres: Sequence[float], scales: Sequence[float], num_quantiles: int = 1, log: bool = False) -> None:
        """
        Args:
            centres: (values,) what 0 stands for.
            scales: (values,) what 1 is above that.
            num_quantiles: numbers for each value.
            log: whether the values are logarithms of one more than the data.
        """
        super().__init__()
        self.num_quantiles = num_quantiles
        self.log = log
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32).repeat_interleave(num_quantiles))
        self.register_buffer("scales", torch.tensor(scales, dtype=torch.float32).repeat_interleave(num_quantiles))

    def forward(self, values: Tensor) -> Tensor:
        """(batch, values x quantiles) -> the same shape."""
        answers = values * self.scales + self.centres
        if self.log:
            half = answers.clamp(max=LARGEST_EXPONENT) / 2
            answers = 2 * half.exp() * half.sinh()  # e^x - 1 that keeps its digits near 0, in operators that every runtime has
        if self.num_quantiles > 1:
            answers = answers.reshape(answers.shape[0], -1, self.num_quantiles).sort(-1).values.flatten(1)
        return answers


class Rates(nn.Module):
    """Logarithms of a rate, as shares of the mean count -> counts."""

    scales: Tensor

    def __init__(self, scales: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("scales", torch.tensor(scales, dtype=torch.float32))

    def forward(self, values: Tensor) -> Tensor:
        """(batch, values) -> (batch, values)."""
        return values.clamp(max=LARGEST_EXPONENT).exp() * self.scales
