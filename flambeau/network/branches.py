"""Several inputs: a body for each, what they give joined, and a trunk behind it."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from flambeau.errors import RecipeError
from flambeau.network.body import Body, drawing
from flambeau.network.layer import FEATURES, Shape
from flambeau.network.modules import joined
from flambeau.network.modules_time import AttentionPool
from flambeau.network.padding import Flow, parts
from flambeau.network.spec import Branches, OneInput

Builder = Callable[[OneInput, Shape, int], Body]
"""Builds the body of one input: its network, its shape, the seed."""


class Branched(nn.Module):
    """What each input is, in order, each through its branch -> (batch, features) behind the trunk."""

    def __init__(self, names: Sequence[str], branches: Sequence[nn.Module], join: nn.Module, trunk: nn.Module) -> None:
        super().__init__()
        self.names = tuple(names)
        self.branches = nn.ModuleList(branches)
        self.join = join
        self.trunk = trunk

    def forward(self, *inputs: Flow) -> Tensor:
        features = [parts(branch(x))[0] for branch, x in zip(self.branches, inputs, strict=True)]
        return self.trunk(self.join(*features))  # type: ignore[no-any-return]


class SideBySide(nn.Module):
    """Features of several branches, each (batch, features) -> (batch, all features)."""

    def forward(self, *features: Tensor) -> Tensor:
        return joined(features, 1)


class Alike(nn.Module):
    """Features of several branches, brought to one width -> (batch, features): added up, or a mean with weights for each example."""

    def __init__(self, sizes: Sequence[int], attention: bool) -> None:
        super().__init__()
        width = max(sizes)
        self.fit = nn.ModuleList(nn.Identity() if size == width else nn.Linear(size, width) for size in sizes)
        self.pool = AttentionPool(width) if attention else None

    def forward(self, *features: Tensor) -> Tensor:
        fitted = [fit(x) for fit, x in zip(self.fit, features, strict=True)]
        return joined(fitted, None) if self.pool is None else self.pool(torch.stack(fitted, 1))


def build_branches(spec: Branches, shapes: Mapping[str, Shape], seed: int, build: Builder) -> Body:
    """A spec and the shape of each input -> the body of all of them.

    Args:
        build: makes the body of one input.

    Raises:
        RecipeError: branches that are not those of the inputs, or a branch that does not fit its input; `path` addresses the node.
    """
    if set(spec.branches) != set(shapes):
        raise RecipeError("branches-inputs", path=("network", "branches"), branches=", ".join(spec.branches), inputs=", ".join(shapes))
    bodies = [_placed(build, spec.branches[name], shape, seed + 10 * number, "branches", name) for number, (name, shape) in enumerate(shapes.items())]
    sizes = [body.features for body in bodies]
    with drawing(seed + 2):
        join = SideBySide() if spec.join == "concatenate" else Alike(sizes, spec.join == "attention")
    width = sum(sizes) if spec.join == "concatenate" else max(sizes)
    trunk = _placed(build, spec.trunk, Shape(FEATURES, (width,)), seed + 3, "trunk")
    everything = [*bodies, trunk]
    return Body(
        Branched(tuple(shapes), [body.module for body in bodies], join, trunk.module),
        trunk.features,
        tuple(part for body in everything for part in body.scaled),
        all(body.on_meta for body in everything),
        tuple(notice for body in everything for notice in body.notices),
        tuple(replace(report, place=name) for name, body in zip([*shapes, "trunk"], everything, strict=True) for report in body.reports),
    )


def _placed(build: Builder, spec: OneInput, shape: Shape, seed: int, *place: str) -> Body:
    """The body of one input; its problems are told where it stands in the recipe."""
    try:
        return build(spec, shape, seed)
    except RecipeError as error:
        error.path = ("network", *place, *error.path[1:])
        raise
