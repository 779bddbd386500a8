"""ROC and precision-recall curves with few enough points to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau.evaluation import ranking
from flambeau.evaluation.metrics import AnyFloats, Bools, Floats, Ints

POINTS = 48
"""Points of one curve: on a drawing 300 pixels wide, more cannot be seen."""
DIGITS = 4
"""Decimal places of a point: a tenth of a pixel."""


def ranking_curves(answers: AnyFloats, truths: Bools, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Answers and flags (examples, labels) -> the same as `curve_points` for each label that some examples have and some have not."""
    counts = truths.sum(0)
    return [_class_curves(answers[:, i], truths[:, i], label) for i, label in enumerate(labels) if 0 < counts[i] < len(truths)]


def curve_points(answers: AnyFloats, truths: Ints, labels: Sequence[str]) -> list[dict[str, Any]]:
    """One entry for each class that can be ranked: {"label", "support", "roc_auc", "average_precision", "roc", "precision_recall"}.

    "roc" is [[false positive rate, true positive rate], ...], "precision_recall" [[recall, precision], ...]. Classes without
    examples in the test, or without examples of other classes, are left out; of two classes only the second is told.
    """
    indices = range(1, 2) if len(labels) == 2 else range(len(labels))
    return [_class_curves(answers[:, i], truths == i, labels[i]) for i in indices if 0 < np.count_nonzero(truths == i) < len(truths)]


def _class_curves(scores: AnyFloats, positive: Bools, label: str) -> dict[str, Any]:
    return {
        "label": label,
        "support": int(positive.sum()),
        "roc_auc": ranking.roc_auc(scores, positive),
        "average_precision": ranking.average_precision(scores, positive),
        "roc": _thin(*ranking.roc_points(scores, positive)),
        "precision_recall": _thin(*ranking.precision_recall_points(scores, positive)),
    }


def _thin(x: Floats, y: Floats) -> list[list[float]]:
    """At most `POINTS` points at equal steps along the curve, both ends included."""
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    wanted = np.linspace(0, length[-1], POINTS)
    places = np.unique(np.append(np.searchsorted(length, wanted), [0, len(x) - 1]).clip(0, len(x) - 1))
    points = np.column_stack([x, y])[places].round(DIGITS)
    kept: list[list[float]] = points.tolist()
    return kept
