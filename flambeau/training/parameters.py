"""Which parameter is treated how: learning-rate scale, weight decay, hidden matrix or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn import Parameter


@dataclass(frozen=True)
class Group:
    """Parameters that learn at a pace of their own: a pretrained backbone slower than its new head."""

    params: Sequence[Parameter]
    lr_scale: float
    """What the learning rate is multiplied with."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that the optimizer treats alike."""

    parameters: tuple[Parameter, ...]
    lr_scale: float
    decay: bool
    """Whether weight decay pulls them: not norms and biases, which are 1-D."""
    hidden: bool
    """Whether they are the matrices and convolution kernels between the first layer and the last."""


def parameter_groups(network: nn.Module, groups: Sequence[Group] = ()) -> list[ParameterGroup]:
    """The parameters that can learn, sorted into groups, in the network's order. Frozen ones are left out.

    Args:
        network: whose parameters.
        groups: what learns at a pace of its own; the others learn at scale 1.
    """
    scales = {id(parameter): group.lr_scale for group in groups for parameter in group.params}
    hidden = _hidden(network)
    sorted_by: dict[tuple[float, bool, bool], list[Parameter]] = {}
    for parameter in trainable(network):
        key = (scales.get(id(parameter), 1.0), parameter.ndim > 1, id(parameter) in hidden)
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


def _hidden(network: nn.Module) -> set[int]:
    """Ids of the matrices and kernels that are neither an embedding nor in the first or the last layer that has any."""
    embeddings = {id(p) for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag) for p in module.parameters()}
    matrices = [id(parameter) for parameter in network.parameters() if parameter.ndim > 1]
    return set(matrices[1:-1]) - embeddings
