"""Which tensor of a file belongs to which tensor of a model: by their names, behind a common prefix, or by their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

Sizes: TypeAlias = Mapping[str, torch.Size]
"""Shape of each tensor by its name, in the order of the file or the model."""
Way: TypeAlias = Literal["names", "order"]

COUNTER = "num_batches_tracked"
"""Batches that a norm has seen: no weight, and older files do not have it."""


@dataclass(frozen=True)
class Pairing:
    """Name in the model -> name in the file."""

    pairs: Mapping[str, str]
    way: Way = "names"
    prefix: str = ""
    """What stood in front of every name that was used and is not in the model's: "body.0_timm."."""


def pairing(own: Sizes, given: Sizes, ordered: bool) -> Pairing:
    """The tensors of a model and those of a file -> which belong together, whatever their shapes.

    Names count first. Where they do not lead to all of the model, the order is tried: it is taken only if every tensor of the model has
    its counterpart there, the same in shape and in the last part of its name, and nothing but a classifier is left over behind them.

    Args:
        ordered: whether the file holds its tensors in the order in which the model that made it has them.
    """
    named = by_name(own, given)
    if all(name in named.pairs and suits(given[named.pairs[name]], size) for name, size in own.items() if not is_counter(name)):
        return named
    in_row = by_order(own, given) if ordered else None
    contradicts = in_row is not None and any(in_row.pairs.get(name) != other for name, other in named.pairs.items() if not is_counter(name))
    return named if in_row is None or contradicts else in_row


def by_name(own: Sizes, given: Sizes) -> Pairing:
    """Equal names, behind the prefix that makes most of them agree; none, where that does as well."""
    found: Counter[str] = Counter({"": 0})
    for name, size in given.items():
        steps = name.split(".")
        for start in range(len(steps)):
            inner = ".".join(steps[start:])
            if inner in own and suits(size, own[inner]):
                found[name.removesuffix(inner)] += 1
    prefix = max(found, key=lambda one: (found[one], -len(one)))
    return Pairing({name: prefix + name for name in own if prefix + name in given}, "names", prefix)


def by_order(own: Sizes, given: Sizes) -> Pairing | None:
    """The first with the first, the second with the second; None unless every pair agrees and one layer at most is left over."""
    ours, theirs = ([name for name in sizes if not is_counter(name)] for sizes in (own, given))
    rest = {name.rpartition(".")[0] for name in theirs[len(ours) :]}
    pairs = dict(zip(ours, theirs, strict=False))
    alike = all(suits(given[other], own[name]) and _last(name) == _last(other) for name, other in pairs.items())
    if len(pairs) < len(ours) or len(rest) > 1 or not alike:
        return None
    counters = [[name for name in sizes if is_counter(name)] for sizes in (own, given)]
    if len(counters[0]) == len(counters[1]):
        pairs.update(zip(*counters, strict=True))
    return Pairing(pairs, "order")


def suits(given: torch.Size, wanted: torch.Size) -> bool:
    """Whether a tensor of one shape can take the place of another: the same, or a first convolution for another number of channels."""
    convolution = len(given) == len(wanted) == 4 and given[1] == 3 and (given[0], *given[2:]) == (wanted[0], *wanted[2:])
    return given == wanted or convolution


def is_counter(name: str) -> bool:
    """Whether a name is that of a norm's counter."""
    return _last(name) == COUNTER


def _last(name: str) -> str:
    return name.rpartition(".")[2]
