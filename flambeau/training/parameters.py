"""Which parameter is treated how: learning-rate scale, weight decay, hidden matrix or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod

from torch import nn
from torch.nn import Parameter

from flambeau.errors import RecipeError

_WHOLE = re.compile(r"\d+_(timm|transformers|custom)")
"""A step of a parameter's name that stands for a model with blocks of its own."""


@dataclass(frozen=True)
class Group:
    """Parameters that learn at a pace of their own: a pretrained backbone slower than its new head."""

    params: Sequence[Parameter]
    lr_scale: float
    """What the learning rate is multiplied with."""


@dataclass(frozen=True)
class Paces:
    """What a recipe says about the pace at which parts of a network learn."""

    scales: tuple[tuple[str, float], ...] = ()
    """(pattern of parameter names, what their learning rate is multiplied with)."""
    layer_decay: float = 1.0
    """What the learning rate is multiplied with from one block to the one below it."""
    unfreeze: int = 0
    """Epochs after which one more block begins to learn, from the head down; 0: all at once."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that the optimizer treats alike."""

    parameters: tuple[Parameter, ...]
    lr_scale: float
    decay: bool
    """Whether weight decay pulls them: not norms and biases, which are 1-D."""
    hidden: bool
    """Whether they are the matrices and convolution kernels between the first layer and the last."""
    starts: int = 0
    """Epochs that pass before they begin to learn."""


def parameter_groups(network: nn.Module, groups: Sequence[Group] = (), paces: Paces | None = None) -> list[ParameterGroup]:
    """The parameters that can learn, sorted into groups, in the network's order. Frozen ones are left out.

    Args:
        network: whose parameters.
        groups: what learns at a pace of its own; the others learn at scale 1.
        paces: what the recipe says about the pace of parts.

    Raises:
        RecipeError: a pattern of the recipe matches no parameter.
    """
    scales = {id(parameter): group.lr_scale for group in groups for parameter in group.params}
    hidden = _hidden(network)
    found = _paces(network, paces) if paces is not None else {}
    sorted_by: dict[tuple[float, bool, bool, int], list[Parameter]] = {}
    for parameter in trainable(network):
        scale, starts = found.get(id(parameter), (1.0, 0))
        key = (scales.get(id(parameter), 1.0) * scale, parameter.ndim > 1, id(parameter) in hidden, starts)
        sorted_by.setdefault(key, []).append(parameter)
    return [ParameterGroup(tuple(members), *key) for key, members in sorted_by.items()]


def trainable(network: nn.Module) -> list[Parameter]:
    """The parameters that are not frozen, each once."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def layers(network: nn.Module) -> dict[str, list[Parameter]]:
    """Layer name -> its own parameters that can learn, in the network's order. What hangs on the network itself is "network"."""
    found: dict[str, list[Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            found.setdefault(name.rpartition(".")[0] or "network", []).append(parameter)
    return found


def _paces(network: nn.Module, paces: Paces) -> dict[int, tuple[float, int]]:
    """Id of each parameter -> what its learning rate is multiplied with, and the epochs before it begins to learn."""
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    for place, (pattern, _) in enumerate(paces.scales):
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecipeError(
                "group-empty", path=("training", "groups", place, "match"), pattern=pattern, names=", ".join(sorted(map(_block, names))[:12])
            )
    block_of = _blocks(network)
    blocks = list(dict.fromkeys(block_of.values()))
    found = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            from_top = len(blocks) - 1 - blocks.index(block_of[name])
            scale = prod(scale for pattern, scale in paces.scales if fnmatchcase(name, pattern)) * paces.layer_decay**from_top
            found[id(parameter)] = (scale, from_top * paces.unfreeze)
    return found


def _blocks(network: nn.Module) -> dict[str, str]:
    """Name of each parameter that can learn -> the block that it belongs to. Norms and biases alone are no block: they go with what is
    in front of them.
    """
    named = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    weighty = {_block(name) for name, parameter in named.items() if parameter.ndim > 1}
    found, before = {}, ""
    for name in named:
        before = _block(name) if _block(name) in weighty or not before else before
        found[name] = before
    return found


def _block(name: str) -> str:
    """The part of a network that a parameter belongs to: its path up to the first step with a number in it, without its own name.

    Of a model that came whole (timm, transformers, a class of the user) the blocks are those inside: up to the first number there, or its
    first step where none has one.
    """
    steps = name.split(".")[:-1]
    whole = next((place for place, step in enumerate(steps) if _WHOLE.fullmatch(step)), None)
    start = 0 if whole is None else whole + 1
    while whole is not None and steps[start : start + 1] in (["module"], ["model"]):  # the wrappers of this package
        start += 1
    numbered = next((place for place in range(start, len(steps)) if any(map(str.isdigit, steps[place]))), None)
    last = len(steps) - 1 if whole is None else start
    return ".".join(steps[: (last if numbered is None else numbered) + 1])


def _hidden(network: nn.Module) -> set[int]:
    """Ids of the matrices and kernels that are neither an embedding nor in the first or the last layer that has any."""
    embeddings = {id(p) for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag) for p in module.parameters()}
    matrices = [id(parameter) for parameter in network.parameters() if parameter.ndim > 1]
    return set(matrices[1:-1]) - embeddings
