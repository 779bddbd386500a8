"""The whole report as one HTML page that needs nothing from anywhere: style and script lie inside and are named by their hash."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType

from flambeau.evaluation.facts import ReportFacts
from flambeau.evaluation.kinds import EVALUATIONS
from flambeau.evaluation.markup import Markup, clean, tag
from flambeau.evaluation.sections_data import data
from flambeau.evaluation.sections_training import curves, model
from flambeau.evaluation.sections_use import deployment, mistakes, reproduce
from flambeau.evaluation.sections_verdict import verdict
from flambeau.evaluation.words import TAGS, say, switched, switched_text
from flambeau.messages import language


def test(facts: ReportFacts) -> Markup | None:
    """The test section, as the task has it."""
    return EVALUATIONS[facts.task].section(facts)


SECTIONS = MappingProxyType(
    {"data": data, "model": model, "curves": curves, "test": test, "mistakes": mistakes, "deployment": deployment, "reproduce": reproduce}
)
"""In the order of the page, below the verdict. A section of None has nothing to tell and is left out."""
LARGEST = 5_000_000
"""Bytes of a page; over it the pictures go first."""
NAMES = {"en": "English", "zh": "中文"}


def page(facts: ReportFacts) -> str:
    """The facts -> an HTML document; pictures are dropped as far as it takes to stay below `LARGEST`."""
    for lighter in _LIGHTER:
        document = _document(lighter(facts))
        if len(document.encode()) <= LARGEST:
            break
    return document


def _document(facts: ReportFacts) -> str:
    style, script = _asset("report.css"), _asset("report.js")
    parts = {name: part for name, section in SECTIONS.items() if (part := section(facts)) is not None}
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        switched_text("title", "page-title", run=clean(facts.run)),
        tag("style", Markup(style)),
    )
    main = tag("main", verdict(facts), *parts.values(), id="main")
    foot = tag("footer", tag("p", say("foot", created=facts.created)))
    body = tag("body", tag("a", say("skip"), href="#main", class_="skip"), _top(list(parts)), main, foot, tag("script", Markup(script)))
    return f"<!doctype html>\n{tag('html', head, body, lang=TAGS[language()])}\n"


def _top(names: list[str]) -> Markup:
    links = [tag("li", tag("a", say(f"section-{name}"), href=f"#{name}")) for name in names]
    buttons = [
        tag("button", NAMES[lang], type="button", lang=code, data_language=code, aria_pressed=str(lang == language()).lower())
        for lang, code in TAGS.items()
    ]
    menu = tag("nav", tag("ul", *links), **switched("aria_label", "contents"))
    choice = tag("div", *buttons, class_="switch", role="group", **switched("aria_label", "language"))
    return tag("div", tag("a", "flambeau", href="#main", class_="brand"), menu, choice, class_="top")


def _policy(style: str, script: str) -> str:
    hashes = {kind: b64encode(sha256(text.encode()).digest()).decode() for kind, text in (("style", style), ("script", script))}
    named = "; ".join(f"{kind}-src 'sha256-{hash_}'" for kind, hash_ in hashes.items())
    return f"default-src 'none'; img-src data:; {named}; base-uri 'none'; form-action 'none'"


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _without_sheet(facts: ReportFacts) -> ReportFacts:
    if facts.data is None:
        return facts
    return replace(facts, data=replace(facts.data, classes=[replace(row, pictures=()) for row in facts.data.classes]))


def _without_pictures(facts: ReportFacts) -> ReportFacts:
    return replace(_without_sheet(facts), mistakes=[replace(mistake, picture=None) for mistake in facts.mistakes])


_LIGHTER: tuple[Callable[[ReportFacts], ReportFacts], ...] = (lambda facts: facts, _without_sheet, _without_pictures)
