"""A max-pool in front of its activation: the same numbers and gradients, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from flambeau.network.body import build_body, drawing
from flambeau.network.chain import build_chain
from flambeau.network.layer import IMAGE, Shape
from flambeau.network.modules_pooled import PooledReLU
from flambeau.network.rewriting import pool_first
from flambeau.network.spec import LayerList

POOL: Any = {"max_pool": {"size": 3, "stride": 2, "padding": 1}}
REWRITTEN: list[Any] = [
    [{"conv_block": 8}, {"max_pool": 2}],
    [{"conv2d": 8}, "relu", POOL],
    [{"conv2d": 8}, {"max_pool": 2}, "relu"],
    [{"conv2d": 8}, "relu", {"max_pool": 2}, "relu", POOL],
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


def pooled(shape: tuple[int, ...], **settings: Any) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """The module in training, what it stands for, and pictures in bfloat16 with many equal numbers, some of them 0 and -0."""
    pool = nn.MaxPool2d(**{"kernel_size": 2, **settings})
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1)).mul(4).round().div(4).bfloat16()
    return PooledReLU(pool, nn.ReLU()), nn.Sequential(pool, nn.ReLU()), images.to(memory_format=torch.channels_last)


def ran(module: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Outputs, gradients of the inputs, and what computed them."""
    inputs = images.clone(memory_format=torch.preserve_format).requires_grad_()
    outputs = module(inputs)
    [gradient] = torch.autograd.grad(outputs, inputs, torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2)).to(outputs.dtype))
    return outputs, gradient, type(outputs.grad_fn).__name__


@pytest.mark.parametrize(
    "shape", [(16, 32, 28, 28), (2, 1, 300, 290), (64, 24, 10, 12), (1, 4096, 8, 8), (8192, 8, 2, 2), (70_000, 1, 2, 2)], ids=str
)
def test_bits_give_what_torch_gives(shape: tuple[int, ...]) -> None:
    module, plain, images = pooled(shape)
    (outputs, gradient, way), (expected, slope, _) = ran(module, images), ran(plain, images)
    assert way == "_ByBitsBackward"
    assert torch.equal(outputs, expected) and torch.equal(gradient, slope)
    assert outputs.is_contiguous(memory_format=torch.channels_last) and gradient.is_contiguous(memory_format=torch.channels_last)
    assert not torch.signbit(outputs).any()  # no -0


@pytest.mark.parametrize(
    ("shape", "settings", "change"),
    [
        ((16, 32, 28, 28), {"kernel_size": 3, "stride": 2, "padding": 1}, lambda images: images),
        ((16, 32, 28, 28), {"kernel_size": 2, "stride": 1}, lambda images: images),
        ((16, 32, 27, 28), {"ceil_mode": True}, lambda images: images),
        ((16, 32, 28, 27), {}, lambda images: images),
        ((2, 4, 6, 6), {}, lambda images: images),
        ((16, 32, 28, 28), {}, lambda images: images.float()),
        ((16, 32, 28, 28), {}, lambda images: images.contiguous()),
    ],
)
def test_all_else_is_left_to_torch(shape: tuple[int, ...], settings: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    module, plain, images = pooled(shape, **settings)
    (outputs, gradient, way), (expected, slope, _) = ran(module, change(images)), ran(plain, change(images))
    assert way != "_ByBitsBackward"
    assert torch.equal(outputs, expected) and torch.equal(gradient, slope)


def test_answers_do_not_depend_on_it() -> None:
    module, plain, images = pooled((16, 32, 28, 28))
    assert ran(module.eval(), images)[2] != "_ByBitsBackward"
    assert torch.equal(module(images), plain(images))


@pytest.mark.parametrize("bits", [0x7FC0, 0xFFC0, 0xFFFF, 0xFF81, 0x7F80, 0xFF80], ids=hex)  # NaNs of both signs, the infinite ones
def test_what_is_not_finite_stays_so(bits: int) -> None:
    module, plain, images = pooled((16, 32, 28, 28))
    value = torch.tensor(bits - 0x10000 if bits > 0x7FFF else bits, dtype=torch.int16).view(torch.bfloat16)
    images[3] = value
    images[4, 5, :2, :2] = torch.tensor([[-1.0, -1.0], [-2.0, -0.0]])
    images[4, 5, 0, 1] = value
    assert images[3].view(torch.int16).eq(value.view(torch.int16)).all()  # not made another NaN on the way
    assert torch.equal(ran(module, images)[0].isfinite(), ran(plain, images)[0].isfinite())


def test_an_output_that_is_changed_afterwards_is_noticed() -> None:
    module, _, images = pooled((16, 32, 28, 28))
    outputs = module(images.requires_grad_())
    outputs.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


def test_a_pool_and_the_relu_behind_it_become_one() -> None:
    network = built([{"conv2d": 8}, {"max_pool": 2}, "relu", {"max_pool": 2}, "leaky_relu"])
    pool_first(network)
    kinds = [type(module).__name__ for module in network.children()]
    assert kinds == ["Conv2d", "PooledReLU", "Identity", "MaxPool2d", "LeakyReLU"]


def test_every_network_that_is_built_of_layers_is_rewritten() -> None:
    body = build_body(LayerList(layers=[{"conv_block": 8}, {"max_pool": 2}]).filled(), Shape(IMAGE, (3, 9, 12)), seed=3)
    kinds = [type(module).__name__ for module in body.module.modules() if not list(module.children())]
    assert kinds.index("MaxPool2d") < kinds.index("ReLU")
