"""Addresses of nodes in a tree, as people write them: ``network[0].conv2d.channels``."""

from __future__ import annotations

import json
import re

from flambeau.document.marks import Path, Tree

_PLAIN = re.compile(r"[\w+/-]+")
_STEP = re.compile(r"""\.?(?:(?P<plain>[^.\[\]"=]+)|(?P<quoted>"(?:[^"\\]|\\.)*"))|\[(?P<index>[0-9]{1,9})\]""")


def spell(path: Path) -> str:
    """("network", 0, "conv2d") -> ``network[0].conv2d``. A key with dots or blanks in it is put in quotes."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_name(step)}" for step in path).removeprefix(".")


def _name(key: str) -> str:
    return key if _PLAIN.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def address(text: str) -> Path:
    """``network[0].conv2d`` -> ("network", 0, "conv2d").

    Raises:
        ValueError: this is no address.
    """
    path: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None or (not path and text[0] in ".[") or (path and step["index"] is None and step[0][0] != "."):
            raise ValueError(text)
        path.append(int(step["index"]) if step["index"] is not None else json.loads(step["quoted"]) if step["quoted"] else step["plain"].strip())
        position = step.end()
    if not path:
        raise ValueError(text)
    return tuple(path)


def get(tree: Tree, path: Path) -> Tree:
    """The node at `path`.

    Raises:
        LookupError: there is none.
    """
    for step in path:
        if (isinstance(tree, dict) and isinstance(step, str)) or (isinstance(tree, list) and isinstance(step, int)):
            tree = tree[step]  # type: ignore[index]
        else:
            raise LookupError(spell(path))
    return tree


def replaced(tree: Tree, path: Path, value: Tree) -> Tree:
    """The same tree with another value at `path`; the last step may be a new key. `tree` itself stays as it is.

    Raises:
        LookupError: there is no such place.
    """
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(tree, dict) and isinstance(step, str) and (step in tree or not rest):
        return {**tree, step: replaced(tree.get(step), rest, value)}
    if isinstance(tree, list) and isinstance(step, int) and step < len(tree):
        return [*tree[:step], replaced(tree[step], rest, value), *tree[step + 1 :]]
    raise LookupError(spell(path))


def flatten(tree: Tree, path: Path = ()) -> dict[str, Tree]:
    """Every leaf by its address; an empty list or mapping is a leaf too."""
    steps: list[tuple[str | int, Tree]] = [*tree.items()] if isinstance(tree, dict) else [*enumerate(tree)] if isinstance(tree, list) else []
    if not steps:
        return {spell(path): tree}
    return {name: leaf for step, node in steps for name, leaf in flatten(node, (*path, step)).items()}
