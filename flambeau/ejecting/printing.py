"""Definitions as text, as they were written, with the names that they have in the new file."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping, Sequence

from flambeau.config import Config
from flambeau.ejecting.homes import Home, Key, imported, origin

_REMARK = re.compile(r"  # (?:type: ignore|noqa)[^\n]*", re.MULTILINE)


class Printer:
    """Writes definitions."""

    def __init__(self, names: Mapping[Key, str]) -> None:
        self._names = names

    def text(self, place: Home, key: Key, kept: Sequence[ast.AST]) -> str:
        """One definition, of which these parts are kept."""
        node = place.defined[key[1]]
        if isinstance(node, ast.ClassDef):
            written = self._class(place, key, node, kept)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and "Annotated" in ast.dump(node):
            written = ast.unparse(self._renamed(place, kept[0]))
        else:
            written = self._lines(place, node)
        note = place.notes.get(node.end_lineno or 0)
        return f"{written}\n{self._lines(place, note)}" if note else written

    def _class(self, place: Home, key: Key, node: ast.ClassDef, kept: Sequence[ast.AST]) -> str:
        bases = [ast.unparse(self._renamed(place, base)) for base in node.bases if base in kept]
        head = [f"@{ast.unparse(self._renamed(place, one))}" for one in node.decorator_list]
        if issubclass(place.things[key[1]], Config):
            head.append("@dataclass(frozen=True, kw_only=True)")
        rows = [*head, f"class {self._names[key]}({', '.join(bases)}):" if bases else f"class {self._names[key]}:"]
        members = [one for one in kept if isinstance(one, ast.stmt)]
        for number, member in enumerate(members):
            if number and (isinstance(member, ast.FunctionDef) or isinstance(members[number - 1], ast.FunctionDef) or number == 1):
                rows.append("")
            bare = isinstance(member, ast.AnnAssign) and member not in node.body
            rows.append(f"    {ast.unparse(self._renamed(place, member))}" if bare else self._lines(place, member))
        return "\n".join(rows if members else [*rows, "    pass"])

    def _lines(self, place: Home, node: ast.stmt) -> str:
        """A statement as it stands in its file."""
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        local: dict[str, Key] = {}
        gone: set[int] = set()
        for one in ast.walk(node):
            if isinstance(one, ast.ImportFrom):
                ours = {name: source for name, source in imported(one).items() if not isinstance(source, str)}
                local.update(ours)
                gone |= set(range(one.lineno, (one.end_lineno or one.lineno) + 1)) if ours else set()
        lines = {number: place.lines[number - 1].encode() for number in range(first, (node.end_lineno or first) + 1)}
        names = [name for name in ast.walk(node) if isinstance(name, ast.Name)]
        for name in sorted(names, key=lambda name: name.col_offset, reverse=True):
            final = self._final(place, name.id, local)
            if final != name.id:
                line = lines[name.lineno]
                lines[name.lineno] = line[: name.col_offset] + final.encode() + line[name.end_col_offset :]
        text = "\n".join(line.decode() for number, line in lines.items() if number not in gone)
        if isinstance(node, ast.FunctionDef) and not node.col_offset:
            text = re.sub(rf"\bdef {node.name}\(", f"def {self._names.get((place.name, node.name), node.name)}(", text, count=1)
        text = _REMARK.sub("", text)
        return re.sub(r"\n\n\n+", "\n\n", text) if gone else text

    def _final(self, place: Home, name: str, local: Mapping[str, Key]) -> str:
        source = local.get(name) or (place.name, name)
        if name not in local and name not in place.defined:
            found = place.imports.get(name, ("", False))[0]
            if isinstance(found, str):
                return name
            source = found
        return self._names.get(origin(source), name)

    def _renamed(self, place: Home, node: ast.AST) -> ast.AST:
        renamed = copy.deepcopy(node)
        for name in ast.walk(renamed):
            if isinstance(name, ast.Name):
                name.id = self._final(place, name.id, {})
        return renamed


class _Bare(ast.NodeTransformer):
    """``Annotated[X, ...]`` -> ``X``."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated" and isinstance(node.slice, ast.Tuple):
            return node.slice.elts[0]
        return node


def annotation_bare(node: ast.stmt) -> ast.stmt:
    """A statement without what only a recipe's reader needs of its annotations."""
    bare: ast.stmt = ast.fix_missing_locations(_Bare().visit(copy.deepcopy(node)))
    return bare
