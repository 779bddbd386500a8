"""Names as people sort and misspell them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

LONGEST = 80
"""Characters of a name that are compared: a guess about a longer one helps nobody."""


def natural(name: str) -> tuple[tuple[tuple[bool, int, str], ...], str]:
    """Sort key in which "img2" stands before "img10"; no two names share one, and no locale changes it."""
    return tuple(_digits(part) if part[0] in "0123456789" else (False, 0, part) for part in re.split(r"([0-9]+)", name) if part), name


def closest(name: object, names: Iterable[str]) -> str:
    """The one of `names` that was probably meant, or ""; letter case and - for _ do not count."""
    by_plain = {_plain(other): other for other in reversed(list(names))}
    return by_plain.get(_nearest(_plain(str(name)[:LONGEST]), tuple(by_plain)), "")


@lru_cache(maxsize=64)
def _nearest(name: str, names: tuple[str, ...]) -> str:
    """Kept, because a hostile recipe repeats one mistake ten thousand times."""
    return next(iter(get_close_matches(name, names, 1)), "")


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def _digits(part: str) -> tuple[bool, int, str]:
    """A number of any length as a key: by its length first, so that nothing has to be counted."""
    number = part.lstrip("0")
    return True, len(number), number
