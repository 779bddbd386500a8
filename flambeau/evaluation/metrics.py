"""How good answers are: plain figures for classification, in numpy.

Throughout, `answers` are probabilities (examples, classes), `truths` class indices (examples,), and `matrix` the confusion
matrix (true class, answered class). A figure that has no meaning for a class (0 of 0) is NaN in an array over classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
AnyFloats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

NUM_BINS = 15
"""Bins of confidence for the calibration. Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""


def predicted(answers: AnyFloats) -> Ints:
    """Answers (examples, classes) -> the most probable class of each example; of equals the first, as in `Target.decode`."""
    return np.asarray(np.argmax(answers, axis=1), np.int64)


def confusion(truths: Ints, predictions: Ints, num_classes: int) -> Ints:
    """How often each true class (rows) got each answer (columns)."""
    cells = np.bincount(truths * num_classes + predictions, minlength=num_classes**2)
    return np.asarray(cells.reshape(num_classes, num_classes), np.int64)


def support(matrix: Ints) -> Ints:
    """Examples of each true class."""
    return np.asarray(matrix.sum(axis=1))


def accuracy(matrix: Ints) -> float:
    """Share of right answers."""
    return float(np.trace(matrix) / matrix.sum())


def recall(matrix: Ints) -> Floats:
    """Share of each class that was found; NaN for a class that the test does not have."""
    return _ratio(np.diag(matrix), support(matrix))


def precision(matrix: Ints) -> Floats:
    """Share of right answers among all answers of each class; NaN for a class that was never answered."""
    return _ratio(np.diag(matrix), matrix.sum(axis=0))


def f1(matrix: Ints) -> Floats:
    """Harmonic mean of precision and recall of each class; NaN where a class is neither in the test nor answered."""
    return _ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def macro(values: Floats, matrix: Ints) -> float:
    """Mean over the classes that the test has; there, a class that was never answered counts as 0."""
    return float(np.nan_to_num(values[support(matrix) > 0]).mean())


def weighted(values: Floats, matrix: Ints) -> float:
    """Mean over the classes, weighted by their examples in the test."""
    return float(np.nan_to_num(values) @ support(matrix) / matrix.sum())


def balanced_accuracy(matrix: Ints) -> float:
    """Mean recall over the classes that the test has."""
    return macro(recall(matrix), matrix)


def cohen_kappa(matrix: Ints) -> float:
    """Agreement beyond chance, -1 to 1; NaN where chance alone would agree always.

    Source: Cohen, A Coefficient of Agreement for Nominal Scales, 1960.
    """
    shares = matrix / matrix.sum()
    chance = float(shares.sum(axis=1) @ shares.sum(axis=0))
    return (float(np.trace(shares)) - chance) / (1 - chance) if chance < 1 else float("nan")


def matthews(matrix: Ints) -> float:
    """Correlation of truth and answer, -1 to 1; 0 where one of them never varies.

    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.
    """
    shares = matrix / matrix.sum()
    truths, answers = shares.sum(axis=1), shares.sum(axis=0)
    spread = float(1 - truths @ truths) * float(1 - answers @ answers)
    varied = np.count_nonzero(truths) > 1 and np.count_nonzero(answers) > 1
    return float(np.trace(shares) - truths @ answers) / spread**0.5 if varied else 0.0


def weighted_kappa(matrix: Ints) -> float:
    """Agreement beyond chance of classes in order, -1 to 1, where a mistake costs the square of its distance; NaN where chance never errs.

    Source: Cohen, Weighted kappa, 1968.
    """
    shares, costs = matrix / matrix.sum(), squared_distances(len(matrix))
    by_chance = float(shares.sum(axis=1) @ costs @ shares.sum(axis=0))
    return 1 - float((shares * costs).sum()) / by_chance if by_chance else float("nan")


def squared_distances(num_classes: int) -> Floats:
    """(classes, classes) the square of how many classes lie between two of them."""
    places = np.arange(num_classes, dtype=np.float64)
    return np.asarray((places[:, None] - places[None, :]) ** 2)


def is_in_top(answers: AnyFloats, truths: Ints, k: int) -> Bools:
    """Whether the true class is among the `k` most probable, (examples,); of equals the first classes come first."""
    own = answers[np.arange(len(truths)), truths][:, None]
    earlier = np.arange(answers.shape[1]) < truths[:, None]
    return np.asarray(((answers > own) | ((answers == own) & earlier)).sum(axis=1) < k)


def losses(answers: AnyFloats, truths: Ints) -> Floats:
    """Negative logarithm of the probability given to the truth, (examples,).

    A probability of 0 counts as the smallest step of its number type, so that one example cannot make the mean infinite.
    """
    probabilities = _truth_probability(answers, truths)
    smallest = float(np.finfo(answers.dtype).eps)
    return np.asarray(-np.log(np.clip(probabilities, smallest, 1 - smallest)))


def brier_scores(answers: AnyFloats, truths: Ints) -> Floats:
    """Squared distance between answer and truth, (examples,); halved for two classes, so that it is that of one probability.

    Source: Brier, Verification of Forecasts Expressed in Terms of Probability, 1950.
    """
    hits = np.zeros(answers.shape)
    hits[np.arange(len(truths)), truths] = 1
    distances = ((answers - hits) ** 2).sum(axis=1)
    return np.asarray(distances / 2 if answers.shape[1] == 2 else distances)


@dataclass(frozen=True)
class Bin:
    """Examples whose confidence lies between `low` and `high`."""

    low: float
    high: float
    n: int
    confidence: float
    """Mean confidence of the answers; NaN where n is 0."""
    accuracy: float
    """Share of right answers; NaN where n is 0."""


def calibration_bins(answers: AnyFloats, truths: Ints, num_bins: int = NUM_BINS) -> list[Bin]:
    """Answers sorted into equal steps of confidence, and how often they are right in each."""
    confidences = answers.max(axis=1).astype(np.float64)
    right = predicted(answers) == truths
    places = np.clip(np.ceil(confidences * num_bins).astype(int) - 1, 0, num_bins - 1)
    counts = np.bincount(places, minlength=num_bins)
    means = _ratio(np.bincount(places, confidences, num_bins), counts)
    shares = _ratio(np.bincount(places, right, num_bins), counts)
    edges = np.linspace(0, 1, num_bins + 1)
    return [Bin(float(edges[i]), float(edges[i + 1]), int(counts[i]), float(means[i]), float(shares[i])) for i in range(num_bins)]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: mean distance between confidence and share of right answers, over the examples.

    Source: Naeini, Cooper, Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    full = [bin_ for bin_ in bins if bin_.n]
    return sum(bin_.n * abs(bin_.confidence - bin_.accuracy) for bin_ in full) / sum(bin_.n for bin_ in full)


def _truth_probability(answers: AnyFloats, truths: Ints) -> Floats:
    return np.asarray(answers[np.arange(len(truths)), truths], np.float64)


def _ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    top, bottom = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0))
