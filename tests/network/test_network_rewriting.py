"""A max-pool in front of its activation: the same numbers and gradients, to the bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from flambeau.network.body import build_body, drawing
from flambeau.network.chain import build_chain
from flambeau.network.layer import IMAGE, Shape
from flambeau.network.rewriting import pool_first
from flambeau.network.spec import LayerList

POOL: Any = {"max_pool": {"size": 3, "stride": 2, "padding": 1}}
REWRITTEN: list[Any] = [
    [{"conv_block": 8}, {"max_pool": 2}],
    [{"conv2d": 8}, "relu", POOL],
    [{"conv_block": {"channels": 8, "activation": "leaky_relu"}}, {"max_pool": 2}],
    [{"residual": [{"conv_block": 8}, {"max_pool": 2}]}],
]
LEFT: list[Any] = [
    [{"conv_block": {"channels": 8, "activation": "silu"}}, {"max_pool": 2}],
    [{"conv_block": 8}, {"avg_pool": 2}],
    [{"leaky_relu": -0.5}, {"max_pool": 2}],
    [{"residual": {"layers": [{"conv_block": 3}], "activation": "relu"}}, {"max_pool": 2}],
]


def built(layers: Any) -> nn.Module:
    with drawing(3):
        return build_chain(LayerList(layers=layers).filled(), Shape(IMAGE, (3, 9, 12)))


@pytest.mark.parametrize("layers", REWRITTEN)
def test_outputs_and_gradients_are_the_same_to_the_bit(layers: Any) -> None:
    plain, rewritten = built(layers), built(layers)
    pool_first(rewritten)
    assert "Identity" in str(rewritten)
    assert list(plain.state_dict()) == list(rewritten.state_dict())
    images = torch.randn(5, 3, 9, 12, generator=torch.Generator().manual_seed(1))
    images[0] = 0
    results = []
    for network in (plain, rewritten):
        inputs = images.clone().requires_grad_()
        outputs = network(inputs)
        outputs.square().sum().backward()
        results.append([outputs, inputs.grad, *(parameter.grad for parameter in network.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("layers", LEFT)
def test_what_would_change_the_numbers_is_left(layers: Any) -> None:
    network = built(layers)
    before = str(network)
    pool_first(network)
    assert str(network) == before


def test_every_network_that_is_built_of_layers_is_rewritten() -> None:
    body = build_body(LayerList(layers=[{"conv_block": 8}, {"max_pool": 2}]).filled(), Shape(IMAGE, (3, 9, 12)), seed=3)
    kinds = [type(module).__name__ for module in body.module.modules() if not list(module.children())]
    assert kinds.index("MaxPool2d") < kinds.index("ReLU")
