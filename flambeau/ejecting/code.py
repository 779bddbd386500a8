"""Python expressions that are laid out for people: on one line where they fit, else one part a line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from flambeau.messages import printable

WIDTH = 120


@dataclass(frozen=True)
class Group:
    """Brackets, and what stands between them with commas: each with a word in front ("key=", ""), and the expression."""

    opening: str
    parts: tuple[tuple[str, Code], ...]
    closing: str


Code: TypeAlias = "str | Group"


def call(name: str, positional: Iterable[Code], named: Iterable[tuple[str, Code]]) -> Group:
    """``name(positional, key=named)``."""
    return Group(f"{name}(", (*(("", one) for one in positional), *((f"{key}=", one) for key, one in named)), ")")


def mapping(items: Iterable[tuple[str, Code]]) -> Group:
    """``{"key": value}``."""
    return Group("{", tuple((f"{_string(key)}: ", value) for key, value in items), "}")


def listing(items: Iterable[Code]) -> Group:
    """``[one, other]``."""
    return Group("[", tuple(("", item) for item in items), "]")


def literal(value: object) -> Code | None:
    """A number, a text, or tuples, lists and dicts of them, as an expression; None where it is something else."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, str):
        return _string(str(value))
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        parts = [(f"{_string(key)}: ", literal(one)) for key, one in value.items()]
        brackets = "{", "}"
    elif isinstance(value, list | tuple):
        parts = [("", literal(one)) for one in value]
        brackets = ("[", "]") if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
    else:
        return None
    known = tuple((word, code) for word, code in parts if code is not None)
    return Group(brackets[0], known, brackets[1]) if len(known) == len(parts) else None


def in_docstring(value: str) -> str:
    """Any text as a piece of a docstring, in which it stands as a terminal may show it."""
    shown = printable(value).encode("utf-8", "backslashreplace").decode()
    return shown.replace("\\", r"\\").replace('"', r"\"")


def flat(code: Code) -> str:
    """On one line."""
    if isinstance(code, str):
        return code
    return code.opening + ", ".join(word + flat(part) for word, part in code.parts) + code.closing


def laid_out(code: Code, start: int, indent: int) -> str:
    """On one line if it fits behind `start` characters; else one part a line, `indent` blanks in front of the last bracket."""
    line = flat(code)
    if isinstance(code, str) or start + len(line) < WIDTH or not code.parts:
        return line
    inner = " " * (indent + 4)
    rows = [f"{inner}{word}{laid_out(part, indent + 4 + len(word), indent + 4)},\n" for word, part in code.parts]
    return f"{code.opening}\n{''.join(rows)}{' ' * indent}{code.closing.lstrip(',')}"


def _string(value: str) -> str:
    text = repr(value)
    return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
