"""How far a figure can be trusted: intervals without resampling, so the same answers always give the same interval.

Each figure comes with the influence of every example upon it (the infinitesimal jackknife, also called the delta method;
for areas under the curve it is DeLong's variance). Its spread gives the standard error. A symmetric interval around a share
near 0 or 1 is wrong (of 20 right out of 20 it has width 0), so the standard error is first turned into an effective number
of examples, and Wilson's interval is taken for that number. A bootstrap of 1000 resamples would cost a thousand times as
much, and fails in the same corner: all resamples of 20 right out of 20 are alike.

Source: Wilson, Probable Inference, 1927; Franco et al., Comparative Study of Confidence Intervals for Proportions in Complex
Sample Surveys, Journal of Survey Statistics and Methodology, 2019 (effective sample size in Wilson's interval);
Takahashi et al., Confidence interval for micro-averaged F1 and macro-averaged F1 scores, Applied Intelligence, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np

from flambeau.evaluation.metrics import Floats


@dataclass(frozen=True)
class Estimate:
    """A figure, and what its interval is made from."""

    value: float
    influence: Floats
    """How much each example moves the value, times the number of examples, (examples,); mean 0."""
    n: int
    """Number of examples behind the figure."""
    effective: float = 1.0
    """Number of examples that count where the influence says nothing: all answers right, or all wrong."""
    classes: int = 0
    """Number of classes that the figure is a mean over; 0 for a mean over the examples."""
    range: Literal["0 to 1", "-1 to 1", "0 and up", "up to 1"] = "0 to 1"

    @property
    def standard_error(self) -> float:
        """Standard deviation of the figure over all tests of this size."""
        return float(np.sqrt(np.mean(self.influence**2) / self.n))

    @property
    def unseen_variance(self) -> float:
        """What the influence misses because a class of m examples shows only (m - 1) / m of its variance.

        For m = 1 it shows none. The missing part is that of a share with the same value, so that for classes which are
        equally hard the sum is unbiased.
        """
        return self.classes * self.value * (1 - self.value) / self.effective**2


def interval(estimate: Estimate, level: float) -> tuple[float, float]:
    """The ends of the interval that covers the true value in a share `level` of all tests."""
    if estimate.range == "0 and up":
        return log_interval(estimate.value, estimate.standard_error, level)
    if estimate.range == "up to 1":
        low, high = log_interval(1 - estimate.value, estimate.standard_error, level)
        return 1 - high, 1 - low
    share, error = estimate.value, sqrt(estimate.standard_error**2 + estimate.unseen_variance)
    if estimate.range == "0 to 1":
        return _effective_wilson(share, error, estimate.effective, level)
    low, high = _effective_wilson((1 + share) / 2, error / 2, estimate.effective, level)
    return 2 * low - 1, 2 * high - 1


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Wilson's score interval for a share of `n` independent examples; (0, 1) for none."""
    if n <= 0:
        return 0.0, 1.0
    z = quantile(level)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # Rounding must not push an end past the figure itself.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def f1_interval(right: int, involved: int, level: float) -> tuple[float, float]:
    """Interval of one class's F1 from its right answers among all examples that are, or were taken for, this class.

    Their ratio j (Jaccard's index) is a plain share, and F1 = 2j / (1 + j) grows with it, so Wilson's ends carry over.
    """
    low, high = wilson(right / involved if involved else 0.0, involved, level)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def log_interval(value: float, standard_error: float, level: float) -> tuple[float, float]:
    """Interval of a positive mean with a long right tail: symmetric in its logarithm."""
    if value <= 0:
        return 0.0, 0.0
    factor = exp(min(quantile(level) * standard_error / value, 700.0))
    return value / factor, value * factor


def effective_number(counts: Floats) -> float:
    """Number of examples that say as much about a plain mean as a mean over classes with these `counts` does.

    Source: Kish, Survey Sampling, 1965.
    """
    return float(len(counts) ** 2 / (1 / counts).sum())


def quantile(level: float) -> float:
    """Standard deviations on either side that hold a share `level` of a normal distribution."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _effective_wilson(share: float, standard_error: float, effective: float, level: float) -> tuple[float, float]:
    variance = max(share * (1 - share), 0.0)
    says_nothing = variance < 1e-12 or standard_error < 1e-9
    return wilson(share, effective if says_nothing else variance / standard_error**2, level)
