"""The first screen: how good is it, how sure is that, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import card, state
from flambeau.evaluation.facts import Check, ReportFacts
from flambeau.evaluation.markup import Markup, join, name_of, tag
from flambeau.evaluation.scores import weakest
from flambeau.evaluation.svg import drawing
from flambeau.evaluation.words import metric, say

CARDS = ("balanced_accuracy", "macro_f1", "roc_auc", "log_loss")


def verdict(facts: ReportFacts) -> Markup:
    """The section, from the test's scores beside the baseline."""
    head = tag("header", tag("p", say("report-of"), class_="name"), tag("h1", name_of(facts.run), id="run"), class_="title")
    if facts.test is None:
        return _section(head, tag("p", say("not-tested"), class_="lead"), _checks(facts))
    main = facts.test["accuracy"]
    number = tag(
        "div",
        tag("p", metric("accuracy"), class_="name"),
        tag("p", numerals.percent(main["value"]), class_="huge"),
        _trust(facts.test, main),
        class_="score",
    )
    against = tag("div", tag("p", _sentence(facts)), _comparison(facts), class_="against")
    cards = [card(metric(name), numerals.score(name, facts.test[name]), _interval(name, facts.test[name])) for name in CARDS if name in facts.test]
    return _section(head, tag("div", number, against, class_="card hero"), tag("div", *cards, class_="cards"), _weakest(facts.test), _checks(facts))


def _section(*content: Markup | None) -> Markup:
    return tag("section", *(part for part in content if part), id="verdict", aria_label="verdict")


def _trust(test: Mapping[str, Any], main: Mapping[str, Any]) -> Markup:
    return tag(
        "p", say("interval-n", level=f"{test['level']:.0%}", ends=numerals.ends("accuracy", main), n=numerals.whole(main["n"])), class_="below"
    )


def _interval(name: str, score: Mapping[str, Any]) -> Markup:
    if score["value"] is None:
        return say(f"reason-{score['reason']}")
    return say("interval", ends=numerals.ends(name, score))


def _sentence(facts: ReportFacts) -> Markup:
    """Whether the model is better than always answering the most frequent class, told from the interval."""
    assert facts.test is not None
    if facts.baseline is None:
        return say("no-baseline")
    main, base = facts.test["accuracy"], facts.baseline["accuracy"]["value"]
    key = "better" if main["low"] > base else "worse" if main["high"] < base else "undecided"
    return say(f"verdict-{key}", label=name_of(facts.baseline["label"]), baseline=numerals.percent(base), value=numerals.percent(main["value"]))


def _comparison(facts: ReportFacts) -> Markup:
    """Score, interval and baseline on one axis from 0 to 100 %."""
    assert facts.test is not None
    main = facts.test["accuracy"]
    base = facts.baseline["accuracy"]["value"] if facts.baseline else None
    left, width = 12, 336
    parts = [tag("rect", x=left, y=30, width=width, height=8, rx=4, class_="track")]
    parts.append(tag("rect", x=left + main["low"] * width, y=24, width=max((main["high"] - main["low"]) * width, 4), height=20, rx=5, class_="span"))
    if base is not None:
        x = left + base * width
        parts.append(tag("line", x1=x, x2=x, y1=20, y2=48, class_="mark"))
        parts.append(tag("text", say("baseline", "tspan"), " ", numerals.percent(base), x=x, y=14, class_=f"tick {_anchor(base)}"))
    parts.append(tag("circle", cx=left + main["value"] * width, cy=34, r=5, class_="value"))
    parts += [tag("text", f"{i}%", x=left + i / 100 * width, y=66, class_="tick middle") for i in (0, 25, 50, 75, 100)]
    told = {"value": numerals.percent(main["value"]), "ends": numerals.ends("accuracy", main), "baseline": numerals.percent(base)}
    return drawing("comparison", "comparison", 360, 72, *parts, **told)


def _anchor(share: float) -> str:
    return "start" if share < 0.15 else "end" if share > 0.85 else "middle"


def _weakest(test: Mapping[str, Any]) -> Markup | None:
    worst = weakest(test)
    if worst is None:
        return None
    told = {"label": name_of(worst["label"]), "recall": numerals.percent(worst["recall"]["value"])}
    if not worst["errors"]:
        return tag("p", say("all-right"), class_="callout")
    other = name_of(worst["taken_for"])
    return tag("p", say("weakest", **told, other=other, times=worst["times"], errors=worst["errors"]), class_="callout")


def _checks(facts: ReportFacts) -> Markup | None:
    if not facts.checks:
        return None
    return tag("div", tag("h2", say("checks")), tag("ul", *(_check(check) for check in facts.checks), class_="checks"))


def _check(check: Check) -> Markup:
    detail = join(" ", tag("span", name_of(check.detail), class_="quiet")) if check.detail else None
    return tag("li", state(check.passed), " ", name_of(check.name), detail)
