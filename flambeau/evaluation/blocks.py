"""Building blocks of the page: sections, tables, figures with their table, terms with values."""

from __future__ import annotations

from collections.abc import Sequence

from flambeau.evaluation.markup import Child, Markup, join, tag
from flambeau.evaluation.words import say, switched

LONG = 24
"""Rows from which a table scrolls in a window of its own."""


def section(id_: str, *content: Child) -> Markup:
    """A part of the report, under the heading that the catalogue has for it."""
    return tag("section", tag("h2", say(f"section-{id_}"), id=f"{id_}-heading"), *content, id=id_, aria_labelledby=f"{id_}-heading")


def table(caption: str, heads: Sequence[Child], rows: Sequence[Sequence[Child]], numeric: Sequence[int] = (), sortable: bool = False) -> Markup:
    """A table whose caption the catalogue has under `caption`; the first cell of each row is its heading.

    Columns in `numeric` are set to the right. It can be scrolled with the keyboard.
    """
    classes = ["number" if i in numeric else None for i in range(len(heads))]
    titles = [tag("button", head, type="button") if sortable else head for head in heads]
    head = tag("tr", *(tag("th", title, scope="col", class_=class_) for title, class_ in zip(titles, classes, strict=True)))
    body = tag("tbody", *(_row(row, classes) for row in rows))
    whole = tag("table", tag("caption", say(caption)), tag("thead", head), body, class_="sortable" if sortable else None)
    class_ = "scroll long" if len(rows) > LONG else "scroll"
    return tag("div", whole, class_=class_, tabindex=0, role="region", **switched("aria_label", caption))


def figure(title: str, picture: Markup, *below: Child, twin: Markup, class_: str = "card chart") -> Markup:
    """A drawing under its title, with the same numbers as a table that can be opened."""
    numbers = tag("details", tag("summary", say("as-table")), twin)
    return tag("figure", tag("figcaption", say(title)), picture, *below, numbers, class_=class_)


def terms(*pairs: tuple[Child, Child]) -> Markup:
    """Terms and what they are: a list of facts."""
    return tag("dl", *(tag("div", tag("dt", term), tag("dd", value)) for term, value in pairs), class_="facts")


def card(name: Child, value: Child, *below: Child) -> Markup:
    """One figure that stands out."""
    lines = [tag("p", line, class_="below") for line in below]
    return tag("div", tag("p", name, class_="name"), tag("p", value, class_="big"), *lines, class_="card stat")


def state(passed: bool) -> Markup:
    """Passed or failed, as a sign and a word."""
    sign = tag("span", "✓" if passed else "✗", aria_hidden="true")
    return tag("span", sign, " ", say("passed" if passed else "failed"), class_="state good" if passed else "state bad")


def bar(share: float, class_: str = "") -> Markup:
    """A share from 0 to 1 as a bar; its number stands beside it."""
    track = tag("rect", x=0, y=2, width=200, height=8, rx=4, class_="track")
    fill = tag("rect", x=0, y=2, width=200.0 * share, height=8, rx=4, class_=f"fill {class_}".strip())
    return tag("svg", track, fill, viewBox="0 0 200 12", class_="bar", aria_hidden="true")


def note(*content: Child) -> Markup:
    """A remark in a quiet voice."""
    return tag("p", join(*content), class_="note")


def _row(cells: Sequence[Child], classes: Sequence[str | None]) -> Markup:
    values = [tag("td", cell, class_=class_) for cell, class_ in zip(cells[1:], classes[1:], strict=True)]
    return tag("tr", tag("th", cells[0], scope="row", class_=classes[0]), *values)
