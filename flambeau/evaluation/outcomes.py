"""Answers beside truths, checked once; what several figures need is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from flambeau.errors import DataError
from flambeau.evaluation import metrics
from flambeau.evaluation.metrics import AnyFloats, Floats, Ints


@dataclass(frozen=True)
class Outcomes:
    """The answers of a test. `answers` (examples, classes) probabilities, `truths` (examples,) class indices."""

    answers: AnyFloats
    truths: Ints

    @property
    def num_examples(self) -> int:
        """Number of examples in the test."""
        return len(self.truths)

    @property
    def num_classes(self) -> int:
        """Number of classes that can be answered."""
        return int(self.answers.shape[1])

    @cached_property
    def predictions(self) -> Ints:
        """The most probable class of each example, (examples,)."""
        return metrics.predicted(self.answers)

    @cached_property
    def matrix(self) -> Ints:
        """How often each true class (rows) got each answer (columns)."""
        return metrics.confusion(self.truths, self.predictions, self.num_classes)

    @cached_property
    def support(self) -> Floats:
        """Examples of each class."""
        return metrics.support(self.matrix).astype(np.float64)

    @cached_property
    def present(self) -> Ints:
        """Indices of the classes that the test has."""
        return np.flatnonzero(self.support).astype(np.int64)


def outcomes(answers: AnyFloats, truths: Ints, num_classes: int) -> Outcomes:
    """Answers (examples, classes) and truths (examples,) -> the two, checked.

    Raises:
        DataError: there is no example, or an answer is not a number.
    """
    assert answers.shape == (len(truths), num_classes), f"answers {answers.shape}, truths {truths.shape}, {num_classes} classes"
    if not len(truths):
        raise DataError("test-empty")
    assert truths.min() >= 0 and truths.max() < num_classes, f"class indices {truths.min()} to {truths.max()} of {num_classes}"
    bad = np.flatnonzero(~np.isfinite(answers).all(axis=1))
    if len(bad):
        raise DataError("answers-not-numbers", bad=len(bad), n=len(truths), first=int(bad[0]))
    return Outcomes(answers, truths.astype(np.int64))
