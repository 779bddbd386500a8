"""Answers beside truths that are flags, several for each example: figures with the influence of every example upon them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from flambeau.errors import DataError
from flambeau.evaluation.estimates import Unknown
from flambeau.evaluation.intervals import Estimate, effective_number
from flambeau.evaluation.metrics import AnyFloats, Bools, Floats
from flambeau.types import Array


@dataclass(frozen=True)
class Flags:
    """The answers of a test: probabilities (examples, labels), truths of the same shape, and from where on a label is answered."""

    answers: AnyFloats
    truths: Bools
    threshold: float

    @cached_property
    def given(self) -> Bools:
        """Whether each label was answered, (examples, labels)."""
        return np.asarray(self.answers >= self.threshold)

    @cached_property
    def right(self) -> Floats:
        """1 where a label was answered and is true."""
        return (self.given & self.truths).astype(np.float64)

    @property
    def num_examples(self) -> int:
        """Number of examples in the test."""
        return len(self.truths)

    @cached_property
    def support(self) -> Floats:
        """Examples that have each label, (labels,)."""
        return np.asarray(self.truths.sum(0), np.float64)


def flags(answers: AnyFloats, truths: Array, threshold: float) -> Flags:
    """Answers and truths (examples, labels) -> the two, checked.

    Raises:
        DataError: there is no example, or an answer is not a number.
    """
    if not len(truths):
        raise DataError("test-empty")
    bad = np.flatnonzero(~np.isfinite(answers).all(axis=1))
    if len(bad):
        raise DataError("answers-not-numbers", bad=len(bad), n=len(truths), first=int(bad[0]))
    return Flags(answers, truths.astype(np.bool_), threshold)


Figure = Callable[[Flags], Estimate | Unknown]


def micro_precision(seen: Flags) -> Estimate | Unknown:
    """Share of right ones among all labels that were answered."""
    return _ratio(seen, seen.right.sum(1), seen.given.sum(1), "never-answered")


def micro_recall(seen: Flags) -> Estimate | Unknown:
    """Share of all true labels that were answered."""
    return _ratio(seen, seen.right.sum(1), seen.truths.sum(1), "no-examples")


def micro_f1(seen: Flags) -> Estimate | Unknown:
    """Harmonic mean of the two."""
    return _ratio(seen, 2 * seen.right.sum(1), seen.given.sum(1) + seen.truths.sum(1), "no-examples")


def macro_precision(seen: Flags) -> Estimate | Unknown:
    """Mean precision over the labels of the test; one that was never answered counts as 0."""
    return _macro(seen, seen.right, seen.given.astype(np.float64))


def macro_recall(seen: Flags) -> Estimate | Unknown:
    """Mean recall over the labels of the test."""
    return _macro(seen, seen.right, seen.truths.astype(np.float64))


def macro_f1(seen: Flags) -> Estimate | Unknown:
    """Mean F1 over the labels of the test."""
    return _macro(seen, 2 * seen.right, seen.given.astype(np.float64) + seen.truths)


def subset_accuracy(seen: Flags) -> Estimate:
    """Share of examples whose labels are all right."""
    return _mean((seen.given == seen.truths).all(1).astype(np.float64))


def hamming_loss(seen: Flags) -> Estimate:
    """Share of wrong flags."""
    return _mean((seen.given != seen.truths).mean(1))


def log_loss(seen: Flags) -> Estimate:
    """Mean negative logarithm of the probability given to each true flag."""
    each = losses(seen.answers, seen.truths).mean(1)
    return Estimate(float(each.mean()), each - each.mean(), len(each), range="0 and up")


def losses(answers: AnyFloats, truths: Bools) -> Floats:
    """Negative logarithm of the probability given to each flag; a probability of 0 counts as the smallest step of its number type."""
    smallest = float(np.finfo(answers.dtype).eps)
    probability = np.where(truths, answers, 1 - answers.astype(np.float64))
    return np.asarray(-np.log(np.clip(probability, smallest, 1 - smallest)))


FIGURES: Mapping[str, Figure] = MappingProxyType(
    {
        "micro_f1": micro_f1,
        "macro_f1": macro_f1,
        "micro_precision": micro_precision,
        "micro_recall": micro_recall,
        "macro_precision": macro_precision,
        "macro_recall": macro_recall,
        "subset_accuracy": subset_accuracy,
        "hamming_loss": hamming_loss,
        "log_loss": log_loss,
    }
)


def _ratio(seen: Flags, above: Floats, below: Floats, reason: str) -> Estimate | Unknown:
    """A ratio of two sums over the examples."""
    mean = float(below.mean())
    if mean == 0:
        return Unknown(reason)
    value = float(above.mean()) / mean
    return Estimate(value, (above - value * below) / mean, seen.num_examples, seen.num_examples)


def _macro(seen: Flags, above: Floats, below: Floats) -> Estimate | Unknown:
    """The mean over the labels of the test of such ratios, from (examples, labels)."""
    present = np.flatnonzero(seen.support)
    if not len(present):
        return Unknown("no-examples")
    means = below[:, present].mean(0)
    divisors = np.where(means > 0, means, 1.0)
    values = above[:, present].mean(0) / divisors
    influence = ((above[:, present] - values * below[:, present]) / divisors).mean(1)
    return Estimate(float(values.mean()), influence, seen.num_examples, effective_number(seen.support[present]), len(present))


def _mean(values: Floats) -> Estimate:
    mean = float(values.mean())
    return Estimate(mean, values - mean, len(values), len(values))
