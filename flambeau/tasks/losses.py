"""Losses that torch does not have in the form we need: one value for each example, hard or soft targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ClassLoss(nn.Module):
    """Cross-entropy with class weights, label smoothing and a focal factor, one value for each example.

    The factor (1 - p)^gamma is taken class by class on the target's share, so that soft targets work as hard ones do.
    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 5.
    """

    weights: Tensor

    def __init__(self, weights: Sequence[float], gamma: float = 0.0, smoothing: float = 0.0) -> None:
        super().__init__()
        self.gamma = gamma
        self.smoothing = smoothing
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, classes) and (batch,) indices or (batch, classes) shares -> (batch,)."""
        logs = torch.log_softmax(logits.float(), -1)
        shares = nn.functional.one_hot(targets, logits.shape[-1]).float() if targets.ndim == 1 else targets.float()
        weighted = shares * self.weights
        if self.smoothing:
            weighted = (1 - self.smoothing) * weighted + self.smoothing * self.weights / logits.shape[-1]
        if self.gamma:
            weighted = weighted * (1 - logs.exp()).clamp(min=0) ** self.gamma
        return -(weighted * logs).sum(-1)
