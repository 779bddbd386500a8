"""The table of a network: what each part gives and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flambeau.network.branches import Branched
from flambeau.network.build import Network
from flambeau.network.cost import Cost, example, measure
from flambeau.network.layer import FEATURES, Shape
from flambeau.network.modules import Chain
from flambeau.types import TensorSpec


@dataclass(frozen=True)
class Row:
    """One part of a network, for one example."""

    name: str
    """What the spec calls it, behind the name of its branch where there are several; "head" is the linear that the task adds. An input is
    a row, too."""
    output: str
    """What it gives: "channels 32 x height 14 x width 14"."""
    parameters: int
    flops: int
    """Forward, 2 for each multiply-add of convolutions and matrix products."""
    memory_bytes: int
    """What training keeps of it for the way back."""


def layer_table(network: Network, specs: Mapping[str, TensorSpec]) -> list[Row]:
    """A network and what its preprocessing gives -> a row for each input, for each layer, and for the head.

    The network runs once on tensors without memory (one that holds code of the user: once on zeros).
    """
    shapes = {name: Shape.of(spec) for name, spec in specs.items()}
    rows: list[Row] = []
    features = [_example(network, shape) for shape in shapes.values()]
    if isinstance(network.body, Branched):
        for place, (branch, (name, shape)) in enumerate(zip(network.body.branches, shapes.items(), strict=True)):
            rows.append(Row(name, str(shape), 0, 0, 0))
            features[place] = _walk(branch, features[place], rows, f"{name}: ")
        cost, joined = measure(network.body.join, *features)
        rows.append(_row("join", Shape(FEATURES, (joined.shape[1],)), cost))
        last = _walk(network.body.trunk, joined, rows)
    else:
        rows.extend(Row(name, str(shape), 0, 0, 0) for name, shape in shapes.items())
        last = _walk(network.body, features[0], rows)
    cost, answers = measure(network.head, last)
    return [*rows, _row("head", Shape(FEATURES, (answers.shape[1],)), cost)]


def total(rows: Sequence[Row]) -> Row:
    """All rows together: the cost of the whole network, and what it gives."""
    cost = sum((Cost(row.parameters, row.flops, row.memory_bytes) for row in rows), Cost(0, 0, 0))
    return Row("total", rows[-1].output, cost.parameters, cost.flops, cost.memory_bytes)


def _walk(chain: nn.Module, tensor: Tensor, rows: list[Row], prefix: str = "") -> Tensor:
    """What a chain gives for an example; a row for each of its parts is added."""
    assert isinstance(chain, Chain)

    def step(name: str, module: nn.Module, shape: Shape, *tensors: Tensor) -> Tensor:
        cost, result = measure(module, *tensors)
        rows.append(_row(prefix + name.split("_", 1)[1], shape, cost))
        return result

    return chain.walk(tensor, step)


def _row(name: str, shape: Shape, cost: Cost) -> Row:
    return Row(name, str(shape), cost.parameters, cost.flops, cost.memory_bytes)


def _example(network: Network, shape: Shape) -> Tensor:
    return example(shape, device=next(network.head.parameters()).device if not network.on_meta else torch.device("meta"))
