"""A tree as YAML that a person likes to read: short things on one line, long ones in a block."""

from __future__ import annotations

import json
import re

from flambeau.document.marks import Tree
from flambeau.document.scalars import float_text, is_misread

_WIDTH = 140
"""A list or mapping that fits into so many columns stands on one line: a layer with all its settings does."""

_PLAIN = re.compile(r"[\w./][\w./+-]*(?: [\w./+-]+)*")
_UNPRINTABLE = re.compile("[\x7f-\xa0\xad\u0600-\u0605\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff]")


def write(tree: Tree) -> str:
    """A tree -> YAML text that `read` reads back as the same tree. The order of keys is kept."""
    if isinstance(tree, (dict, list)) and tree:
        return "\n".join(_block(tree, top=True)) + "\n"
    return _flow(tree) + "\n"


def _block(tree: dict[str, Tree] | list[Tree], *, top: bool = False) -> list[str]:
    lines: list[str] = []
    if isinstance(tree, dict):
        for key, value in tree.items():
            lines += _entry(f"{_text(key)}:", value, apart=top and _is_nested_list(value))
    else:
        for value in tree:
            lines += _item(value)
    return lines


def _entry(head: str, value: Tree, *, apart: bool) -> list[str]:
    """``key: value`` on one line where it fits and `apart` does not forbid it, else the value in a block below."""
    flow = _flow(value)
    if not isinstance(value, (dict, list)) or not value or (len(head) + 1 + len(flow) <= _WIDTH and not apart):
        return [f"{head} {flow}"]
    return [head, *(f"  {line}" for line in _block(value))]


def _item(value: Tree) -> list[str]:
    """One item of a list: ``- relu``, ``- conv_block: 32``, or a block behind the dash."""
    flow = _flow(value)
    one_key = isinstance(value, dict) and len(value) == 1
    if isinstance(value, (dict, list)) and value and (one_key or len(flow) > _WIDTH):
        first, *rest = _block(value)
        return [f"- {first}", *(f"  {line}" for line in rest)]
    return [f"- {flow}"]


def _is_nested_list(value: Tree) -> bool:
    return isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)


def _flow(value: Tree) -> str:
    """A tree on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return float_text(value) if isinstance(value, float) else str(value)


def _text(text: str) -> str:
    """A string, in quotes where some reader would take it for something else without them."""
    if _PLAIN.fullmatch(text) and not is_misread(text) and not _UNPRINTABLE.search(text):
        return text
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(text, ensure_ascii=False))
