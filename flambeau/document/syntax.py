"""What PyYAML and the decoder complain about, in words that say what to do."""

from __future__ import annotations

import codecs
import re

import yaml

from flambeau.document.marks import Marks, Place
from flambeau.errors import RecipeError

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\ufeff")
"""What YAML does not allow in a text. Source: YAML 1.2.2, rule c-printable."""

MAX_DEPTH = 100
"""Lists in lists; a residual block inside another takes three. PyYAML has a higher limit of its own, and may meet it first as it looks
ahead."""

_SURROGATES = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)

_PROBLEMS = (
    (re.compile(r"tab character that violates"), "yaml-tab"),
    (re.compile(r"mapping values are not allowed"), "yaml-colon"),
    (re.compile(r"found character .*that cannot start any token"), "yaml-start"),
    (re.compile(r"found unexpected end of stream"), "yaml-quote"),
    (re.compile(r"expected ',' or '[\]}]'"), "yaml-unclosed"),
    (re.compile(r"expected '-' indicator|expected <block end>|expected key"), "yaml-indent"),
    (re.compile(r"could not find expected ':'"), "yaml-no-colon"),
    (re.compile(r"unknown escape character|escape code|hexadecimal"), "yaml-escape"),
    (re.compile(r"expected (?:the )?node content"), "yaml-content"),
    (re.compile(r"maximum nesting depth"), "yaml-nesting"),
)
"""PyYAML's complaint, in its C and its Python wording -> our code."""

_AT_CONTEXT = ("yaml-quote", "yaml-unclosed", "yaml-no-colon")
"""Where a thing begins that never ends is the place to look at, not the line where that is noticed."""


def fault(code: str, marks: Marks, place: Place, **facts: object) -> RecipeError:
    """A RecipeError at a place of the document."""
    return RecipeError(code, path=(), problems=(), where=marks.where(place), snippet=marks.snippet(place), **facts)


def decoded(raw: bytes, file: str) -> str:
    """The bytes of a file as text.

    Raises:
        RecipeError: they are not UTF-8.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or raw[:2].count(0) == 1:
        raise RecipeError("yaml-encoding", where=file, encoding="UTF-16")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line = before.count("\n")
        where = f"{file}:{line + 1}:{len(before) - before.rfind(chr(10))}"
        raise RecipeError("yaml-bytes", where=where, byte=f"0x{raw[error.start]:02x}") from None


def joined_surrogates(text: str) -> str:
    r"""A JSON text with each pair like \ud83d\ude00 as the character that it means; JSON writers do that, YAML readers refuse it."""
    if not text.lstrip().startswith("{"):
        return text
    return _SURROGATES.sub(lambda pair: chr(0x10000 + (int(pair[1], 16) - 0xD800) * 0x400 + int(pair[2], 16) - 0xDC00), text)


def check_characters(text: str, marks: Marks) -> None:
    """
    Raises:
        RecipeError: for the first character that a YAML text cannot hold.
    """
    found = _CONTROL.search(text)
    if found is None:
        return
    for number, line in enumerate(marks.lines):
        bad = _CONTROL.search(line)
        if bad:
            place = Place(number, bad.start(), number, bad.end())
            raise fault("yaml-control", marks, place, character=f"U+{ord(found.group()):04X}")


def syntax_error(error: yaml.YAMLError, marks: Marks) -> RecipeError:
    """PyYAML's error -> ours, at the place where a person has to look."""
    problem = str(getattr(error, "problem", None) or error)
    code = next((ours for pattern, ours in _PROBLEMS if pattern.search(problem)), "yaml-syntax")
    place = _place_of(getattr(error, "problem_mark", None), marks)
    character = marks.lines[place.line][place.column : place.column + 1]
    if code == "yaml-tab" or (code == "yaml-start" and "\t" in marks.lines[place.line][: place.column + 1]):
        return fault("yaml-tab", marks, Place(place.line, 0, place.line, _indent(marks, place)))
    if code in _AT_CONTEXT and getattr(error, "context_mark", None):
        opening = _place_of(error.context_mark, marks)  # type: ignore[attr-defined]
        return fault(code, marks, opening, character=marks.lines[opening.line][opening.column : opening.column + 1])
    return fault(code, marks, place, character=character, problem=problem, limit=MAX_DEPTH)


def _indent(marks: Marks, place: Place) -> int:
    line = marks.lines[place.line]
    return max(1, len(line) - len(line.lstrip()))


def _place_of(mark: yaml.Mark | None, marks: Marks) -> Place:
    """A mark as a place inside the text; the end of the text is taken back to the end of what is written."""
    line, column = (mark.line, mark.column) if mark else (0, 0)
    if line >= len(marks.lines) or (line == len(marks.lines) - 1 and not marks.lines[line].strip()):
        line = max((n for n, text in enumerate(marks.lines) if text.strip()), default=0)
        column = len(marks.lines[line].rstrip())
    return Place(line, column, line, column + 1)
