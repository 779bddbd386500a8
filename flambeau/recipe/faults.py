"""What pydantic found wrong -> problems of the recipe, in our words, each at its place.

Pydantic tells of its own insides too (which member of a union it tried, the tag it went by): here they are folded away, so that
one mistake is one problem. A room's own problem comes as a PydanticCustomError whose type is a code of the catalogue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from flambeau.document import Path, Tree, spell
from flambeau.errors import RecipeError
from flambeau.messages import catalogue, text
from flambeau.naming import closest
from flambeau.recipe.schema import Schema, json_type

_EXPECTED = {
    "integer": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "number": ("float_type", "float_parsing", "finite_number"),
    "boolean": ("bool_type", "bool_parsing"),
    "string": ("string_type", "path_type", "string_unicode"),
    "array": ("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"),
    "object": ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type"),
    "null": ("none_required",),
}
"""JSON type -> the complaints of pydantic that mean "this was expected"."""

_TYPE_OF = {complaint: kind for kind, complaints in _EXPECTED.items() for complaint in complaints}

_BOUNDS = {
    "greater_than": "gt",
    "greater_than_equal": "ge",
    "less_than": "lt",
    "less_than_equal": "le",
    "multiple_of": "multiple_of",
    "too_short": "min_length",
    "too_long": "max_length",
    "string_too_short": "min_length",
    "string_too_long": "max_length",
}
"""Complaint -> the fact that holds the bound."""

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument")
_ABOUT_A_KEY = (*_UNKNOWN, *_MISSING)
_TAGS = ("union_tag_invalid", "union_tag_not_found")
MAX_PROBLEMS = 100
"""More are never read, and a hostile recipe can hold a hundred thousand."""

_RESERVED = frozenset({"code", "path", "where", "snippet", "problems"})


@dataclass(frozen=True)
class _Complaint:
    """One error of pydantic, at its place in the tree."""

    kind: str
    path: Path
    forks: tuple[tuple[Path, str], ...]
    """Where pydantic chose between members of a union, and which member this is about."""
    value: Any
    facts: Mapping[str, Any]
    message: str
    about_key: bool = False

    @property
    def is_misfit(self) -> bool:
        """Whether the value is not even of the kind that was expected."""
        return self.kind in _TYPE_OF or self.kind == "literal_error"


def problems(error: ValidationError, tree: Tree, schema: Schema, path: Path = ()) -> list[RecipeError]:
    """All that is wrong, each with its path; the places in the file are put in later.

    Args:
        tree: the whole recipe, or as much as is there.
        path: what was validated of it.
    """
    complaints = [_complaint({**details, "loc": (*path, *details["loc"])}, tree) for details in error.errors(include_url=False)]
    found = [_told(complaint, tree, schema) for complaint in _without_forks(complaints)[:MAX_PROBLEMS]]
    return list({(problem.code, problem.path): problem for problem in reversed(found)}.values())[::-1]


def misfit(path: Path, tree: Tree, schema: Schema, value: object) -> RecipeError:
    """A value that is not of a kind that can stand here."""
    choices = schema.choices(path, tree)
    kinds = sorted(schema.types(path, tree) - {"string"} if choices else schema.types(path, tree), key=list(_EXPECTED).index)
    if value is not None and "null" in kinds:
        kinds.remove("null")
    if choices and not kinds:
        return RecipeError("recipe-choice", path=path, at=_name(path), value=shown(value), choices=", ".join(choices), guess=closest(value, choices))
    words = [text(f"expected-{kind}") for kind in kinds] + [f"'{choice}'" for choice in choices]
    expected = text("word-or").join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else text("expected-other")
    return RecipeError("recipe-type", path=path, at=_name(path), expected=expected, got=got(value), guess=closest(value, choices))


def got(value: object) -> str:
    """A value with the kind that it is: "the text 'abc'", "a list"."""
    return text(f"got-{json_type(value) or 'other'}", value=shown(value))  # type: ignore[arg-type]


def shown(value: object) -> str:
    """A value as a recipe would spell it, at most 60 characters of it."""
    if isinstance(value, str):
        spelled = f"'{value}'"
    elif json_type(value):  # type: ignore[arg-type]
        spelled = json.dumps(value, ensure_ascii=False, default=lambda other: type(other).__name__)
    else:
        spelled = type(value).__name__
    return spelled if len(spelled) <= 60 else spelled[:57] + "..."


def _complaint(details: Mapping[str, Any], tree: Tree) -> _Complaint:
    kind = details["type"]
    path, forks = _way(details["loc"], kind, tree)
    return _Complaint(kind, path, forks, details.get("input"), details.get("ctx") or {}, details["msg"], details["loc"][-1:] == ("[key]",))


def _way(loc: Sequence[str | int], kind: str, tree: Tree) -> tuple[Path, tuple[tuple[Path, str], ...]]:
    """Pydantic's way to an error -> the path in the tree, and the steps that are no part of it."""
    path: Path = ()
    forks: list[tuple[Path, str]] = []
    for number, step in enumerate(loc):
        is_last = number == len(loc) - 1
        in_mapping = isinstance(tree, dict) and step in tree
        if in_mapping or (isinstance(tree, list) and isinstance(step, int) and 0 <= step < len(tree)):
            path, tree = (*path, step), tree[step]  # type: ignore[index]
        elif is_last and kind in _ABOUT_A_KEY:
            path = (*path, step)
        elif step != "[key]":
            forks.append((path, str(step)))
    return path, tuple(forks)


