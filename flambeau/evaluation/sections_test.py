"""How the model did on the test split: scores, classes, confusions, curves, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import LONG, bar, figure, note, section, table
from flambeau.evaluation.confusion import confusion
from flambeau.evaluation.facts import ReportFacts
from flambeau.evaluation.markup import Markup, join, name_of, tag
from flambeau.evaluation.scores import headlines
from flambeau.evaluation.sections_data import MOST_CLASSES
from flambeau.evaluation.svg import Frame, axes, drawing, interval_bar, legend, path
from flambeau.evaluation.words import metric, say

DRAWN = 6
"""Classes that get a colour in the ROC and precision-recall charts: those that are ranked worst."""
QUIET = 60
"""Further classes, drawn as thin grey lines."""
SIDE = 310
"""Width and height of a square chart, in pixels."""
SHARES = tuple((i / 5, f"{i * 20}%") for i in range(6))


def test(facts: ReportFacts) -> Markup | None:
    """The section; None without a test."""
    scores = facts.test
    if scores is None:
        return None
    return section(
        "test",
        note(say("test-told", n=scores["n"], level=f"{scores['level']:.0%}")),
        _absent(scores),
        scores_table(scores),
        _classes(scores),
        confusion(scores),
        _charts(facts),
    )


def labels_test(facts: ReportFacts) -> Markup | None:
    """The section of a task with several labels; None without a test."""
    scores = facts.test
    if scores is None:
        return None
    charts = [_ranking(facts.curves, "roc", "roc_auc"), _ranking(facts.curves, "precision-recall", "average_precision")]
    return section(
        "test",
        note(say("test-told", n=scores["n"], level=f"{scores['level']:.0%}"), " ", say("threshold-told", threshold=f"{scores['threshold']:g}")),
        _absent(scores),
        scores_table(scores),
        _classes(scores),
        tag("h3", say("ranking-head")),
        tag("div", *(chart for chart in charts if chart), class_="grid"),
    )


def _absent(scores: Mapping[str, Any]) -> Markup | None:
    absent = scores["absent"]
    return note(say("absent-told", n=len(absent), labels=join(*_listed(absent[:12])), more="…" if len(absent) > 12 else "")) if absent else None


def _listed(names: Sequence[str]) -> list[Markup]:
    return [join(", " if i else "", name_of(name)) for i, name in enumerate(names)]


def scores_table(scores: Mapping[str, Any]) -> Markup:
    """All single scores with their intervals."""
    rows = [_score_row(name, score) for name, score in headlines(scores).items()]
    return table("scores-table", [say("score"), say("value"), say("interval-head"), ""], rows, numeric=(1, 2))


def _score_row(name: str, score: Mapping[str, Any]) -> list[Markup | str]:
    if score["value"] is None:
        return [metric(name), numerals.NONE, "", tag("span", say(f"reason-{score['reason']}"), class_="quiet")]
    drawn = numerals.is_share(name)
    picture = interval_bar(score["value"], score["low"], score["high"]) if drawn else Markup("")
    return [metric(name), numerals.score(name, score), numerals.ends(name, score), picture]


def _classes(scores: Mapping[str, Any]) -> Markup:
    rows = list(scores["per_class"])
    if len(rows) > LONG:
        rows = sorted(rows, key=lambda row: (row["recall"]["value"] is None, row["recall"]["value"] or 0.0))[:MOST_CLASSES]
    heads = [say("class"), say("metric-recall"), "", say("interval-head"), say("metric-precision"), say("metric-f1"), say("support")]
    told = table("classes-table", heads, [_class_row(row) for row in rows], numeric=(1, 3, 4, 5, 6), sortable=True)
    return join(tag("h3", say("per-class")), note(say("per-class-told")), told)


def _class_row(row: Mapping[str, Any]) -> list[Markup | str]:
    recall = row["recall"]
    return [
        name_of(row["label"]),
        numerals.percent(recall["value"]),
        interval_bar(recall["value"], recall["low"], recall["high"]),
        numerals.ends("recall", recall),
        numerals.percent(row["precision"]["value"]),
        numerals.percent(row["f1"]["value"]),
        numerals.whole(row["support"]),
    ]


def _charts(facts: ReportFacts) -> Markup:
    assert facts.test is not None
    charts = [_ranking(facts.curves, "roc", "roc_auc"), _ranking(facts.curves, "precision-recall", "average_precision"), _reliability(facts.test)]
    return join(tag("h3", say("curves-head")), tag("div", *(chart for chart in charts if chart), class_="grid three"))


def _ranking(curves: Sequence[Mapping[str, Any]], key: str, area: str) -> Markup | None:
    """ROC or precision-recall curves: the classes with the least area in colour, the others in grey."""
    if not curves:
        return None
    worst = sorted(curves, key=lambda curve: float(curve[area]))
    frame = Frame(x=(0.0, 1.0), y=(0.0, 1.0), width=SIDE, height=SIDE)
    field = key.replace("-", "_")
    steps = key != "roc"
    names = [join(name_of(curve["label"]), f" {curve[area]:.3f}") for curve in worst[:DRAWN]]
    grey = [path(frame, curve[field], "rest", steps) for curve in worst[DRAWN : DRAWN + QUIET]]
    drawn = [path(frame, curve[field], f"c{i}", steps) for i, curve in enumerate(worst[:DRAWN])][::-1]
    diagonal = tag("line", x1=frame.px(0), y1=frame.py(0), x2=frame.px(1), y2=frame.py(1), class_="chance") if key == "roc" else Markup("")
    labels = axes(frame, say(f"{key}-x", "tspan"), say(f"{key}-y", "tspan"), SHARES, SHARES)
    picture = drawing(f"chart-{key}", f"chart-{key}", frame.width, frame.height, labels, diagonal, *grey, *drawn, class_="square")
    rows = [[name_of(curve["label"]), numerals.decimal(curve[area]), numerals.whole(curve["support"])] for curve in worst[:MOST_CLASSES]]
    twin = table(f"chart-{key}", [say("class"), metric(area), say("support")], rows, numeric=(1, 2))
    rest = note(say("rest-grey", n=len(curves) - DRAWN)) if len(curves) > DRAWN else None
    return figure(f"chart-{key}", picture, legend(names), rest, twin=twin)


def _reliability(scores: Mapping[str, Any]) -> Markup:
    """Confidence against the share of right answers; the dots are as large as the number of answers behind them."""
    full = [bin_ for bin_ in scores["calibration"]["bins"] if bin_["n"]]
    frame = Frame(x=(0.0, 1.0), y=(0.0, 1.0), width=SIDE, height=SIDE)
    labels = axes(frame, say("confidence", "tspan"), say("share-right", "tspan"), SHARES, SHARES)
    diagonal = tag("line", x1=frame.px(0), y1=frame.py(0), x2=frame.px(1), y2=frame.py(1), class_="chance")
    line = path(frame, [(bin_["confidence"], bin_["accuracy"]) for bin_ in full], "c0")
    marks = [_bin(frame, bin_, scores["n"]) for bin_ in full]
    picture = drawing("chart-calibration", "chart-calibration", frame.width, frame.height, labels, diagonal, line, *marks, class_="square")
    heads = [say("confidence"), say("mean"), say("share-right"), "", say("examples")]
    twin = table("chart-calibration", heads, [_bin_row(bin_, scores["n"]) for bin_ in full], numeric=(1, 2, 4))
    return figure("chart-calibration", picture, note(say("calibration-told", error=numerals.percent(scores["calibration"]["error"]))), twin=twin)


def _bin(frame: Frame, bin_: Mapping[str, Any], n: int) -> Markup:
    """A dot, and the line from it to where it should be."""
    x, y, right = frame.px(bin_["confidence"]), frame.py(bin_["accuracy"]), frame.py(bin_["confidence"])
    dot = tag("circle", cx=x, cy=y, r=3 + 7 * (bin_["n"] / n) ** 0.5, class_="dot c0")
    return join(tag("line", x1=x, x2=x, y1=right, y2=y, class_="gap"), dot)


def _bin_row(bin_: Mapping[str, Any], n: int) -> list[Markup | str]:
    means = (numerals.percent(bin_["confidence"]), numerals.percent(bin_["accuracy"]))
    return [f"{bin_['low']:.0%} – {bin_['high']:.0%}", *means, bar(bin_["n"] / n), numerals.whole(bin_["n"])]
