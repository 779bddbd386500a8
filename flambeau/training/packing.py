"""A tree of plain values and tensors <-> a JSON document and a flat table of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias

import torch
from torch import Tensor

Tree: TypeAlias = Any
"""None, bool, int, float, str, Tensor, or a mapping or sequence of trees."""

TENSOR, ITEMS, NUMBER = "$tensor", "$items", "$float"
"""Keys that mark what JSON has no word for: a tensor by its name, a mapping whose keys are not text, NaN and infinity."""


def pack(tree: Tree) -> tuple[Tree, dict[str, Tensor]]:
    """A tree -> the same with JSON values only, and its tensors by their path: copies on the CPU, each dense and alone."""
    tensors: dict[str, Tensor] = {}
    return _pack(tree, "state", tensors), tensors


def unpack(packed: Tree, tensors: Mapping[str, Tensor]) -> Tree:
    """What `pack` was given; tuples have become lists."""
    if isinstance(packed, list):
        return [unpack(value, tensors) for value in packed]
    if not isinstance(packed, dict):
        return packed
    if TENSOR in packed:
        return tensors[packed[TENSOR]]
    if NUMBER in packed:
        return float(packed[NUMBER])
    if ITEMS in packed:
        return {key: unpack(value, tensors) for key, value in packed[ITEMS]}
    return {key: unpack(value, tensors) for key, value in packed.items()}


def _pack(tree: Tree, path: str, tensors: dict[str, Tensor]) -> Tree:
    if isinstance(tree, Tensor):
        tensors[path] = tree.detach().to("cpu").clone(memory_format=torch.contiguous_format)
        return {TENSOR: path}
    if isinstance(tree, Mapping):
        packed = [(key, _pack(value, f"{path}/{key}", tensors)) for key, value in tree.items()]
        plain = all(isinstance(key, str) and not key.startswith("$") for key, _ in packed)
        return dict(packed) if plain else {ITEMS: [list(pair) for pair in packed]}
    if isinstance(tree, float) and not isfinite(tree):
        return {NUMBER: repr(tree)}
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        return [_pack(value, f"{path}/{place}", tensors) for place, value in enumerate(tree)]
    assert tree is None or isinstance(tree, bool | int | float | str), type(tree)
    return tree
