"""Changes to a recipe from the command line: ``--set training.optimizer.adamw.lr=1e-3``.

They work on the resolved form, in which every setting that exists is written out. A value is YAML (``[64, 64]``, ``{sgd: 0.1}``)
and replaces what was there. A path into another member of a choice (``training.optimizer.sgd.lr`` where adamw stands) takes that
member instead; what the old one was set to goes. An index into a mapping counts in its only list, so that ``network[2].residual[0]``
may be written as in the short form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flambeau.document import Path, Tree, address, get, read, replaced, spell
from flambeau.errors import RecipeError, UsageError
from flambeau.messages import text
from flambeau.naming import closest
from flambeau.recipe.schema import Node, Schema

OPEN = "auto"
"""A `type` that is still to be chosen: a setting of one kind chooses that kind."""


def split(setting: str) -> tuple[Path, str]:
    """``path=value`` -> the path and the text of the value.

    Raises:
        RecipeError: it has another form.
    """
    for position, character in enumerate(setting):
        if character == "=" and setting[:position].replace('\\"', "").count('"') % 2 == 0:
            try:
                return address(setting[:position].strip()), setting[position + 1 :]
            except ValueError:
                break
    raise RecipeError("set-form", where=_where(setting), setting=setting)


def share(value: str | float) -> float:
    """0.05, "0.05" or "5%" -> 0.05."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", str(value))
    if match is None:
        raise UsageError("share-form", where="--max-bad", given=value)
    return float(match[1]) / (100 if match[2] else 1)


def apply(tree: Tree, settings: Sequence[str], schema: Schema) -> Tree:
    """A resolved recipe as a tree, and changes in their order -> the changed tree.

    Raises:
        RecipeError: there is no such place (with what there is, and what was probably meant), or the value is not YAML.
    """
    for setting in settings:
        path, value = split(setting)
        document = read(value, _where(setting))
        typed, _ = schema.typed(document.tree, document.marks.texts, path)
        tree = _changed(tree, path, typed, schema, setting)
    return tree


def _changed(tree: Tree, path: Path, value: Tree, schema: Schema, setting: str) -> Tree:
    """The tree with `value` at `path`; on the way, what has to be there is made."""
    parent: Path = ()
    for step in path:
        node = get(tree, parent)
        if isinstance(step, int) and isinstance(node, dict) and len(parent) != 1 and (only := _only_list(node)):
            node, parent = node[only], (*parent, only)
        if isinstance(node, list):
            if not isinstance(step, int) or step >= len(node):
                raise RecipeError("set-index", where=_where(setting), at=spell(parent), n=len(node))
        elif not (isinstance(node, dict) and step in node):
            kept = _kept(node, parent, step, tree, schema, setting)
            _refuse_other_entry(node, parent, step, setting)
            tree = replaced(tree, parent, {**kept, str(step): None})
        parent = (*parent, step)
    return replaced(tree, parent, value)


def _refuse_other_entry(node: Tree, parent: Path, step: str | int, setting: str) -> None:
    """An entry of a list is not turned into another by a setting inside it: a wrong number would change the network without a word.

    Raises:
        RecipeError: the entry is something else; says what.
    """
    name = next(iter(node), "") if isinstance(node, dict) and len(node) == 1 else node
    if parent and isinstance(parent[-1], int) and isinstance(name, str) and name != step:
        raise RecipeError("set-other-entry", where=_where(setting), at=spell(parent), name=name, key=step)


def _only_list(node: dict[str, Tree]) -> str:
    """The key of the only list in a mapping, or ""."""
    lists = [key for key, value in node.items() if isinstance(value, list)]
    return lists[0] if len(lists) == 1 else ""


def _kept(node: Tree, parent: Path, step: str | int, tree: Tree, schema: Schema, setting: str) -> dict[str, Tree]:
    """What stays of `node` when the key `step`, which it does not have, is added to it.

    Raises:
        RecipeError: no such key can be there.
    """
    there = node if isinstance(node, dict) else {}
    if there.get("type") == OPEN:
        there = {key: value for key, value in there.items() if key != "type"}
        tree = replaced(tree, parent, there)
    for choice in schema.at(parent, tree):
        if isinstance(step, str) and _takes(choice, step):
            return {key: value for key, value in there.items() if _takes(choice, key)}
    keys = list(dict.fromkeys([*there, *schema.keys(parent, tree)]))
    near = closest(step, keys)
    name = spell(parent) or text("word-recipe")
    whole = spell((*parent, near)) if near else ""
    raise RecipeError("set-path-unknown", where=_where(setting), key=spell((step,)), at=name, keys=", ".join(keys), guess=whole)


def _takes(choice: Node, key: str) -> bool:
    return key in choice.get("properties", {}) or bool(choice.get("additionalProperties", False))


def _where(setting: str) -> str:
    return f"--set {setting}"
