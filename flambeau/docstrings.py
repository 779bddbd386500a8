"""The text that stands under a field of a class, for the published schema and the documentation.

It is read from the source when it is asked for: pydantic's own way reads it whenever a class is made, which is half of the time
that a process takes to answer one question.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Documented:
    """A base for classes of pydantic: their schema holds the texts of their fields."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        published = handler(schema)
        fields: dict[str, Any] = handler.resolve_ref_schema(published).get("properties", {})
        for name, text in field_texts(cls).items():
            if name in fields:
                fields[name].setdefault("description", text)
        return published


def field_texts(cls: type) -> Mapping[str, str]:
    """A class -> the text under each of its fields that has one, its own before those of the classes it is made from."""
    texts: dict[str, str] = {}
    for part in reversed(cls.__mro__):
        if issubclass(part, Documented):
            texts |= _texts_of(part.__module__).get(part.__qualname__, {})
    return texts


@cache
def _texts_of(module: str) -> Mapping[str, Mapping[str, str]]:
    """A module -> its classes by their qualified names -> their fields' texts."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError):
        return {}  # compiled, or typed in by hand
    return dict(_classes(ast.parse(source), ""))


def _classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, dict[str, str]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name, dict(_texts(child))
            yield from _classes(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            yield from _classes(child, f"{prefix}{child.name}.<locals>.")


def _texts(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)
