"""The evaluation of a regression, in the unit of the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from flambeau.evaluation import numerals
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.deviations import FIGURES, INTERVAL_FIGURES, Deviations, checked, mae, median_error, over_values
from flambeau.evaluation.facts import Mistake, ReportFacts
from flambeau.evaluation.kind import Evaluation, Json, Line
from flambeau.evaluation.markup import Markup, name_of, tag
from flambeau.evaluation.metrics import AnyFloats, Floats
from flambeau.evaluation.sections_values import test
from flambeau.evaluation.words import say
from flambeau.tasks.regression import ValuesTarget
from flambeau.types import Array

POINTS = 400
"""Examples that are drawn: more cannot be told apart on a small chart."""
BARS = 21
"""Bars of the errors' histogram."""
FEW = 5
"""Examples of a range, at least, from which it can be the weakest."""
NAMED = 3
"""Numbers of an answer that looks at nothing that are named, where there are some more."""
STANDS_OUT = 1.5
"""So many times the error of all, and a range is named."""


class ValuesEvaluation(Evaluation[ValuesTarget]):
    """One or several numbers."""

    judges = ValuesTarget
    main = "mae"
    cards = ("rmse", "r2", "median_error", "coverage", "interval_width")
    shown = ("mae", "rmse", "r2", "median_error", "coverage", "interval_width")
    remedy = "remedy-values"
    mistakes_told = "errors-told"

    @property
    def figures(self) -> Collection[str]:
        """Those of deviations, and of intervals where there are quantiles."""
        return (*FIGURES, *INTERVAL_FIGURES, "median_error")

    def quick(self, answers: AnyFloats, truths: Array, target: ValuesTarget) -> dict[str, float]:
        """MAE, RMSE and R2, means over the values. Answers that are no numbers give NaN."""
        numbers = np.asarray(truths, np.float64)
        errors = target.nearest(target.points(answers), numbers) - numbers
        with np.errstate(all="ignore"):  # of answers that are not finite, and truths that are all the same
            squares, variances = np.square(errors).mean(0), numbers.var(0)
            return {
                "mae": float(np.abs(errors).mean()),
                "rmse": float(np.sqrt(squares).mean()),
                "r2": float((1 - squares / variances).mean()) if variances.all() else float("nan"),
            }

    def evaluate(self, answers: AnyFloats, truths: Array, target: ValuesTarget, config: TestConfig) -> Json:
        """Means over the values, then "per_value" with the points that are drawn, and "per_range" of the first value.

        Raises:
            DataError: there is no example, or an answer is not a number.
        """
        seen = _seen(answers, np.asarray(truths, np.float64), target)
        level = config.confidence
        figures = {**FIGURES, **INTERVAL_FIGURES} if len(target.quantiles) > 1 else FIGURES
        facts: Json = {"nominal_coverage": target.quantiles[-1] - target.quantiles[0]} if len(target.quantiles) > 1 else {}
        return {
            **_figures(figures, seen, level),
            **facts,
            "n": len(truths),
            "level": level,
            "labels": [],
            "per_value": [{"label": name, **_figures(figures, [one], level), **_drawn(one)} for name, one in zip(target.names, seen, strict=True)],
            "per_range": _ranges(seen[0], target, level),
        }

    def baseline(self, truths: Array, target: ValuesTarget, level: float) -> Json:
        """Always the mean of the training examples."""
        numbers = np.asarray(truths, np.float64)
        points = target.nearest(np.tile(np.array(target.means), (len(numbers), 1)), numbers)
        seen = [Deviations(points[:, place], numbers[:, place]) for place in range(len(target.means))]
        return {"label": _named(target.means), **_figures(FIGURES, seen, level)}

    def weakest(self, scores: Mapping[str, Any]) -> Json | None:
        """The range of the value whose error stands out, or of several values the one that is explained least."""
        if len(scores["per_value"]) > 1:
            known = [row for row in scores["per_value"] if row["r2"]["value"] is not None]
            worst = min(known, key=lambda row: row["r2"]["value"], default=None)
        else:
            rows = [row for row in scores["per_range"] if row["mae"]["n"] >= FEW]
            worst = max(rows, key=lambda row: row["mae"]["value"], default=None)
            if worst is not None and worst["mae"]["value"] < STANDS_OUT * scores["mae"]["value"]:
                return None
        return None if worst is None else {"label": worst["label"], "mae": worst["mae"], "n": worst["mae"]["n"]}

    def lines(self, test: Mapping[str, Any], baseline: Mapping[str, Any], weakest: Mapping[str, Any] | None) -> list[Line]:
        """The errors beside that of the mean; where they are largest."""
        told = {name: numerals.decimal(test[name]["value"]) for name in ("rmse", "r2")}
        ends = {name: numerals.decimal(test["mae"][name]) for name in ("value", "low", "high")}
        base = {"label": baseline["label"], "baseline": numerals.decimal(baseline["mae"]["value"])}
        lines: list[Line] = [("test-line-values", {**told, **ends, **base, "n": test["mae"]["n"]})]
        if "coverage" in test:
            lines.append(("test-coverage", {**test["coverage"], "width": numerals.decimal(test["interval_width"]["value"])}))
        if weakest:
            lines.append(("test-weakest-values", {**weakest, "mae": numerals.decimal(weakest["mae"]["value"])}))
        return lines

    def mistakes(self, answers: AnyFloats, truths: Array, target: ValuesTarget, most: int) -> list[tuple[int, Mistake]]:
        """The largest errors; of several values the one that is farthest off, in spreads of the training examples."""
        points, numbers = target.points(answers), np.asarray(truths, np.float64)
        errors = target.nearest(points, numbers) - numbers
        far = np.abs(errors) / np.array(target.spreads)
        found = []
        for row in np.argsort(-far.max(1), kind="stable")[:most].tolist():
            place = int(far[row].argmax())
            name = f"{target.names[place]} " if len(target.names) > 1 else ""
            truth, answer = numbers[row, place], points[row, place]
            error = float(errors[row, place])
            found.append((row, Mistake("", name + numerals.decimal(truth), name + numerals.decimal(answer), None, None, error=error)))
        return found

    def num_mistakes(self, answers: AnyFloats, truths: Array, target: ValuesTarget) -> int:
        """Every answer has an error."""
        return len(truths)

    def section(self, facts: ReportFacts) -> Markup | None:
        """Scores, answers beside truths, errors."""
        return test(facts)

    def callout(self, scores: Mapping[str, Any]) -> Markup | None:
        """Where the errors are largest."""
        worst = self.weakest(scores)
        if worst is None:
            return None
        return tag(
            "p", say("weakest-values", label=name_of(worst["label"]), mae=numerals.decimal(worst["mae"]["value"]), n=worst["n"]), class_="callout"
        )

    def card_tables(self, scores: Mapping[str, Any]) -> Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]]:
        """The errors of each value, where there are several, and by range."""
        values = [[row["label"], *(numerals.decimal(row[name]["value"]) for name in FIGURES)] for row in scores["per_value"]]
        rows = [[row["label"], numerals.decimal(row["mae"]["value"]), f"{row['mae']['n']:,}"] for row in scores["per_range"]]
        return [*([(("value", *FIGURES), values)] if len(values) > 1 else []), (("range", "mae", "examples"), rows)]


