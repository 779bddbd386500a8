"""Errors and warnings as a person reads them on a terminal: what / where / why / fix.

error[layer-unknown] recipe.yaml:9:5  no layer 'maxpol'
     9 |   - maxpol: {size: 2}
       |     ^^^^^^  did you mean 'max_pool'?   all layers: flambeau layers
"""

from __future__ import annotations

from flambeau.errors import FlambeauError, Notice, RecipeError, ShapeError
from flambeau.messages import printable, text

_WIDTH = 110
"""A remark stands beside what it is about up to this column, else below it."""

_RED, _YELLOW, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"


def render(error: FlambeauError, colour: bool = False) -> str:
    """An error, and every other one that was found with it, one below the other.

    Args:
        colour: the terminal takes ANSI colours.
    """
    if isinstance(error, RecipeError) and error.problems:
        return "\n".join(render(problem, colour) for problem in error.problems)
    snippet = error.snippet if isinstance(error, RecipeError) else ""
    head = f"{text('word-error')}[{error.code}]"
    # a message that names the place itself needs it only once
    where = "" if not error.where or error.where in error.what else f"{printable(error.where)}  "
    first = f"{head} {where}{printable(error.what)}"
    # the table of layers has lines of its own; a line break in anything else is a name's, and must not begin a line
    why = error.why.split("\n") if isinstance(error, ShapeError) else [error.why]
    below = _below(len(first), snippet, [printable(line) for line in why if line], printable(error.fix), colour)
    return _painted(head, _BOLD + _RED, colour) + first.removeprefix(head) + below


def render_notice(notice: Notice, colour: bool = False) -> str:
    """A warning, with what can be done about it."""
    head = _painted(f"{text('word-warning')}[{notice.code}]", _BOLD + _YELLOW, colour)
    return f"{head} {printable(notice.what)}" + "".join(_indented([printable(notice.fix)] if notice.fix else []))


def _below(width: int, snippet: str, why: list[str], fix: str, colour: bool) -> str:
    """Everything behind and under the first line, which has `width` columns: the snippet, why, and what to do."""
    advice = [f"{text('word-fix')}: {fix}"] if fix else []
    if not snippet:
        beside = len(why) == 1 and not fix and width + len(why[0]) <= _WIDTH
        return f"      {why[0]}" if beside else _indented([*why, *advice])
    line, marker = snippet.split("\n")
    room = _WIDTH - len(marker)
    remark, rest = "", [*why, *advice]
    if len(why) < 2 and len("   ".join([*why, fix])) <= room:
        remark, rest = "   ".join(filter(None, [*why, fix])), []
    elif len(why) == 1 and len(why[0]) <= room:
        remark, rest = why[0], advice
    gap = marker[: marker.index("^")]
    arrows = _painted(marker.removeprefix(gap), _RED, colour)
    return f"\n{line}\n{gap}{arrows}" + (f"  {remark}" if remark else "") + _indented(rest)


def _painted(content: str, paint: str, colour: bool) -> str:
    return f"{paint}{content}{_PLAIN}" if colour else content


def _indented(lines: list[str]) -> str:
    return "".join(f"\n    {line}" for line in lines)
