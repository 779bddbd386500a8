"""Each figure as a value and the influence of every example upon it. The tables at the end are what a task is scored by.

The influences of figures that are made from the confusion matrix are derivatives by its cells: an example in the cell
(true class, answer) moves the figure by that cell's gradient. Written for shares of all examples that add up to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from flambeau.evaluation import metrics, ranking
from flambeau.evaluation.intervals import Estimate, effective_number
from flambeau.evaluation.metrics import AnyFloats, Bools, Floats
from flambeau.evaluation.outcomes import Outcomes


@dataclass(frozen=True)
class Unknown:
    """A figure that cannot be computed, and why: "one-class" in the test."""

    reason: str


Figure = Callable[[Outcomes], Estimate | Unknown]


def accuracy(seen: Outcomes) -> Estimate:
    """Share of right answers."""
    return _mean((seen.predictions == seen.truths).astype(np.float64))


def top_k_accuracy(k: int) -> Figure:
    """The figure: share of examples whose class is among the `k` most probable."""
    return lambda seen: _mean(metrics.is_in_top(seen.answers, seen.truths, k).astype(np.float64))


def log_loss(seen: Outcomes) -> Estimate:
    """Mean negative logarithm of the probability given to the truth."""
    return _mean(metrics.losses(seen.answers, seen.truths), "0 and up")


def brier_score(seen: Outcomes) -> Estimate:
    """Mean squared distance between answer and truth."""
    return _mean(metrics.brier_scores(seen.answers, seen.truths), "0 and up")


def macro_recall(seen: Outcomes) -> Estimate:
    """Mean recall over the classes of the test, also known as balanced accuracy."""
    recalls = metrics.recall(seen.matrix)
    gradient = _macro_weights(seen)[:, None] * (np.eye(seen.num_classes) - np.nan_to_num(recalls)[:, None]) / _shares(seen, 1)[:, None]
    return _macro(seen, recalls, gradient)


def macro_precision(seen: Outcomes) -> Estimate:
    """Mean precision over the classes of the test."""
    precisions = metrics.precision(seen.matrix)
    gradient = _macro_weights(seen)[None, :] * (np.eye(seen.num_classes) - np.nan_to_num(precisions)[None, :]) / _shares(seen, 0)[None, :]
    return _macro(seen, precisions, gradient)


def macro_f1(seen: Outcomes) -> Estimate:
    """Mean F1 over the classes of the test."""
    values = metrics.f1(seen.matrix)
    return _macro(seen, values, _f1_gradient(seen, values, _macro_weights(seen)))


def weighted_precision(seen: Outcomes) -> Estimate:
    """Mean precision over the classes, weighted by their examples."""
    precisions = metrics.precision(seen.matrix)
    weights = seen.support / seen.num_examples
    gradient = weights[None, :] * (np.eye(seen.num_classes) - np.nan_to_num(precisions)[None, :]) / _shares(seen, 0)[None, :]
    return _from_cells(seen, metrics.weighted(precisions, seen.matrix), gradient + np.nan_to_num(precisions)[:, None])


def weighted_f1(seen: Outcomes) -> Estimate:
    """Mean F1 over the classes, weighted by their examples."""
    values = metrics.f1(seen.matrix)
    gradient = _f1_gradient(seen, values, seen.support / seen.num_examples)
    return _from_cells(seen, metrics.weighted(values, seen.matrix), gradient + np.nan_to_num(values)[:, None])


def cohen_kappa(seen: Outcomes) -> Estimate | Unknown:
    """Agreement beyond chance."""
    value = metrics.cohen_kappa(seen.matrix)
    if np.isnan(value):
        return Unknown("one-class")
    truths, answers = seen.matrix.sum(axis=1) / seen.num_examples, seen.matrix.sum(axis=0) / seen.num_examples
    chance = float(truths @ answers)
    agreement = metrics.accuracy(seen.matrix)
    by_chance = answers[:, None] + truths[None, :]
    gradient = (np.eye(seen.num_classes) * (1 - chance) - (1 - agreement) * by_chance) / (1 - chance) ** 2
    return _from_cells(seen, value, gradient, "-1 to 1")


def quadratic_kappa(seen: Outcomes) -> Estimate | Unknown:
    """Agreement beyond chance of classes in order; a mistake costs the square of its distance."""
    value = metrics.weighted_kappa(seen.matrix)
    if np.isnan(value):
        return Unknown("one-class")
    truths, answers = seen.matrix.sum(axis=1) / seen.num_examples, seen.matrix.sum(axis=0) / seen.num_examples
    costs = metrics.squared_distances(seen.num_classes)
    by_chance = float(truths @ costs @ answers)
    gradient = (1 - value) / by_chance * ((costs @ answers)[:, None] + (truths @ costs)[None, :]) - costs / by_chance
    return _from_cells(seen, value, gradient, "-1 to 1")


def class_distance(seen: Outcomes) -> Estimate:
    """Mean distance between answer and truth, in classes."""
    return _mean(np.abs(seen.predictions - seen.truths).astype(np.float64), "0 and up")


def matthews(seen: Outcomes) -> Estimate | Unknown:
    """Correlation of truth and answer."""
    truths, answers = seen.matrix.sum(axis=1) / seen.num_examples, seen.matrix.sum(axis=0) / seen.num_examples
    if len(seen.present) < 2 or np.count_nonzero(answers) < 2:
        return Unknown("one-class" if len(seen.present) < 2 else "one-answer")
    value = metrics.matthews(seen.matrix)
    spread_truths, spread_answers = 1 - truths @ truths, 1 - answers @ answers
    covariance = np.eye(seen.num_classes) - answers[:, None] - truths[None, :]
    spread = truths[:, None] / spread_truths + answers[None, :] / spread_answers
    return _from_cells(seen, value, covariance / np.sqrt(spread_truths * spread_answers) + value * spread, "-1 to 1")


def roc_auc(seen: Outcomes) -> Estimate | Unknown:
    """Area under the ROC curve: of the second class where there are two, else the mean of each class against the rest."""
    return _one_against_rest(seen, ranking.roc_auc, ranking.roc_auc_influence, weighted=False)


def weighted_roc_auc(seen: Outcomes) -> Estimate | Unknown:
    """Area under the ROC curve of each class against the rest, weighted by the examples of the class."""
    return _one_against_rest(seen, ranking.roc_auc, ranking.roc_auc_influence, weighted=True)


def average_precision(seen: Outcomes) -> Estimate | Unknown:
    """Average precision: of the second class where there are two, else the mean of each class against the rest."""
    return _one_against_rest(seen, ranking.average_precision, ranking.average_precision_influence, weighted=False)


def _one_against_rest(
    seen: Outcomes, value: Callable[[AnyFloats, Bools], float], influence: Callable[[AnyFloats, Bools], Floats], weighted: bool
) -> Estimate | Unknown:
    if len(seen.present) < 2:
        return Unknown("one-class")
    ranked = seen.present[-1:] if seen.num_classes == 2 else seen.present
    support = seen.support[ranked]
    weights = support / support.sum() if weighted else np.full(len(ranked), 1 / len(ranked))
    values = np.array([value(seen.answers[:, i], seen.truths == i) for i in ranked])
    moved = np.zeros(seen.num_examples)
    for weight, i in zip(weights, ranked, strict=True):
        moved += weight * influence(seen.answers[:, i], seen.truths == i)
    if weighted and len(ranked) > 1:
        # A class that grows by an example also grows in weight.
        moved = moved + _by_class(seen, ranked, values)[seen.truths] - weights @ values
    fewest = np.minimum(support, seen.num_examples - support)
    return Estimate(float(weights @ values), moved, seen.num_examples, effective_number(fewest), len(ranked))


def _by_class(seen: Outcomes, classes: metrics.Ints, values: Floats) -> Floats:
    table = np.zeros(seen.num_classes)
    table[classes] = values
    return table


def _mean(values: Floats, range_: str = "0 to 1") -> Estimate:
    mean = float(values.mean())
    n = len(values)
    return Estimate(mean, values - mean, n, n) if range_ == "0 to 1" else Estimate(mean, values - mean, n, n, range="0 and up")


def _macro_weights(seen: Outcomes) -> Floats:
    return (seen.support > 0) / len(seen.present)


def _shares(seen: Outcomes, axis: int) -> Floats:
    """Share of each class among the answers (0) or truths (1); 1 for none, where it only ever divides 0."""
    counts = seen.matrix.sum(axis=axis)
    return np.asarray(np.where(counts > 0, counts, seen.num_examples) / seen.num_examples)


def _f1_gradient(seen: Outcomes, values: Floats, weights: Floats) -> Floats:
    counts = seen.matrix.sum(axis=0) + seen.matrix.sum(axis=1)
    slopes = weights / np.where(counts > 0, counts / seen.num_examples, 1)
    lost = slopes * np.nan_to_num(values)
    return np.asarray(2 * np.diag(slopes) - lost[:, None] - lost[None, :])


def _macro(seen: Outcomes, values: Floats, gradient: Floats) -> Estimate:
    estimate = _from_cells(seen, metrics.macro(values, seen.matrix), gradient)
    effective = effective_number(seen.support[seen.present])
    return Estimate(estimate.value, estimate.influence, estimate.n, effective, len(seen.present))


def _from_cells(seen: Outcomes, value: float, gradient: Floats, range_: str = "0 to 1") -> Estimate:
    influence = gradient[seen.truths, seen.predictions]
    influence = influence - influence.mean()
    n = seen.num_examples
    return Estimate(value, influence, n, n) if range_ == "0 to 1" else Estimate(value, influence, n, n, range="-1 to 1")


CLASSIFICATION: Mapping[str, Figure] = MappingProxyType(
    {
        "accuracy": accuracy,
        "balanced_accuracy": macro_recall,
        "macro_precision": macro_precision,
        "macro_recall": macro_recall,
        "macro_f1": macro_f1,
        "weighted_precision": weighted_precision,
        "weighted_recall": accuracy,
        "weighted_f1": weighted_f1,
        "log_loss": log_loss,
        "roc_auc": roc_auc,
        "weighted_roc_auc": weighted_roc_auc,
        "average_precision": average_precision,
        "brier_score": brier_score,
        "cohen_kappa": cohen_kappa,
        "matthews": matthews,
    }
)

ORDINAL: Mapping[str, Figure] = MappingProxyType({"accuracy": accuracy, "mae": class_distance, "quadratic_kappa": quadratic_kappa, **CLASSIFICATION})

FIGURES: Mapping[str, Mapping[str, Figure]] = MappingProxyType({"classification": CLASSIFICATION, "ordinal": ORDINAL})
"""By task; those of labels and of values are in `flags` and `deviations`."""

LOWER_IS_BETTER = frozenset({"log_loss", "brier_score", "mae", "rmse", "median_error", "hamming_loss", "interval_width"})