def _named(means: Sequence[float]) -> str:
    """0.1, 0.2, 0.3, ... of 20 -> "0.100, 0.200, 0.300, … (+17)"."""
    shown = means if len(means) <= NAMED + 1 else means[:NAMED]
    more = f", … (+{len(means) - len(shown)})" if len(shown) < len(means) else ""
    return ", ".join(map(numerals.decimal, shown)) + more


def _seen(answers: AnyFloats, truths: Floats, target: ValuesTarget) -> list[Deviations]:
    """Answers (examples, values x quantiles) and truths (examples, values) -> one for each value."""
    checked(np.asarray(answers, np.float64), truths)
    points = target.nearest(target.points(answers), truths)
    if len(target.quantiles) < 2:
        return [Deviations(points[:, place], truths[:, place]) for place in range(len(target.names))]
    table = np.asarray(answers, np.float64).reshape(len(answers), len(target.names), -1)
    return [Deviations(points[:, place], truths[:, place], table[:, place, 0], table[:, place, -1]) for place in range(len(target.names))]


def _figures(figures: Mapping[str, Any], seen: Sequence[Deviations], level: float) -> Json:
    return {name: over_values(figure, seen, level) for name, figure in figures.items()} | {"median_error": median_error(seen, level)}


def _drawn(seen: Deviations) -> Json:
    """What the charts are made from: points [truth, answer] spread over the truths, and the histogram of the errors."""
    order = np.argsort(seen.truths, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(POINTS, len(order))).round().astype(int))]
    counts, edges = np.histogram(seen.errors, _bins(seen.errors))
    return {
        "points": [[float(seen.truths[row]), float(seen.answers[row])] for row in chosen.tolist()],
        "errors": [{"low": float(edges[i]), "high": float(edges[i + 1]), "n": int(n)} for i, n in enumerate(counts.tolist())],
    }


def _bins(errors: Floats) -> Floats:
    """Edges of equal bars around 0, which lies in the middle of one."""
    farthest = float(np.abs(errors).max()) or 1.0
    return np.linspace(-farthest, farthest, BARS + 1)


def _ranges(seen: Deviations, target: ValuesTarget, level: float) -> list[Json]:
    places = np.searchsorted(target.edges, seen.truths, side="right")
    rows = []
    for place, label in enumerate(target.groups):
        here = np.flatnonzero(places == place)
        if len(here):
            part = Deviations(seen.answers[here], seen.truths[here])
            rows.append({"label": label, "mae": over_values(mae, [part], level), "bias": float(part.errors.mean())})
    return rows
