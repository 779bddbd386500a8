"""What comes after the scores: the worst mistakes, the exports, and how to get it all again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import note, section, state, table, terms
from flambeau.evaluation.facts import ExportFacts, Mistake, ReportFacts, Reproduction
from flambeau.evaluation.kinds import EVALUATIONS
from flambeau.evaluation.markup import Markup, clean, join, name_of, picture, tag
from flambeau.evaluation.words import say

LONGEST_RECIPE = 200_000
"""Characters of the recipe that are shown."""


def mistakes(facts: ReportFacts) -> Markup | None:
    """The section with the worst mistakes; None when there was no test."""
    if facts.test is None:
        return None
    if not facts.mistakes:
        return section("mistakes", note(say("no-mistakes" if not facts.num_mistakes else "mistakes-hidden")))
    key = EVALUATIONS[facts.task].mistakes_told
    told = note(say(key, n=len(facts.mistakes), total=facts.num_mistakes or len(facts.mistakes)))
    suspects = any(mistake.suspect for mistake in facts.mistakes)
    cards = tag("ul", *(_mistake(mistake) for mistake in facts.mistakes), class_="mistakes")
    return section("mistakes", told, note(say("suspects-told")) if suspects else None, cards)


def _mistake(mistake: Mistake) -> Markup:
    shown = picture(mistake.picture, mistake.name, "example") or tag("div", "?", class_="example none", aria_hidden="true")
    words = [
        tag(
            "p",
            tag("span", say("truth"), class_="quiet"),
            " ",
            name_of(mistake.truth),
            " ",
            tag("span", numerals.percent(mistake.truth_probability), class_="quiet") if mistake.truth_probability is not None else None,
        ),
        tag("p", tag("span", say("answer"), class_="quiet"), " ", tag("strong", name_of(mistake.answer)), " ", _extent(mistake)),
        tag("p", clean(mistake.name), class_="file", title=clean(mistake.name)),
    ]
    flag = tag("p", "⚑ ", say("suspect"), class_="suspect") if mistake.suspect else None
    return tag("li", shown, tag("div", flag, *words), class_="card mistake")


def _extent(mistake: Mistake) -> str | None:
    """How sure the answer was, or how far off."""
    if mistake.error is not None:
        return f"({'+' if mistake.error > 0 else ''}{numerals.decimal(mistake.error)})"
    return None if mistake.confidence is None else numerals.percent(mistake.confidence)


def deployment(facts: ReportFacts) -> Markup | None:
    """The section about the exports; None without one."""
    if not facts.exports:
        return None
    heads = [say("target"), say("check"), say("difference"), say("same-answer"), say("size"), say("latency")]
    return section(
        "deployment", note(say("exports-told")), table("exports-table", heads, [_export(row) for row in facts.exports], numeric=(2, 3, 4, 5))
    )


def _export(row: ExportFacts) -> list[Markup | str]:
    same = numerals.NONE if row.same is None or row.n is None else f"{row.same:,} / {row.n:,}"
    difference = numerals.NONE if row.max_difference is None else f"{row.max_difference:.1e}"
    speed = numerals.NONE if row.milliseconds is None else f"{row.milliseconds:.3g} ms"
    return [name_of(row.name), state(row.passed), difference, same, numerals.size(row.size_bytes), speed]


def reproduce(facts: ReportFacts) -> Markup | None:
    """The section about getting the same model again; None without facts about it."""
    known = facts.reproduction
    if known is None:
        return None
    recipe = tag("details", tag("summary", say("recipe")), tag("pre", tag("code", _lines(known.recipe)), tabindex=0)) if known.recipe else None
    return section("reproduce", _command(known.command), _stages(known), _named("versions", known.versions), _named("hashes", known.hashes), recipe)


def _command(command: str) -> Markup:
    copy = tag("button", say("copy"), type="button", class_="copy")
    return tag("div", tag("pre", tag("code", clean(command, 2000)), tabindex=0), copy, class_="command")


def _stages(known: Reproduction) -> Markup | None:
    pairs: list[tuple[Markup, Markup | str]] = [] if known.seed is None else [(say("seed"), str(known.seed))]
    pairs += [(name_of(stage), numerals.duration(seconds)) for stage, seconds in known.seconds.items()]
    return terms(*pairs) if pairs else None


def _named(key: str, values: Mapping[str, Any]) -> Markup | None:
    if not values:
        return None
    pairs = [(name_of(name), tag("code", clean(value))) for name, value in values.items()]
    return join(tag("h3", say(key)), terms(*pairs))


def _lines(text: str) -> str:
    """A text with its lines; everything else that steers is spelled out."""
    return "\n".join(clean(line, 1000) for line in text[:LONGEST_RECIPE].splitlines())
