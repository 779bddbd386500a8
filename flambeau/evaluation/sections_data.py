"""What the model learned from: classes, pictures, problems."""

from __future__ import annotations

from collections.abc import Sequence

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import LONG, bar, note, section, table, terms
from flambeau.evaluation.facts import ClassCount, DataFacts, ReportFacts
from flambeau.evaluation.markup import Markup, join, name_of, picture, tag
from flambeau.evaluation.words import say

MOST_CLASSES = 2000
"""Rows of a table over classes; beyond, the largest are told."""
SPLITS = ("train", "valid", "test")
SHEET_CLASSES = 40
"""Classes on the contact sheet."""


def data(facts: ReportFacts) -> Markup | None:
    """The section; None without facts about the data."""
    known = facts.data
    if known is None:
        return None
    return section("data", _summary(known), _counts(known.classes), _sheet(known.classes), _problems(known))


def _summary(known: DataFacts) -> Markup:
    totals = [sum(getattr(row, split) for row in known.classes) for split in SPLITS]
    pairs: list[tuple[Markup, Markup | str]] = [
        (say("source"), name_of(known.source)),
        (say("examples"), numerals.whole(sum(totals))),
        (say("classes"), numerals.whole(len(known.classes))),
        *((say("in-split", split=say(f"split-{key}")), numerals.whole(n)) for key, n in zip(SPLITS, totals, strict=True)),
    ]
    if known.split:
        pairs.append((say("split-how"), name_of(known.split)))
    if known.num_duplicates is not None:
        pairs.append((say("duplicates"), numerals.whole(known.num_duplicates)))
    if known.overlap is not None:
        pairs.append((say("overlap"), say("overlap-none") if known.overlap == 0 else say("overlap-some", n=known.overlap)))
    return terms(*pairs)


def _counts(classes: Sequence[ClassCount]) -> Markup:
    largest = max((row.train + row.valid + row.test for row in classes), default=1) or 1
    shown = sorted(classes, key=lambda row: -(row.train + row.valid + row.test))[:MOST_CLASSES] if len(classes) > LONG else classes
    rows = [_count_row(row, largest) for row in shown]
    heads = [say("class"), "", say("total"), say("split-train"), say("split-valid"), say("split-test")]
    return table("counts-table", heads, rows, numeric=(2, 3, 4, 5))


def _count_row(row: ClassCount, largest: int) -> list[Markup | str]:
    total = row.train + row.valid + row.test
    return [name_of(row.label), bar(total / largest), *(numerals.whole(n) for n in (total, row.train, row.valid, row.test))]


def _sheet(classes: Sequence[ClassCount]) -> Markup | None:
    """A few pictures of each class, as the network gets them."""
    pictured = [row for row in classes if row.pictures][:SHEET_CLASSES]
    if not pictured:
        return None
    rows = [_strip(row) for row in pictured]
    return join(tag("h3", say("contact-sheet")), tag("div", *rows, class_="sheet"))


def _strip(row: ClassCount) -> Markup:
    pictures = [picture(address, row.label, "thumb") for address in row.pictures]
    return tag("figure", tag("figcaption", name_of(row.label)), tag("div", *pictures, class_="strip"))


def _problems(known: DataFacts) -> Markup:
    parts = [tag("h3", say("problems"))]
    if known.notices:
        parts.append(tag("ul", *(tag("li", name_of(notice)) for notice in known.notices), class_="notices"))
    if not known.problems:
        return join(*parts, note(say("no-problems") if not known.num_problems else say("problems-unlisted", n=known.num_problems)))
    rows = [[name_of(problem.name), name_of(problem.kind), name_of(problem.detail)] for problem in known.problems[:100]]
    parts.append(table("problems-table", [say("example"), say("problem"), say("detail")], rows))
    hidden = known.num_problems - len(rows)
    return join(*parts, note(say("and-more", n=hidden)) if hidden > 0 else None)
