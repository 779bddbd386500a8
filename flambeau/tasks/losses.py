"""Losses that torch does not have in the form we need: one value for each example, hard or soft targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flambeau.code import reason_of
from flambeau.errors import FlambeauError, RecipeError

LEAST = 1e-30
"""1 - p counts as no less in a power of it, whose slope at 0 is infinite for exponents below 1."""


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
        weighted = _shares(logits, targets) * self.weights
        if self.smoothing:
            weighted = (1 - self.smoothing) * weighted + self.smoothing * self.weights / logits.shape[-1]
        if self.gamma:
            weighted = weighted * (-logs.expm1()).clamp(min=LEAST) ** self.gamma
        return -(weighted * logs).sum(-1)


class OneAgainstRestLoss(nn.Module):
    """Binary cross-entropy of each class against the rest, summed over the classes.

    Source: Wightman et al., ResNet strikes back, 2021, section 3.
    """

    weights: Tensor

    def __init__(self, weights: Sequence[float], smoothing: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, classes) and (batch,) indices or (batch, classes) shares -> (batch,)."""
        shares = _shares(logits, targets)
        wanted = (1 - self.smoothing) * shares + self.smoothing / logits.shape[-1]
        each = nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none").sum(-1)
        return each * (shares * self.weights).sum(-1)


class HingeLoss(nn.Module):
    """How far the true class falls short of lying `margin` above each other class, mean over the classes.

    Source: Weston and Watkins, Support Vector Machines for Multi-Class Pattern Recognition, 1999.
    """

    weights: Tensor

    def __init__(self, weights: Sequence[float], margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, classes) and (batch,) indices or (batch, classes) shares -> (batch,)."""
        z = logits.float()
        short = (self.margin + z.unsqueeze(-2) - z.unsqueeze(-1)).clamp(min=0)  # [true class, other class]
        of_truth = (short.sum(-1) - self.margin) / z.shape[-1]
        return (_shares(logits, targets) * self.weights * of_truth).sum(-1)


class CumulativeLoss(nn.Module):
    """Binary cross-entropy of "is it above this border?" for every border between two classes in order, summed.

    The probability of lying above a border is the sum of the probabilities of the classes above it, so that the borders cannot
    contradict each other. Source: Epstein, A scoring system for probability forecasts of ranked categories, 1969, for the sum
    over borders; with the logarithm in place of the square.
    """

    weights: Tensor

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, classes) and (batch,) indices or (batch, classes) shares -> (batch,)."""
        shares = _shares(logits, targets)
        logs = torch.log_softmax(logits.float(), -1)
        below = logs.logcumsumexp(-1)[:, :-1]
        above = logs.flip(-1).logcumsumexp(-1).flip(-1)[:, 1:]
        share_below = shares.cumsum(-1)[:, :-1]
        each = -(share_below * below + (1 - share_below) * above).sum(-1)
        return each * (shares * self.weights).sum(-1)


class LabelsLoss(nn.Module):
    """Binary cross-entropy of each label, with a focal factor, weights and smoothing; mean over the labels."""

    weights: Tensor

    def __init__(self, weights: Sequence[float], gamma: float = 0.0, smoothing: float = 0.0) -> None:
        """
        Args:
            weights: (labels,) weight of the examples that have a label.
            gamma: strength of the focal factor.
            smoothing: share by which each flag is moved to the middle.
        """
        super().__init__()
        self.gamma = gamma
        self.smoothing = smoothing
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, labels) and (batch, labels) flags or shares -> (batch,)."""
        z, flags = logits.float(), targets.float()
        wanted = (1 - self.smoothing) * flags + self.smoothing / 2
        yes, no = nn.functional.logsigmoid(z), nn.functional.logsigmoid(-z)
        # 1 - p of one is p of the other; as a power, its slope at 0 would be infinite for gamma below 1
        with_focus = (self.gamma * no).exp() if self.gamma else 1.0
        without_focus = (self.gamma * yes).exp() if self.gamma else 1.0
        return -(self.weights * wanted * yes * with_focus + (1 - wanted) * no * without_focus).mean(-1)


class LabelsHingeLoss(nn.Module):
    """How far each label falls short of a margin of 1 on its side, mean over the labels."""

    weights: Tensor

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, labels) and (batch, labels) flags or shares -> (batch,)."""
        z, flags = logits.float(), targets.float()
        return (self.weights * flags * (1 - z).clamp(min=0) + (1 - flags) * (1 + z).clamp(min=0)).mean(-1)


