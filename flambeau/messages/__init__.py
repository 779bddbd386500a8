"""Everything a person reads, by key, in English and Chinese.

The texts lie in ``en/*.toml`` and ``zh/*.toml``, one file per room, the same keys and placeholders in both. A key is an
error code ("data-not-found") or the name of a line of the transcript; its parts are ``what``, ``why`` and ``fix``.
"""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

LANGUAGES = ("en", "zh")
_FOLDER = Path(__file__).parent  # importlib.resources would make the command line start a tenth slower
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def language() -> str:
    """ "zh" or "en": FLAMBEAU_LANG if it is set, else the locale, else English."""
    for variable in ("FLAMBEAU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@cache
def catalogue(lang: str) -> dict[str, dict[str, str]]:
    """All texts of one language: key -> part -> template."""
    return {key: parts for name in _rooms(lang) for key, parts in room(lang, name).items()}


@cache
def _rooms(lang: str) -> list[str]:
    return sorted(file.name for file in (_FOLDER / lang).iterdir() if file.name.endswith(".toml"))


@cache
def room(lang: str, name: str) -> dict[str, dict[str, str]]:
    """The texts of one file ("serving.toml") of one language: key -> part -> template."""
    return tomllib.loads((_FOLDER / lang / name).read_text(encoding="utf-8"))


def _parts(key: str) -> dict[str, str]:
    """The texts of one key; rooms are read until it is found."""
    lang = language()
    for name in _rooms(lang):
        if key in room(lang, name):
            return room(lang, name)[key]
    raise KeyError(key)


def text(key: str, part: str = "what", /, **facts: object) -> str:
    """The text of one key in the user's language, its {placeholders} filled from `facts`.

    A "why" or a "fix" about something that is not known (a fact that is "" or None) is left out: "".
    """
    template = _parts(key).get(part, "")
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    if part != "what" and any(facts.get(name) in ("", None) for name in names):
        return ""
    return filled(template, **facts)


def filled(template: str, /, **facts: object) -> str:
    """A template with its {placeholders} filled. ``{n:, file|files}`` is a count with the words that fit it: "1 file", "2,000 files"."""
    return _COUNTING.vformat(template, (), facts)


class _Counting(Formatter):
    """As str.format, and counts that know one from many."""

    def format_field(self, value: Any, format_spec: str) -> str:
        form, _, words = format_spec.partition(" ")
        if "|" not in words:
            return str(super().format_field(value, format_spec))
        number = format(value, form)
        one, many = words.split("|")
        return f"{number} {one if number == '1' else many}"


_COUNTING = _Counting()


def printable(value: object) -> str:
    """`value` as text that cannot move a terminal's cursor, colour it, break the line or turn the reading direction."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", str(value))


def left(content: str, width: int) -> str:
    """`content` and blanks behind it up to so many columns of a terminal."""
    return content + " " * max(width - columns(content), 0)


def right(content: str, width: int) -> str:
    """`content` with blanks in front of it up to so many columns of a terminal."""
    return " " * max(width - columns(content), 0) + content


def columns(content: str) -> int:
    """Columns on a terminal; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in content)
