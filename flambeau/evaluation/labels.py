"""The evaluation of a task in which an example can have several labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from flambeau.evaluation import flags as figures
from flambeau.evaluation import numerals
from flambeau.evaluation.classes import class_table
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.curves import ranking_curves
from flambeau.evaluation.facts import Mistake, ReportFacts
from flambeau.evaluation.flags import FIGURES, Flags, flags
from flambeau.evaluation.kind import Evaluation, Json, Line
from flambeau.evaluation.markup import Markup, name_of, tag
from flambeau.evaluation.metrics import AnyFloats
from flambeau.evaluation.scores import class_scores, scored
from flambeau.evaluation.sections_test import labels_test
from flambeau.evaluation.words import say
from flambeau.tasks.multi_label import LabelsTarget
from flambeau.types import Array


class LabelsEvaluation(Evaluation[LabelsTarget]):
    """Any number of labels."""

    judges = LabelsTarget
    main = "micro_f1"
    cards = ("macro_f1", "subset_accuracy", "hamming_loss", "log_loss")
    shown = tuple(FIGURES)

    @property
    def figures(self) -> Collection[str]:
        """Those of flags."""
        return FIGURES

    def quick(self, answers: AnyFloats, truths: Array, target: LabelsTarget) -> dict[str, float]:
        """Micro and macro F1 and the log loss. Answers that are no numbers give a NaN loss."""
        seen = Flags(answers, truths.astype(np.bool_), target.threshold)
        found = {name: FIGURES[name](seen) for name in ("micro_f1", "macro_f1")}
        losses = {"log_loss": float(figures.losses(answers, seen.truths).mean())}
        return {name: getattr(estimate, "value", float("nan")) for name, estimate in found.items()} | losses

    def evaluate(self, answers: AnyFloats, truths: Array, target: LabelsTarget, config: TestConfig) -> Json:
        """Figures over all labels together (micro), over labels (macro) and over examples, then "per_class".

        Raises:
            DataError: there is no example, or an answer is not a number.
        """
        seen = flags(answers, truths, target.threshold)
        rights, givens = seen.right.sum(0).astype(int), seen.given.sum(0)
        return {
            **{name: scored(figure(seen), seen.num_examples, config.confidence) for name, figure in FIGURES.items()},
            "n": seen.num_examples,
            "level": config.confidence,
            "labels": list(target.labels),
            "threshold": target.threshold,
            "absent": [label for label, count in zip(target.labels, seen.support, strict=True) if not count],
            "per_class": [
                class_scores(label, int(rights[i]), int(seen.support[i]), int(givens[i]), config.confidence) for i, label in enumerate(target.labels)
            ],
        }

    def baseline(self, truths: Array, target: LabelsTarget, level: float) -> Json:
        """Always the labels that more than half of the training examples have, or the most frequent one."""
        always = np.array(target.counts) * 2 > target.num_examples
        if not always.any():
            always[int(np.argmax(target.counts))] = True
        seen = flags(np.tile(always.astype(np.float32), (len(truths), 1)), truths, target.threshold)
        label = target.separator.join(label for label, chosen in zip(target.labels, always, strict=True) if chosen)
        names = ("micro_f1", "macro_f1", "subset_accuracy", "hamming_loss")
        return {"label": label, **{name: scored(FIGURES[name](seen), seen.num_examples, level) for name in names}}

    def weakest(self, scores: Mapping[str, Any]) -> Json | None:
        """The label with the least F1."""
        rows = [row for row in scores["per_class"] if row["support"]]
        worst = min(rows, key=lambda row: (row["f1"]["value"], -row["support"]), default=None)
        return None if worst is None else {name: worst[name] for name in ("label", "f1", "precision", "recall", "support")}

    def lines(self, test: Mapping[str, Any], baseline: Mapping[str, Any], weakest: Mapping[str, Any] | None) -> list[Line]:
        """F1 beside the baseline; the label with the least F1."""
        facts = {**test["micro_f1"], "macro": test["macro_f1"]["value"] or 0.0, "all": test["subset_accuracy"]["value"]}
        base = {"label": baseline["label"], "baseline": baseline["micro_f1"]["value"] or 0.0}
        first: Line = ("test-line-labels", {**facts, **base, "value": test["micro_f1"]["value"] or 0.0})
        if weakest is None:
            return [first]
        told = {"f1": weakest["f1"]["value"], "recall": weakest["recall"]["value"], "precision": weakest["precision"]["value"] or 0.0}
        return [first, ("test-weakest-label", {"label": weakest["label"], **told, "n": weakest["support"]})]

    def curves(self, answers: AnyFloats, truths: Array, target: LabelsTarget) -> list[Json]:
        """Each label against its absence."""
        return ranking_curves(answers, truths.astype(np.bool_), target.labels)

    def mistakes(self, answers: AnyFloats, truths: Array, target: LabelsTarget, most: int) -> list[tuple[int, Mistake]]:
        """Examples with a wrong label, the least probable truth first."""
        seen = Flags(answers, truths.astype(np.bool_), target.threshold)
        probabilities = np.where(seen.truths, answers, 1 - answers)
        rows = np.flatnonzero((seen.given != seen.truths).any(1))
        order = rows[np.argsort(probabilities[rows].min(1), kind="stable")][:most]
        return [(int(row), _mistake(seen, probabilities[row], int(row), target)) for row in order]

    def num_mistakes(self, answers: AnyFloats, truths: Array, target: LabelsTarget) -> int:
        """Examples with a wrong label."""
        return int(((answers >= target.threshold) != truths.astype(np.bool_)).any(1).sum())

    def section(self, facts: ReportFacts) -> Markup | None:
        """Scores, labels, curves."""
        return labels_test(facts)

    def callout(self, scores: Mapping[str, Any]) -> Markup | None:
        """The label with the least F1."""
        worst = self.weakest(scores)
        if worst is None:
            return None
        told = {name: numerals.percent(worst[name]["value"]) for name in ("f1", "recall", "precision")}
        return tag("p", say("weakest-label", label=name_of(worst["label"]), **told), class_="callout")

    def card_tables(self, scores: Mapping[str, Any]) -> Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]]:
        """Precision and recall of each label."""
        return [class_table(scores["per_class"])]


def _mistake(seen: Flags, probabilities: AnyFloats, row: int, target: LabelsTarget) -> Mistake:
    truth, answer = (f"{target.separator} ".join(np.array(target.labels)[chosen[row]]) or "–" for chosen in (seen.truths, seen.given))
    return Mistake("", truth, answer, None, float(probabilities.min()))
