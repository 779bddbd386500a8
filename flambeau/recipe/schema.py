"""Moves over a JSON Schema beside a tree: what may stand at a place, and what an unquoted scalar means there.

The schema is the one description that pydantic, the editors and our messages share, so a new modality or layer needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from flambeau.document import Path, Tree, scalars

Node: TypeAlias = Mapping[str, Any]
"""One (sub)schema."""


class Schema:
    """A JSON Schema with its definitions."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._alternatives: dict[int, list[Node]] = {}
        """Subschema, by identity (the root keeps them all alive) -> what it may be: looked up for each value of a recipe."""

    def at(self, path: Path, tree: Tree) -> list[Node]:
        """The alternatives for what stands at `path`; where a mapping says its own type, only those of that type."""
        nodes = self._meant(self._root, tree)
        for step in path:
            tree = _child(tree, step)
            nodes = self._step(nodes, step, tree)
        return nodes

    def keys(self, path: Path, tree: Tree) -> list[str]:
        """The keys that a mapping at `path` may have."""
        return list(dict.fromkeys(key for node in self.at(path, tree) for key in node.get("properties", ())))

    def choices(self, path: Path, tree: Tree) -> list[str]:
        """The words that a value at `path` may be."""
        found = [value for node in self.at(path, tree) for value in (*node.get("enum", ()), *_constant(node))]
        return list(dict.fromkeys(value for value in found if isinstance(value, str)))

    def types(self, path: Path, tree: Tree) -> frozenset[str]:
        """The JSON types that a value at `path` may have ("integer" besides "number"); empty where anything goes."""
        return _all_types(self.at(path, tree))

    def typed(self, tree: Tree, texts: Mapping[Path, str], path: Path = ()) -> tuple[Tree, list[Path]]:
        """`tree` with each unquoted scalar that was taken for a number or a boolean as text, where only text can be meant.

        So `target: 010` is the column "010", and `classes: [no, 1]` are two names.

        Args:
            texts: the spelling of the unquoted scalars, by path in `tree`.
            path: where `tree` stands in the whole.

        Returns:
            The tree, and the paths of what pydantic would take for a number or a boolean without being one (`epochs: "5"`).
        """
        misfits: list[Path] = []
        return self._typed(tree, self.at(path, None), (), texts, misfits), misfits

    def _typed(self, tree: Tree, nodes: list[Node], path: Path, texts: Mapping[Path, str], misfits: list[Path]) -> Tree:
        if isinstance(tree, dict):
            return {key: self._typed(value, self._step(nodes, key, value), (*path, key), texts, misfits) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self._typed(value, self._step(nodes, index, value), (*path, index), texts, misfits) for index, value in enumerate(tree)]
        types = _all_types(nodes)
        if types and isinstance(tree, (bool, int, float)) and "string" in types and not types & {"boolean", "integer", "number"} and texts.get(path):
            return texts[path]
        if types and not _suits(tree, types):
            misfits.append(path)
        return tree

    def _step(self, nodes: list[Node], step: str | int, tree: Tree) -> list[Node]:
        return [choice for node in nodes for inner in _inner(node, step) for choice in self._meant(inner, tree)]

    def _meant(self, node: Node, tree: Tree) -> list[Node]:
        """The alternatives that suit what stands there; all of them where none does."""
        key = id(node)
        if key not in self._alternatives:
            self._alternatives[key] = list(self._open(node))
        choices = self._alternatives[key]
        return [choice for choice in choices if _may_be(choice, tree)] or choices

    def _open(self, node: Node) -> Iterator[Node]:
        """The alternatives of a schema, none of which has alternatives itself."""
        if "$ref" in node:
            yield from self._open(self._root["$defs"][node["$ref"].rpartition("/")[2]])
            return
        groups = [node[word] for word in ("anyOf", "oneOf", "allOf") if word in node]
        if not groups:
            yield node
        for group in groups:
            for choice in group:
                yield from self._open(choice)


def _inner(node: Node, step: str | int) -> Iterator[Node]:
    """The schemas of one entry of what `node` describes."""
    if isinstance(step, int):
        first: Sequence[Node] = node.get("prefixItems", ())
        rest = node.get("items")
        if step < len(first):
            yield first[step]
        elif isinstance(rest, Mapping):
            yield rest
    elif step in node.get("properties", {}):
        yield node["properties"][step]
    elif isinstance(node.get("additionalProperties"), Mapping):
        yield node["additionalProperties"]


def _may_be(node: Node, tree: Tree) -> bool:
    """Whether a mapping's own words (`type: image`) leave room for this alternative."""
    if not isinstance(tree, dict):
        return True
    if "object" not in (_types(node) or ("object",)):
        return False
    return all(tree.get(key) in (None, *_constant(entry)) for key, entry in node.get("properties", {}).items() if "const" in entry)


def _constant(node: Node) -> tuple[Any, ...]:
    return (node["const"],) if "const" in node else ()


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array", dict: "object"}


def _types(node: Node) -> set[str]:
    """The JSON types of one alternative; empty where it does not say."""
    if "type" in node:
        return {node["type"]} if isinstance(node["type"], str) else set(node["type"])
    return {_JSON_TYPES[type(value)] for value in (*node.get("enum", ()), *_constant(node))}


def _all_types(nodes: list[Node]) -> frozenset[str]:
    types = [_types(node) for node in nodes]
    return frozenset().union(*types) if all(types) else frozenset()


_SCALARS = frozenset({"boolean", "integer", "number", "null"})


def _suits(value: Tree, types: frozenset[str]) -> bool:
    """Whether a scalar is of a type that can be meant; what pydantic itself is strict about is left to it."""
    if isinstance(value, str):
        looks_like_another = not isinstance(read_scalar(value), str)
        return "string" in types or not (types <= _SCALARS or looks_like_another)
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, (int, float)) and types <= _SCALARS:
        return bool(types & {"integer", "number"})
    return True


def read_scalar(text: str) -> Tree:
    """What a text would be without its quotes."""
    try:
        return scalars.resolve(text)
    except scalars.NotANumberError:
        return None


def json_type(value: Tree) -> str:
    """The JSON type of a value, "" for something that JSON does not have."""
    return _JSON_TYPES.get(type(value), "")


def _child(tree: Tree, step: str | int) -> Tree:
    if isinstance(tree, dict) and isinstance(step, str):
        return tree.get(step)
    if isinstance(tree, list) and isinstance(step, int) and step < len(tree):
        return tree[step]
    return None


def wrapped(tree: Any, path: Path) -> Any:
    """A whole in which `tree` stands at `path`; beside it there is nothing."""
    for step in reversed(path):
        tree = {step: tree} if isinstance(step, str) else [*[None] * step, tree]
    return tree
