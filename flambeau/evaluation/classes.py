"""The evaluation of tasks whose answer is one class out of several, with or without an order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from flambeau.evaluation import metrics, numerals, scores
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.curves import curve_points
from flambeau.evaluation.estimates import FIGURES
from flambeau.evaluation.facts import Mistake, ReportFacts
from flambeau.evaluation.kind import Evaluation, Json, Line
from flambeau.evaluation.markup import Markup, name_of, tag
from flambeau.evaluation.metrics import AnyFloats
from flambeau.evaluation.mistakes import worst_mistakes
from flambeau.evaluation.sections_test import test
from flambeau.evaluation.words import say
from flambeau.tasks.one_of import OneOfTarget
from flambeau.types import Array

MOST_TOP = 100
"""Answers of which the true class may be one, as `TestConfig.top_k` has it."""


class ClassEvaluation(Evaluation[OneOfTarget]):
    """One class out of several."""

    judges = OneOfTarget
    main = "accuracy"
    cards = ("balanced_accuracy", "macro_f1", "roc_auc", "log_loss", "mae", "quadratic_kappa")
    shown = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "mae", "quadratic_kappa", "log_loss", "roc_auc")

    def __init__(self, task: str) -> None:
        """
        Args:
            task: whose figures are computed; those of an order come with "ordinal".
        """
        self._task = task

    @property
    def figures(self) -> Collection[str]:
        """Those of the task, and the accuracy of the first few answers."""
        return (*FIGURES[self._task], *(f"top_{k}_accuracy" for k in range(1, MOST_TOP + 1)))

    def quick(self, answers: AnyFloats, truths: Array, target: OneOfTarget) -> dict[str, float]:
        """Accuracy, macro recall and log loss; with an order the distance and the agreement too."""
        found = scores.quick(answers, truths.astype(np.int64))
        return found | scores.quick_in_order(answers, truths.astype(np.int64)) if target.ordered else found

    def evaluate(self, answers: AnyFloats, truths: Array, target: OneOfTarget, config: TestConfig) -> Json:
        """As `scores.evaluate`."""
        return scores.evaluate(answers, truths.astype(np.int64), target.labels, config, self._task)

    def baseline(self, truths: Array, target: OneOfTarget, level: float) -> Json:
        """Always the most frequent class of the training split."""
        return scores.baseline(target.counts, truths.astype(np.int64), target.labels, level)

    def weakest(self, scores_: Mapping[str, Any]) -> Json | None:
        """The class with the least recall."""
        return scores.weakest(scores_)

    def lines(self, test: Mapping[str, Any], baseline: Mapping[str, Any], weakest: Mapping[str, Any] | None) -> list[Line]:
        """Accuracy beside the baseline; the class with the least recall, and what it is taken for."""
        facts = {**test["accuracy"], "label": baseline.get("label"), "baseline": baseline["accuracy"]["value"]}
        if "quadratic_kappa" in test:
            first: Line = ("test-line-ordinal", {**facts, "mae": test["mae"]["value"], "kappa": test["quadratic_kappa"]["value"] or 0.0})
        else:
            first = ("test-line", {**facts, "recall": test["macro_recall"]["value"]})
        return [first, *([("test-weakest", dict(weakest))] if weakest and weakest["errors"] else [])]

    def curves(self, answers: AnyFloats, truths: Array, target: OneOfTarget) -> list[Json]:
        """One against the rest."""
        return curve_points(answers, truths.astype(np.int64), target.labels)

    def mistakes(self, answers: AnyFloats, truths: Array, target: OneOfTarget, most: int) -> list[tuple[int, Mistake]]:
        """Wrong answers, least probable truth first."""
        labels = target.labels
        found = worst_mistakes(answers, truths.astype(np.int64), most)
        return [(w.row, Mistake("", labels[w.truth], labels[w.answer], w.confidence, w.truth_probability, suspect=w.suspect)) for w in found]

    def num_mistakes(self, answers: AnyFloats, truths: Array, target: OneOfTarget) -> int:
        """Wrong answers."""
        return int((metrics.predicted(answers) != truths).sum())

    def section(self, facts: ReportFacts) -> Markup | None:
        """Scores, classes, confusions, curves, calibration."""
        return test(facts)

    def callout(self, scores_: Mapping[str, Any]) -> Markup | None:
        """The class with the least recall."""
        worst = scores.weakest(scores_)
        if worst is None:
            return None
        if not worst["errors"]:
            return tag("p", say("all-right"), class_="callout")
        told = {"label": name_of(worst["label"]), "recall": numerals.percent(worst["recall"]["value"]), "other": name_of(worst["taken_for"])}
        return tag("p", say("weakest", **told, times=worst["times"], errors=worst["errors"]), class_="callout")

    def card_tables(self, scores_: Mapping[str, Any]) -> Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]]:
        """Precision and recall of each class."""
        return [class_table(scores_["per_class"])]


def class_table(rows: Sequence[Mapping[str, Any]]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Scores of each class or label as plain cells."""
    cells = [[row["label"], _number(row["precision"]), _number(row["recall"]), f"{row['support']:,}"] for row in rows]
    return ("class", "precision", "recall", "examples"), cells


def _number(score: Mapping[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['value']:.4f}"
