"""The table of a network: what each part gives and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flambeau.network.build import Network
from flambeau.network.cost import Cost, measure
from flambeau.network.layer import FEATURES, Shape
from flambeau.types import TensorSpec


@dataclass(frozen=True)
class Row:
    """One part of a network, for one example."""

    name: str
    """What the spec calls it; "head" is the linear that the task adds; the first row is the input."""
    output: str
    """What it gives: "channels 32 x height 14 x width 14"."""
    parameters: int
    flops: int
    """Forward, 2 for each multiply-add of convolutions and matrix products."""
    memory_bytes: int
    """What training keeps of it for the way back."""


def layer_table(network: Network, specs: Mapping[str, TensorSpec]) -> list[Row]:
    """A network and what its preprocessing gives -> a row for the input, for each layer, and for the head.

    The network runs once on tensors without memory (one that holds code of the user: once on zeros).
    """
    [(name, spec)] = specs.items()
    shape = Shape.of(spec)
    rows = [Row(name, str(shape), 0, 0, 0)]
    tensor = _example(network, shape)
    for part, module, after in _parts(network):
        cost, tensor = measure(module, tensor)
        rows.append(_row(part, after, cost))
    return rows


def total(rows: Sequence[Row]) -> Row:
    """All rows together: the cost of the whole network, and what it gives."""
    cost = sum((Cost(row.parameters, row.flops, row.memory_bytes) for row in rows), Cost(0, 0, 0))
    return Row("total", rows[-1].output, cost.parameters, cost.flops, cost.memory_bytes)


def _parts(network: Network) -> Iterator[tuple[str, nn.Module, Shape]]:
    for (name, module), shape in zip(network.body.named_children(), network.body.shapes, strict=True):
        yield name.split("_", 1)[1], module, shape
    out_features = network.head.out_features
    assert isinstance(out_features, int)
    yield "head", network.head, Shape(FEATURES, (out_features,))


def _row(name: str, shape: Shape, cost: Cost) -> Row:
    return Row(name, str(shape), cost.parameters, cost.flops, cost.memory_bytes)


def _example(network: Network, shape: Shape) -> Tensor:
    device = next(network.head.parameters()).device if not network.on_meta else torch.device("meta")
    return torch.zeros(1, *shape.concrete, device=device)
