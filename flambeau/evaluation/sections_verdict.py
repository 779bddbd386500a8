"""The first screen: how good is it, how sure is that, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import card, state
from flambeau.evaluation.facts import Check, ReportFacts
from flambeau.evaluation.kinds import EVALUATIONS
from flambeau.evaluation.markup import Markup, join, name_of, tag
from flambeau.evaluation.numerals import NONE
from flambeau.evaluation.svg import drawing, ticks
from flambeau.evaluation.words import metric, say


def verdict(facts: ReportFacts) -> Markup:
    """The section, from the test's scores beside the baseline."""
    head = tag("header", tag("p", say("report-of"), class_="name"), tag("h1", name_of(facts.run), id="run"), class_="title")
    if facts.test is None:
        return _section(head, tag("p", say("not-tested"), class_="lead"), _checks(facts))
    kind = EVALUATIONS[facts.task]
    number = tag(
        "div",
        tag("p", metric(kind.main), class_="name"),
        tag("p", numerals.score(kind.main, facts.test[kind.main]), class_="huge"),
        _trust(kind.main, facts.test),
        class_="score",
    )
    against = tag("div", tag("p", _sentence(facts)), _comparison(facts), class_="against")
    cards = [
        card(metric(name), numerals.score(name, facts.test[name]), _interval(name, facts.test[name])) for name in kind.cards if name in facts.test
    ]
    return _section(
        head, tag("div", number, against, class_="card hero"), tag("div", *cards, class_="cards"), kind.callout(facts.test), _checks(facts)
    )


def _section(*content: Markup | None) -> Markup:
    return tag("section", *(part for part in content if part), id="verdict", aria_label="verdict")


def _trust(name: str, test: Mapping[str, Any]) -> Markup:
    score = test[name]
    return tag("p", say("interval-n", level=f"{test['level']:.0%}", ends=numerals.ends(name, score), n=numerals.whole(score["n"])), class_="below")


def _interval(name: str, score: Mapping[str, Any]) -> Markup:
    if score["value"] is None:
        return say(f"reason-{score['reason']}")
    return say("interval", ends=numerals.ends(name, score))


def _sentence(facts: ReportFacts) -> Markup:
    """Whether the model is better than an answer that looks at nothing, told from the interval."""
    assert facts.test is not None
    if facts.baseline is None:
        return say("no-baseline")
    name = EVALUATIONS[facts.task].main
    key = EVALUATIONS[facts.task].beside(facts.test, facts.baseline)
    base = numerals.score(name, facts.baseline[name])
    return say(f"verdict-{key}", label=name_of(facts.baseline["label"]), metric=metric(name), baseline=base)


def _comparison(facts: ReportFacts) -> Markup:
    """Score, interval and baseline on one axis: from 0 to 100 %, or for errors from 0 to the largest of them."""
    assert facts.test is not None
    name = EVALUATIONS[facts.task].main
    main = facts.test[name]
    base = facts.baseline[name]["value"] if facts.baseline else None
    whole = 1.0 if numerals.is_share(name) else 1.05 * max(main["high"], base or 0.0) or 1.0
    left, width = 12, 336
    scale = width / whole
    parts = [tag("rect", x=left, y=30, width=width, height=8, rx=4, class_="track")]
    parts.append(tag("rect", x=left + main["low"] * scale, y=24, width=max((main["high"] - main["low"]) * scale, 4), height=20, rx=5, class_="span"))
    told_base = NONE if facts.baseline is None else numerals.score(name, facts.baseline[name])
    if base is not None:
        x = left + base * scale
        parts.append(tag("line", x1=x, x2=x, y1=20, y2=48, class_="mark"))
        parts.append(tag("text", say("baseline", "tspan"), " ", told_base, x=x, y=14, class_=f"tick {_anchor(base / whole)}"))
    parts.append(tag("circle", cx=left + main["value"] * scale, cy=34, r=5, class_="value"))
    marks = [(i / 4, f"{i * 25}%") for i in range(5)] if numerals.is_share(name) else [(y, numerals.decimal(y)) for y in ticks(0.0, whole, 5)]
    parts += [tag("text", text, x=left + value * scale, y=66, class_="tick middle") for value, text in marks]
    told = {"value": numerals.score(name, main), "ends": numerals.ends(name, main), "baseline": told_base}
    return drawing("comparison", "comparison", 360, 72, *parts, **told)


def _anchor(share: float) -> str:
    return "start" if share < 0.15 else "end" if share > 0.85 else "middle"


def _checks(facts: ReportFacts) -> Markup | None:
    if not facts.checks:
        return None
    return tag("div", tag("h2", say("checks")), tag("ul", *(_check(check) for check in facts.checks), class_="checks"))


def _check(check: Check) -> Markup:
    detail = join(" ", tag("span", name_of(check.detail), class_="quiet")) if check.detail else None
    return tag("li", state(check.passed), " ", name_of(check.name), detail)
