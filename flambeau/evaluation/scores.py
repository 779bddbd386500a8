"""From the answers of a test to everything that is said about them, ready for JSON: no NaN, no numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from flambeau.errors import CheckFailed
from flambeau.evaluation import metrics
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.estimates import FIGURES, LOWER_IS_BETTER, Unknown, top_k_accuracy
from flambeau.evaluation.intervals import Estimate, f1_interval, interval, wilson
from flambeau.evaluation.metrics import AnyFloats, Ints
from flambeau.evaluation.outcomes import Outcomes, outcomes

Json = dict[str, Any]


def evaluate(answers: AnyFloats, truths: Ints, labels: Sequence[str], config: TestConfig | None = None, task: str = "classification") -> Json:
    """Answers (examples, classes), truths (examples,) and the class names -> all scores.

    Each score stands under its name as ``{"value", "low", "high", "n"}``; one that cannot be computed is null and has a
    ``"reason"``. Beside them: "per_class", "confusion" (true class, answer), "calibration", "absent" (classes that the test
    lacks; they take no part in means over classes), "n", "labels" and "level" of the intervals.

    Raises:
        DataError: there is no example, or an answer is not a number.
    """
    config = config or TestConfig()
    seen = outcomes(answers, truths, len(labels))
    figures = dict(FIGURES[task])
    if seen.num_classes > config.top_k:
        figures[f"top_{config.top_k}_accuracy"] = top_k_accuracy(config.top_k)
    scores: Json = {name: scored(figure(seen), seen.num_examples, config.confidence) for name, figure in figures.items()}
    return scores | {
        "n": seen.num_examples,
        "level": config.confidence,
        "labels": list(labels),
        "absent": [label for label, count in zip(labels, seen.support, strict=True) if not count],
        "per_class": [_class_scores(seen, index, label, config.confidence) for index, label in enumerate(labels)],
        "confusion": seen.matrix.tolist(),
        "calibration": _calibration(seen),
    }


def headlines(scores: Mapping[str, Any]) -> dict[str, Json]:
    """The single scores out of what `evaluate` gives, by name: those that ``--json`` prints."""
    return {name: score for name, score in scores.items() if isinstance(score, dict) and "value" in score}


def quick_in_order(answers: AnyFloats, truths: Ints) -> dict[str, float]:
    """Of classes in order: the mean distance in classes, and quadratic kappa (NaN where chance never errs)."""
    predictions = metrics.predicted(answers)
    matrix = metrics.confusion(truths, predictions, answers.shape[1])
    return {"mae": float(np.abs(predictions - truths).mean()), "quadratic_kappa": metrics.weighted_kappa(matrix)}


def quick(answers: AnyFloats, truths: Ints) -> dict[str, float]:
    """Accuracy, macro recall and log loss, without intervals: cheap enough for every epoch. NaN answers give a NaN loss."""
    matrix = metrics.confusion(truths, metrics.predicted(answers), answers.shape[1])
    return {
        "accuracy": metrics.accuracy(matrix),
        "macro_recall": metrics.balanced_accuracy(matrix),
        "log_loss": float(metrics.losses(answers, truths).mean()),
    }


def baseline(train_counts: Sequence[int], truths: Ints, labels: Sequence[str], level: float = 0.95) -> Json:
    """How good it is always to answer the most frequent class of the training split: {"label", "accuracy"}."""
    most = int(np.argmax(train_counts))
    right = int((truths == most).sum())
    return {"label": labels[most], "accuracy": _share(right, len(truths), level, "no-examples")}


def weakest(scores: Mapping[str, Any]) -> Json | None:
    """The class with the least recall, from what `evaluate` gives; None where no example of the test has a class.

    Returns:
        {"label", "recall", "taken_for": the class it is most often taken for or None, "times", "errors"}: "fox, recall 79 %,
        most often taken for dog (5 of 6)". Of equals the class with more examples.
    """
    found = [(row["recall"]["value"], -row["support"], index) for index, row in enumerate(scores["per_class"]) if row["support"]]
    if not found:
        return None
    index = min(found)[2]
    row = scores["per_class"][index]
    wrong = [0 if other == index else count for other, count in enumerate(scores["confusion"][index])]
    most = int(np.argmax(wrong))
    return {
        "label": row["label"],
        "recall": row["recall"],
        "taken_for": scores["labels"][most] if wrong[most] else None,
        "times": wrong[most],
        "errors": sum(wrong),
    }


def shortfalls(scores: Mapping[str, Any], bounds: Mapping[str, float]) -> list[Json]:
    """What misses its bound (`TestConfig.min` and `max`), each {"metric", "value", "bound"}; a score that is not there misses it."""
    values = {name: scores.get(name, {}).get("value") for name in bounds}
    return [{"metric": name, "value": values[name], "bound": bound} for name, bound in bounds.items() if not _keeps(name, values[name], bound)]


def require(scores: Mapping[str, Any], bounds: Mapping[str, float]) -> None:
    """Nothing, when each score is at least its bound, and each error at most.

    Raises:
        CheckFailed: a score is below, an error above, or one was not computed.
    """
    short = shortfalls(scores, bounds)
    if short:
        told = ", ".join(_missed(row["metric"], row["value"], row["bound"]) for row in short)
        raise CheckFailed("score-too-low", where="test.min", scores=told, n=scores["n"])


def _missed(name: str, value: float | None, bound: float) -> str:
    return f"{name} {'?' if value is None else format(value, '.4f')} {'>' if name in LOWER_IS_BETTER else '<'} {bound:g}"


def _keeps(name: str, value: float | None, bound: float) -> bool:
    return value is not None and (value <= bound if name in LOWER_IS_BETTER else value >= bound)


def scored(estimate: Estimate | Unknown, num_examples: int, level: float) -> Json:
    """A figure with its interval: {"value", "low", "high", "n"}; null with a "reason" where it is not defined."""
    if isinstance(estimate, Unknown):
        return _unknown(estimate.reason, num_examples)
    low, high = interval(estimate, level)
    return {"value": estimate.value, "low": low, "high": high, "n": estimate.n}


def _class_scores(seen: Outcomes, index: int, label: str, level: float) -> Json:
    examples, answered = int(seen.matrix[index].sum()), int(seen.matrix[:, index].sum())
    return class_scores(label, int(seen.matrix[index, index]), examples, answered, level)


def class_scores(label: str, right: int, examples: int, answered: int, level: float) -> Json:
    """Precision, recall and F1 of one class or label, from its right answers, its examples and how often it was answered."""
    return {
        "label": label,
        "precision": _share(right, answered, level, "never-answered"),
        "recall": _share(right, examples, level, "class-absent"),
        "f1": _class_f1(right, examples, answered, level),
        "support": examples,
    }


def _class_f1(right: int, examples: int, answered: int, level: float) -> Json:
    if not examples:
        return _unknown("class-absent", 0)
    involved = examples + answered - right
    low, high = f1_interval(right, involved, level)
    return {"value": 2 * right / (examples + answered), "low": low, "high": high, "n": involved}


def _share(right: int, n: int, level: float, reason: str) -> Json:
    if not n:
        return _unknown(reason, 0)
    low, high = wilson(right / n, n, level)
    return {"value": right / n, "low": low, "high": high, "n": n}


def _unknown(reason: str, n: int) -> Json:
    return {"value": None, "low": None, "high": None, "n": n, "reason": reason}


def _calibration(seen: Outcomes) -> Json:
    bins = metrics.calibration_bins(seen.answers, seen.truths)
    told = [asdict(bin_) if bin_.n else asdict(bin_) | {"confidence": None, "accuracy": None} for bin_ in bins]
    return {"error": metrics.calibration_error(bins), "bins": told}
