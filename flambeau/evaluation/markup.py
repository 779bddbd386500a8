"""HTML that is safe by construction: text is escaped where it enters, and only `tag` makes markup."""

from __future__ import annotations

import html
import re

from flambeau.messages import printable

LONGEST = 160
"""Characters of a name that are shown."""
UNBROKEN = 24
"""Characters of a word from which it is broken over lines."""
_VOID = frozenset({"img", "meta", "br", "input", "link"})
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}")
_NOT_CHARACTERS = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]|[\U0001fffe\U0001ffff\U0010fffe\U0010ffff]")


class Markup(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


Child = Markup | str | int | float | None


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """An element. Children that are no Markup are escaped; None is left out.

    Attributes: ``class_`` is class, ``aria_label`` is aria-label; True is the bare name; None and False leave it out.
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False)
    inner = join(*children)
    return Markup(f"<{name}{told}>" if name in _VOID else f"<{name}{told}>{inner}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after the other, without an element around them."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children if child is not None))


def escape(value: object) -> Markup:
    """`value` as text of a page. What is no character becomes U+FFFD."""
    return Markup(html.escape(_NOT_CHARACTERS.sub("\ufffd", str(value))))


def clean(name: object, longest: int = LONGEST) -> str:
    """A class, file or layer name in one line: marks that turn the direction or break the line are spelled out, the rest is cut."""
    told = printable(name)
    return told if len(told) <= longest else told[: longest - 1] + "…"


def name_of(name: object) -> Markup:
    """A foreign name as an element that keeps its reading direction to itself."""
    told = clean(name)
    return tag("bdi", told, class_="unbroken" if max(map(len, told.split()), default=0) > UNBROKEN else None)


def picture(address: str | None, alt: str, class_: str) -> Markup:
    """A small picture from a data address; nothing when the address is of any other kind."""
    if address is None or not _PICTURE.fullmatch(address):
        return Markup("")
    return tag("img", src=address, alt=clean(alt), class_=class_)


def _attribute(key: str, value: str | int | float | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(_short(value))}"'


def _short(value: str | int | float) -> str:
    """Numbers with at most two decimal places: a hundredth of a pixel is enough."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
