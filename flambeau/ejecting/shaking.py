"""Only what is used: classes and functions of this package with all that they need, as one plain file. The rest falls through."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from torch import nn

from flambeau.config import Config
from flambeau.ejecting.homes import DROPPED, PLAIN, Home, Key, home, imported, is_module, origin
from flambeau.ejecting.printing import Printer, annotation_bare
from flambeau.errors import CheckFailed

ABSTRACT = "abstractmethod"
ALWAYS = {"forward", "train"}
"""Methods that torch calls by themselves."""


class Shaker:
    """Collects definitions. Of a class those methods and settings are kept whose names are used somewhere."""

    def __init__(self, reserved: set[str], reached: set[str]) -> None:
        """
        Args:
            reserved: names that the file uses otherwise.
            reached: names of methods and settings that are used from outside.
        """
        self._taken = set(reserved)
        self._reached = {*ALWAYS, *reached}
        self._names: dict[Key, str] = {}
        self._settings: list[Config] = []
        self.imports: dict[str, bool] = {}
        """Import statements, and whether they are for annotations alone."""

    def add(self, key: Key, name: str = "") -> str:
        """The name that a definition has in the file, `name` or as it is called where it comes from; it is taken in."""
        key = origin(key)
        if key not in self._names:
            name, number = name or key[1], 2
            while name in self._taken:
                name, number = f"{key[1]}_{number}", number + 1
            self._taken.add(name)
            self._names[key] = name
        return self._names[key]

    def add_settings(self, config: Config) -> None:
        """A fitted object whose settings will stand in the file."""
        if not any(config is known for known in self._settings):
            self._settings.append(config)
            self.add((type(config).__module__, type(config).__name__))

    def kept_settings(self, config: Config) -> dict[str, object]:
        """Those settings of an object that are used."""
        return {name: getattr(config, name) for name in type(config).model_fields if name in self._reached}

    def settle(self) -> None:
        """Takes in whatever is needed by what was taken in, until nothing is missing."""
        before = -1
        while before != (before := len(self._names) + len(self._reached) + len(self._settings) + len(self.imports)):
            for config in list(self._settings):
                for value in self.kept_settings(config).values():
                    for inner in _configs(value):
                        self.add_settings(inner)
            for key in list(self._names):
                self._follow(key)
                if _is_config(key):
                    self.imports["from dataclasses import dataclass"] = False

    def source(self) -> str:
        """All definitions, each behind those that it needs."""
        self.settle()
        printer = Printer(self._names)
        text, before = "", False
        for key in self._ordered():
            is_value = isinstance(home(key[0]).defined[key[1]], ast.Assign | ast.AnnAssign)
            text += ("\n" if is_value and before else "\n\n\n") + printer.text(home(key[0]), key, self._kept(key))
            before = is_value
        return text.strip("\n")

    def _follow(self, key: Key) -> None:
        place = home(key[0])
        for node in self._kept(key):
            for name in ast.walk(node):
                if isinstance(name, ast.Attribute):
                    self._reached.add(name.attr)
            for found in self._uses(place, node):
                self.add(found)

    def _kept(self, key: Key) -> list[ast.AST]:
        """The parts of a definition that stay: of a class its bases, decorators and used members; else all of it."""
        place = home(key[0])
        if key[1] not in place.defined:
            raise CheckFailed("eject-impossible", where=f"{key[0]}.{key[1]}", reason="no definition")
        node = place.defined[key[1]]
        if not isinstance(node, ast.ClassDef):
            return [annotation_bare(node) if isinstance(node, ast.Assign | ast.AnnAssign) else node]
        thing = place.things[key[1]]
        is_config = issubclass(thing, Config)
        members: list[ast.AST] = [*(base for base in node.bases if not _dropped(place, base)), *node.decorator_list]
        last = False
        for member in node.body:
            if isinstance(member, ast.Expr):
                last = last or member is node.body[0]
            else:
                last = self._is_kept(member, is_config, is_config or issubclass(thing, nn.Module) or key[0] == PLAIN)
            if last:
                members.append(_field(member) if is_config and isinstance(member, ast.AnnAssign) else member)
        return members

    def _is_kept(self, member: ast.stmt, is_config: bool, shaken: bool) -> bool:
        if isinstance(member, ast.FunctionDef):
            abstract = any(isinstance(one, ast.Name) and one.id == ABSTRACT for one in member.decorator_list)
            dunder = member.name.startswith("__") and "pydantic" not in member.name
            return not abstract and (dunder or member.name in self._reached)
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            return not is_config or member.target.id in self._reached
        return not shaken or isinstance(member, ast.Assign)

    def _uses(self, place: Home, node: ast.AST) -> Iterator[Key]:
        """Definitions of this package that a part needs; other imports are noted on the way."""
        local = inner_imports(node)
        for name in ast.walk(node):
            if not isinstance(name, ast.Name) or isinstance(name.ctx, ast.Store):
                continue
            if name.id in local:
                yield origin(local[name.id])
            elif name.id in place.defined:
                yield origin((place.name, name.id))
            elif name.id in place.imports:
                source, typing = place.imports[name.id]
                if isinstance(source, str):
                    self.imports[source] = self.imports.get(source, True) and typing
                elif is_module(source):
                    raise CheckFailed("eject-impossible", where=place.name, reason=f"uses the module {source[1]}")
                else:
                    yield from self._through(source)

    def _through(self, key: Key) -> Iterator[Key]:
        """A name out of another module of ours, which may itself have it from outside."""
        key = origin(key)
        place = home(key[0])
        source = place.imports.get(key[1]) if key[1] not in place.defined else None
        if source is None:
            yield key
        elif isinstance(source[0], str):
            self.imports[source[0]] = self.imports.get(source[0], True) and source[1]

    def _ordered(self) -> list[Key]:
        """Everything, what is needed while a definition is read in front of it."""
        ordered: dict[Key, None] = {}
        visiting: set[Key] = set()

        def visit(key: Key, early: bool) -> None:
            if key in ordered or (key in visiting and not early):
                return
            visiting.add(key)
            place = home(key[0])
            kept = self._kept(key)
            for strict in (False, True):
                for node in kept:
                    for found in self._uses(place, _at_once(node) if strict else node):
                        if found != key and (strict or found not in visiting):
                            visit(found, strict)
            ordered[key] = None

        for key in sorted(self._names, key=lambda key: self._line(key)):
            visit(key, False)
        merged: dict[int, Key] = {id(home(key[0]).defined[key[1]]): key for key in reversed(ordered)}
        return [key for key in ordered if merged[id(home(key[0]).defined[key[1]])] == key]

    @staticmethod
    def _line(key: Key) -> tuple[str, int]:
        return key[0], home(key[0]).defined[key[1]].lineno


def inner_imports(node: ast.AST) -> dict[str, Key]:
    """What a function imports from this package while it runs."""
    found = {}
    for one in ast.walk(node):
        if isinstance(one, ast.ImportFrom):
            found.update({name: source for name, source in imported(one).items() if not isinstance(source, str)})
    return found


def _is_config(key: Key) -> bool:
    thing = home(key[0]).things.get(key[1])
    return isinstance(thing, type) and issubclass(thing, Config)


def _configs(value: object) -> Iterator[Config]:
    if isinstance(value, Config):
        yield value
    elif isinstance(value, dict | tuple | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _configs(inner)


def _dropped(place: Home, base: ast.expr) -> bool:
    if not isinstance(base, ast.Name):
        return False
    source = place.imports.get(base.id, ("", False))[0]
    key = source if not isinstance(source, str) else ("abc", base.id) if source == f"from abc import {base.id}" else (place.name, base.id)
    return key in DROPPED


def _field(member: ast.AnnAssign) -> ast.AnnAssign:
    """A setting without its default: every one is given. What all objects of a class share keeps its value."""
    if "ClassVar" in ast.dump(member.annotation):
        return member
    bare = annotation_bare(member)
    assert isinstance(bare, ast.AnnAssign)
    bare.value = None
    return bare


def _at_once(node: ast.AST) -> ast.AST:
    """The part of a definition that runs when it is read: not the bodies of functions."""
    if not isinstance(node, ast.FunctionDef | ast.AnnAssign):
        return node
    if isinstance(node, ast.AnnAssign):
        return node.value or ast.Pass()
    head = copy.copy(node.args)
    return ast.Tuple([*head.defaults, *(one for one in head.kw_defaults if one), *node.decorator_list], ast.Load())