class ValueLoss(nn.Module):
    """The distance between value and target, mean over the values of an example."""

    def __init__(self, name: str, delta: float = 1.0) -> None:
        """
        Args:
            name: "l2" (squared), "l1" (absolute), "smooth_l1" or "huber" (squared near 0, absolute beyond `delta`).
            delta: in standard deviations of the target.
        """
        super().__init__()
        self.name = name
        self.delta = delta

    def forward(self, values: Tensor, targets: Tensor) -> Tensor:
        """(batch, values) and (batch, values) -> (batch,)."""
        functional = nn.functional
        z, t = values.float(), targets.float()
        if self.name == "l2":
            each = (z - t).square()
        elif self.name == "l1":
            each = (z - t).abs()
        elif self.name == "huber":
            each = functional.huber_loss(z, t, reduction="none", delta=self.delta)
        else:
            each = functional.smooth_l1_loss(z, t, reduction="none", beta=self.delta)
        return each.mean(-1)


class QuantileLoss(nn.Module):
    """The pinball loss: an error upwards costs q, one downwards 1 - q; least where a share q of the targets lies below the value.

    Source: Koenker and Bassett, Regression Quantiles, 1978.
    """

    quantiles: Tensor

    def __init__(self, quantiles: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("quantiles", torch.tensor(quantiles, dtype=torch.float32))

    def forward(self, values: Tensor, targets: Tensor) -> Tensor:
        """(batch, values x quantiles) and (batch, values) -> (batch,)."""
        z = values.float().reshape(len(values), targets.shape[-1], len(self.quantiles))
        short = targets.float().unsqueeze(-1) - z
        return torch.maximum(self.quantiles * short, (self.quantiles - 1) * short).sum(-1).mean(-1)


class PoissonLoss(nn.Module):
    """Negative log-likelihood of counts whose logarithmic rate is the value, up to what does not depend on it; mean over the values."""

    def forward(self, values: Tensor, targets: Tensor) -> Tensor:
        """(batch, values) and (batch, values) counts, both as shares of the mean count, -> (batch,)."""
        z = values.float()
        return (z.clamp(max=80).exp() - targets.float() * z).mean(-1)


class Checked(nn.Module):
    """A loss of the user's own, whose result has to be one number for each example."""

    def __init__(self, loss: nn.Module, name: str, *path: str) -> None:
        """
        Args:
            name: of its class.
            path: where a recipe names it.
        """
        super().__init__()
        self.loss = loss
        self.name = name
        self.path = path

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, out_features) and the encoded targets -> (batch,)."""
        try:
            result = self.loss(logits, targets)
        except (FlambeauError, torch.OutOfMemoryError):  # the latter is caught where batches are made smaller
            raise
        except Exception as error:  # the user's code may raise anything
            raise RecipeError("code-fails", path=self.path, target=self.name, reason=reason_of(error)) from error
        if not isinstance(result, Tensor) or result.shape != logits.shape[:1]:
            got = " x ".join(map(str, result.shape)) or "()" if isinstance(result, Tensor) else type(result).__name__
            raise RecipeError("loss-result", path=self.path, target=self.name, got=got, n=len(logits))
        return result


def _shares(logits: Tensor, targets: Tensor) -> Tensor:
    """Class indices (batch,) or shares (batch, classes) -> shares."""
    return nn.functional.one_hot(targets, logits.shape[-1]).float() if targets.ndim == 1 else targets.float()
