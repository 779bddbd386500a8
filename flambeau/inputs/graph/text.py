"""The part of text preprocessing that travels inside the exported model: padding is padding, whatever came in its place."""

from __future__ import annotations

from torch import Tensor, nn


class PrepareText(nn.Module):
    """Ids (batch, time) and their mask -> the same, id 0 wherever the mask is false."""

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Both (batch, time): int64, and true where a word is."""
        return x * mask, mask
