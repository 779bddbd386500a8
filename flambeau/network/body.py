"""The middle of a network: from what the preprocessing gives to the features that the head reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from flambeau.errors import Notice, RecipeError, ShapeError
from flambeau.network.chain import build_chain, inside, last_shape, takes
from flambeau.network.combine import num_layers
from flambeau.network.cost import example, measure
from flambeau.network.custom import names_class
from flambeau.network.layer import FEATURES, Layer, Shape
from flambeau.network.pooling import GlobalAvgPool
from flambeau.network.rewriting import pool_first
from flambeau.network.weights import KeyReport

MAX_LAYERS = 2_000
MAX_PARAMETERS = 2_000_000_000
MAX_ACTIVATION_BYTES = 4 * 2**30
"""For one example in training. A giant is a slip of the pen far more often than a wish."""


@dataclass(frozen=True)
class Body:
    """What a spec was built to."""

    module: nn.Module
    """What each input is, in order -> (batch, features)."""
    features: int
    """How many features it gives."""
    scaled: tuple[tuple[nn.Module, float], ...] = ()
    """The parts whose learning rate is a share of the head's, and that share."""
    on_meta: bool = True
    """Whether it runs on tensors without memory; code of the user may look at its numbers."""
    notices: tuple[Notice, ...] = ()
    reports: tuple[KeyReport, ...] = ()
    """What came from files of weights."""


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Weights that are made inside depend on `seed` alone; torch's own generator is put back at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def with_pool(layers: tuple[Layer, ...], shape: Shape) -> tuple[Layer, ...]:
    """The layers, and global_avg_pool behind them where they do not end with features."""
    after = last_shape(layers, shape)
    if after.axes == FEATURES:
        return layers
    if after.axes not in GlobalAvgPool.takes:
        raise ShapeError("head-needs-features", gets=str(after), takes=takes(GlobalAvgPool))
    return (*layers, GlobalAvgPool())


def build_body(layers: tuple[Layer, ...], shape: Shape, seed: int) -> Body:
    """Layers -> their modules with weights, (batch, *shape) -> (batch, features).

    A network that is too large is refused before its weights are allocated: it is built and run without memory first.
    """
    try:
        _refuse_many(layers)
        complete = with_pool(layers, shape)
        with torch.device("meta"):
            draft = build_chain(complete, shape)
        refuse_giant(draft, shape)
        with drawing(seed):
            chain = build_chain(complete, shape)
        pool_first(chain)
        return Body(chain, last_shape(complete, shape).concrete[0], on_meta=not names_class(layers))
    except RecipeError as error:
        raise inside(error, "network") from None


def _refuse_many(layers: tuple[Layer, ...]) -> None:
    count = num_layers(layers)
    if count > MAX_LAYERS:
        raise RecipeError("layers-too-many", count=count, limit=MAX_LAYERS)


def refuse_giant(draft: nn.Module, shape: Shape) -> None:
    """Nothing, if a module on "meta" has a size that a machine can be asked to hold.

    Raises:
        RecipeError: too many parameters, or too much memory for one example.
    """
    parameters = sum(parameter.numel() for parameter in draft.parameters())
    if parameters > MAX_PARAMETERS:
        raise RecipeError("parameters-too-many", count=parameters, limit=MAX_PARAMETERS)
    cost, _ = measure(draft, example(shape))
    if cost.memory_bytes > MAX_ACTIVATION_BYTES:
        raise RecipeError("memory-too-large", gib=cost.memory_bytes / 2**30, limit=MAX_ACTIVATION_BYTES / 2**30)
