"""The source of this package's modules, by name: which statement defines a name, and where an imported one comes from."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TypeAlias

from flambeau.choice import Named
from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.extras import need
from flambeau.inputs.input import Preprocessor
from flambeau.network.modules import Chain
from flambeau.network.modules_recurrent import Recurrent
from flambeau.tasks.task import Target

Key: TypeAlias = tuple[str, str]
"""Module and name."""
PACKAGE = __name__.partition(".")[0]
PLAIN = f"{PACKAGE}.ejecting.plain"


def key_of(thing: type) -> Key:
    """Where a class is defined."""
    return thing.__module__, thing.__name__


REPLACED = {(thing.__module__, thing.__name__): (PLAIN, thing.__name__) for thing in (Chain, Recurrent, Preprocessor, DataError, need)}
"""What ejected files have in another form."""
DROPPED = {*map(key_of, (Named, Config, Target)), ("abc", "ABC")}
"""Base classes that ejected files do without."""


class Home:
    """One module of this package."""

    def __init__(self, name: str) -> None:
        module = import_module(name)
        self.name = name
        self.lines = inspect.getsource(module).splitlines()
        self.tree = ast.parse("\n".join(self.lines))
        self.things = vars(module)
        self.notes: dict[int, ast.Expr] = {}
        """The text behind a statement that says what it is for, by the line on which that ends."""
        self.imports: dict[str, tuple[Key | str, bool]] = {}
        """Names that come from elsewhere: where from, or the import statement; and whether for annotations alone."""
        self.defined: dict[str, ast.stmt] = {}
        for number, node in enumerate(self.tree.body):
            self._enter(node, False)
            if number and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                self.notes[self.tree.body[number - 1].end_lineno or 0] = node

    def _enter(self, node: ast.stmt, typing: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.imports.update({name: (source, typing) for name, source in imported(node).items()})
        elif isinstance(node, ast.If):
            for inner in node.body:
                self._enter(inner, True)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            self.defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            self.defined.update(dict.fromkeys(names, node))


@cache
def home(name: str) -> Home:
    """A module by its name."""
    return Home(name)


def imported(node: ast.Import | ast.ImportFrom) -> dict[str, Key | str]:
    """An import -> each name that it brings: of this package where it is defined, else the statement that imports it alone."""
    found: dict[str, Key | str] = {}
    for alias in node.names:
        shown = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
        name = alias.asname or alias.name
        if isinstance(node, ast.Import):
            found[name.partition(".")[0]] = f"import {shown}"
        elif (node.module or "").partition(".")[0] == PACKAGE:
            found[name] = (str(node.module), alias.name)
        else:
            found[name] = f"from {node.module} import {shown}"
    return found


def late_imports(source: str) -> set[str]:
    """The packages that functions of a file import while they run; which of them are needed depends on the values."""
    inner = [node for function in ast.walk(ast.parse(source)) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)]
    whole = {alias.name.partition(".")[0] for node in inner if isinstance(node, ast.Import) for alias in node.names}
    return whole | {str(node.module).partition(".")[0] for node in inner if isinstance(node, ast.ImportFrom)}


def origin(key: Key) -> Key:
    """Where a name that may only pass through a module is defined, or what stands in its place."""
    while key not in REPLACED:
        place = home(key[0])
        if key[1] in place.defined or key[1] not in place.imports:
            return key
        source = place.imports[key[1]][0]
        if isinstance(source, str):
            return key
        key = source
    return REPLACED[key]


def is_module(key: Key) -> bool:
    """Whether a name is a module of this package."""
    is_package = hasattr(import_module(key[0]), "__path__")
    return is_package and key[1] not in home(key[0]).defined and find_spec(f"{key[0]}.{key[1]}") is not None