def _without_forks(complaints: Sequence[_Complaint]) -> list[_Complaint]:
    """Of the members of a union only the one that was meant; where that cannot be told, one complaint for all of them."""
    forks: dict[Path, dict[str, list[_Complaint]]] = {}
    for complaint in complaints:
        for place, name in complaint.forks:
            forks.setdefault(place, {}).setdefault(name, []).append(complaint)
    dropped: set[int] = set()
    merged: dict[int, _Complaint] = {}
    for place in sorted(forks, key=len):  # a union inside a member that was not meant is not looked at
        open_lines = [[line for line in lines if id(line) not in dropped] for lines in forks[place].values()]
        members = [lines for lines in open_lines if lines]
        if len(members) < 2:
            continue
        meant = [lines for lines in members if not any(line.is_misfit and line.path == place for line in lines)]
        kept = max(meant, key=lambda lines: max(len(line.path) for line in lines)) if meant else []
        first = members[0][0]
        if not kept:
            merged[id(first)] = _Complaint("no_member", place, (), first.value, {}, "")
        dropped |= {id(line) for lines in members for line in lines} - {id(line) for line in kept}
    return [merged.get(id(line), line) for line in complaints if id(line) in merged or id(line) not in dropped]


def _told(complaint: _Complaint, tree: Tree, schema: Schema) -> RecipeError:
    """One complaint in our words."""
    kind, path, facts = complaint.kind, complaint.path, complaint.facts
    if kind in catalogue("en"):
        return RecipeError(kind, path=path, **{name: fact for name, fact in facts.items() if name not in _RESERVED})
    if kind in _UNKNOWN:
        return _unknown_key(path, tree, schema)
    if kind in _MISSING or kind in _TAGS:
        return _about_a_key(complaint, tree, schema)
    if kind in _BOUNDS:
        bound = text(f"bound-{kind.replace('_', '-')}", bound=_number(facts.get(_BOUNDS[kind])))
        code = "recipe-length" if kind.endswith(("short", "long")) else "recipe-range"
        return RecipeError(code, path=path, at=_name(path), value=shown(complaint.value), bound=bound)
    if kind == "string_pattern_mismatch":
        return RecipeError("recipe-pattern", path=path, at=spell(path), value=shown(complaint.value), pattern=facts.get("pattern"))
    if kind in ("value_error", "assertion_error") and complaint.message:
        reason = re.sub(r"^(Value|Assertion) (error|failed), ", "", complaint.message)
        if complaint.about_key:
            return RecipeError("recipe-key-refused", path=path, key=path[-1], at=_name(path[:-1]), reason=reason)
        return RecipeError("recipe-value", path=path, at=_name(path), reason=reason)
    if complaint.is_misfit or kind == "no_member":
        return _misfit(complaint, tree, schema)
    return RecipeError("recipe-refused", path=path, at=_name(path), value=shown(complaint.value))


def _misfit(complaint: _Complaint, tree: Tree, schema: Schema) -> RecipeError:
    known = schema.types(complaint.path, tree)
    if known or complaint.kind == "no_member":
        return misfit(complaint.path, tree, schema, complaint.value)
    expected = text(f"expected-{_TYPE_OF.get(complaint.kind, 'other')}")
    return RecipeError("recipe-type", path=complaint.path, at=_name(complaint.path), expected=expected, got=got(complaint.value), guess="")


def _unknown_key(path: Path, tree: Tree, schema: Schema) -> RecipeError:
    """A key that is not known where it stands; perhaps it is known elsewhere."""
    key = str(path[-1])
    keys = schema.keys(path[:-1], tree)
    near = closest(key, keys) or next((spell((room, key)) for room in schema.keys((), {}) if key in schema.keys((room,), {})), "")
    return RecipeError("recipe-key-unknown", path=path, key=key, at=_name(path[:-1]), keys=", ".join(keys), guess=near)


def _about_a_key(complaint: _Complaint, tree: Tree, schema: Schema) -> RecipeError:
    """A key that is needed and not there, or one whose word decides what the others mean."""
    path = complaint.path
    if complaint.kind in _TAGS:
        path = (*path, "type")
        choices = schema.choices(path, {})
        if complaint.kind == "union_tag_invalid":
            word = complaint.facts.get("tag")
            near = closest(word, choices)
            return RecipeError("recipe-choice", path=path, at=spell(path), value=shown(word), choices=", ".join(choices), guess=near)
    if isinstance(path[-1], int):
        return RecipeError("recipe-short", path=path[:-1], at=spell(path[:-1]), n=path[-1])
    return RecipeError("recipe-missing", path=path[:-1], key=path[-1], at=_name(path[:-1]), choices=", ".join(schema.choices(path, tree)))


def _number(bound: object) -> str:
    return f"{bound:.15g}" if isinstance(bound, float) else str(bound)


def _name(path: Path) -> str:
    return spell(path) or text("word-recipe")
