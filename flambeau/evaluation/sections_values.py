"""How a regression did on the test split: scores, answers beside truths, and how the errors are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import bar, figure, note, section, table
from flambeau.evaluation.facts import ReportFacts
from flambeau.evaluation.markup import Markup, join, name_of, tag
from flambeau.evaluation.sections_test import scores_table
from flambeau.evaluation.svg import Frame, axes, drawing, ticks
from flambeau.evaluation.words import metric, say

MOST_DRAWN = 4
"""Values that get charts; the table has all."""
SIDE = 340
"""Width and height of the chart of answers beside truths, in pixels."""
SHOWN = ("mae", "rmse", "r2", "median_error", "coverage", "interval_width")


def test(facts: ReportFacts) -> Markup | None:
    """The section; None without a test."""
    scores = facts.test
    if scores is None:
        return None
    values = scores["per_value"]
    charts = [chart for place, row in enumerate(values[:MOST_DRAWN]) for chart in (_parity(row, place), _errors(row, place))]
    return section(
        "test",
        note(say("test-told", n=scores["n"], level=f"{scores['level']:.0%}")),
        scores_table(scores),
        _coverage(scores),
        _values(values) if len(values) > 1 else None,
        tag("h3", say("answers-head")),
        tag("div", *charts, class_="grid"),
        _ranges(scores["per_range"]),
    )


def _coverage(scores: Mapping[str, Any]) -> Markup | None:
    if "nominal_coverage" not in scores:
        return None
    return note(say("coverage-told", wanted=numerals.percent(scores["nominal_coverage"]), got=numerals.percent(scores["coverage"]["value"])))


def _values(values: Sequence[Mapping[str, Any]]) -> Markup:
    names = [name for name in SHOWN if name in values[0]]
    rows = [[name_of(row["label"]), *(numerals.score(name, row[name]) for name in names)] for row in values]
    told = table("values-table", [say("value"), *(metric(name) for name in names)], rows, numeric=range(1, len(names) + 1), sortable=True)
    return join(tag("h3", say("per-value")), told)


def _parity(row: Mapping[str, Any], place: int) -> Markup:
    """Answers against truths: right ones lie on the diagonal."""
    points = row["points"]
    numbers = [number for point in points for number in point]
    low, high = min(numbers), max(numbers)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    frame = Frame(x=(low, high), y=(low, high), width=SIDE, height=SIDE)
    marks = [(value, numerals.decimal(value)) for value in ticks(low, high, most=5)]
    labels = axes(frame, say("truth", "tspan"), say("answer", "tspan"), marks, marks)
    diagonal = tag("line", x1=frame.px(low), y1=frame.py(low), x2=frame.px(high), y2=frame.py(high), class_="chance")
    dots = [tag("circle", cx=frame.px(truth), cy=frame.py(answer), r=2.5, class_="dot c0", opacity=0.5) for truth, answer in points]
    picture = drawing(f"chart-parity-{place}", "chart-parity", frame.width, frame.height, labels, diagonal, *dots, class_="square")
    twin = table("chart-parity", [say("truth"), say("answer")], [[numerals.decimal(t), numerals.decimal(a)] for t, a in points], numeric=(0, 1))
    return figure("chart-parity", picture, note(name_of(row["label"])), twin=twin)


def _errors(row: Mapping[str, Any], place: int) -> Markup:
    """How often the answer lay how far from the truth."""
    bars = row["errors"]
    most = max(entry["n"] for entry in bars)
    frame = Frame(x=(bars[0]["low"], bars[-1]["high"]), y=(0.0, float(most)), height=SIDE)
    x_marks = [(value, numerals.decimal(value)) for value in ticks(*frame.x, most=5)]
    y_marks = [(value, f"{value:g}") for value in ticks(0.0, float(most), most=5) if value == int(value)]
    labels = axes(frame, say("error", "tspan"), say("examples", "tspan"), x_marks, y_marks)
    drawn = [_bar(frame, entry) for entry in bars if entry["n"]]
    middle = tag("line", x1=frame.px(0), x2=frame.px(0), y1=frame.top, y2=frame.height - frame.bottom, class_="best")
    picture = drawing(f"chart-errors-{place}", "chart-errors", frame.width, frame.height, labels, *drawn, middle)
    rows = [[f"{numerals.decimal(entry['low'])} – {numerals.decimal(entry['high'])}", numerals.whole(entry["n"])] for entry in bars if entry["n"]]
    twin = table("chart-errors", [say("error"), say("examples")], rows, numeric=(1,))
    return figure("chart-errors", picture, note(name_of(row["label"])), twin=twin)


def _bar(frame: Frame, entry: Mapping[str, Any]) -> Markup:
    left, right, top = frame.px(entry["low"]), frame.px(entry["high"]), frame.py(entry["n"])
    title = tag("title", f"{numerals.decimal(entry['low'])} – {numerals.decimal(entry['high'])}: {entry['n']}")
    return tag("rect", title, x=left + 0.5, y=top, width=max(right - left - 1, 0.5), height=frame.py(0) - top, class_="fill")


def _ranges(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """The error by the size of the truth."""
    largest = max(row["mae"]["value"] for row in rows) or 1.0
    cells = [_range_row(row, largest) for row in rows]
    heads = [say("range"), metric("mae"), "", say("interval-head"), say("bias"), say("examples")]
    told = table("ranges-table", heads, cells, numeric=(1, 3, 4, 5), sortable=True)
    return join(tag("h3", say("by-range")), note(say("by-range-told")), told)


def _range_row(row: Mapping[str, Any], largest: float) -> list[Markup | str]:
    error = row["mae"]
    return [
        name_of(row["label"]),
        numerals.decimal(error["value"]),
        bar(error["value"] / largest),
        numerals.ends("mae", error),
        numerals.decimal(row["bias"]),
        numerals.whole(error["n"]),
    ]
