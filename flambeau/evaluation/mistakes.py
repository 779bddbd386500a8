"""The answers that were most wrong, and the truths that look wrong themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flambeau.evaluation import metrics
from flambeau.evaluation.metrics import AnyFloats, Bools, Ints


@dataclass(frozen=True)
class Wrong:
    """One example with a wrong answer."""

    row: int
    """Place in the test."""
    truth: int
    """Index of the true class."""
    answer: int
    """Index of the most probable class."""
    confidence: float
    """Probability of the answer."""
    truth_probability: float
    """Probability of the true class."""
    suspect: bool
    """Whether the label rather than the answer may be wrong."""


def worst_mistakes(answers: AnyFloats, truths: Ints, most: int) -> list[Wrong]:
    """Answers (examples, classes) and truths (examples,) -> at most `most` wrong answers, least probable truth first."""
    predictions = metrics.predicted(answers)
    rows = np.flatnonzero(predictions != truths)
    order = rows[np.argsort(answers[rows, truths[rows]], kind="stable")][:most]
    suspects = suspected_labels(answers, truths)
    return [
        Wrong(
            row=int(row),
            truth=int(truths[row]),
            answer=int(predictions[row]),
            confidence=float(answers[row, predictions[row]]),
            truth_probability=float(answers[row, truths[row]]),
            suspect=bool(suspects[row]),
        )
        for row in order
    ]


def suspected_labels(answers: AnyFloats, truths: Ints) -> Bools:
    """Whether each label looks wrong, (examples,): the model is as sure of another class as it usually is where that class is true.

    "Usually" is the mean probability of a class over the examples that carry its label, so a class that is always answered
    hesitantly has a low bar. Only for answers to examples that were not trained on.

    Source: Northcutt, Jiang, Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 2021, equation 2.
    """
    usual = np.full(answers.shape[1], np.inf)
    for index in np.unique(truths):
        usual[index] = answers[truths == index, index].mean()
    sure = np.where(answers >= usual, answers, -1.0)
    best = sure.argmax(axis=1)
    return np.asarray((sure.max(axis=1) > 0) & (best != truths) & (best == metrics.predicted(answers)))
