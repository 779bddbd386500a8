"""Mixup and cutmix: examples of one batch mixed with each other, and their targets with them.

The partner is found from the examples' own random numbers: in their order each has the next one as its partner, the last
one the first. So the result is a function of (seed, epoch) and of which examples are in the batch, not of their order.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.geometry import Numbers, Uniform
from flambeau.inputs.augment.grain import rectangles
from flambeau.inputs.augment.steps import Cutmix, Mixup, Step
from flambeau.types import Batch

MIXING = (Mixup, Cutmix)


def mix(batch: Batch, draw: Draw, step: Step, uniform: Uniform) -> Batch:
    """The batch with each example mixed with its partner; the targets become soft, (batch, classes)."""
    assert isinstance(step, MIXING)
    partner = partners(uniform(0))
    shares = np.where(uniform(1) < step.probability, smaller_shares(uniform(2), step.alpha), 0)
    if isinstance(step, Mixup):
        inputs = {name: _blend(images, partner, shares) for name, images in batch.inputs.items()}
    else:
        inputs, shares = _patched(batch.inputs, partner, shares, uniform)
    targets = None if batch.targets is None else _blend(draw.soft(batch.targets), partner, shares)
    return replace(batch, inputs=inputs, targets=targets)


def partners(uniform: Numbers) -> npt.NDArray[np.int64]:
    """(batch,) random numbers -> the index of each example's partner: one ring through all of them."""
    order = np.argsort(uniform, kind="stable")
    partner = np.empty_like(order)
    partner[order] = np.roll(order, -1)
    return partner


def smaller_shares(uniform: Numbers, alpha: float) -> Numbers:
    """(batch,) random numbers in [0, 1) -> shares of the partner, at most a half: min(x, 1 - x) for x from Beta(alpha, alpha).

    The inverse of the distribution function, from a table. Below alpha = 1 the density is infinite at x = 0, but smooth
    in t = x**alpha.
    """
    power = min(alpha, 1.0)
    t = np.linspace(0, 0.5**power, 1025)
    density = t ** (alpha / power - 1) * (1 - t ** (1 / power)) ** (alpha - 1)
    below = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    share: Numbers = np.interp(uniform, below / below[-1], t) ** (1 / power)
    return share


def _blend(values: Tensor, partner: npt.NDArray[np.int64], shares: Numbers) -> Tensor:
    """(batch, ...) -> each blended with its partner's, which gets the share."""
    weights = torch.from_numpy(shares.astype(np.float32)).to(values.device).view(-1, *[1] * (values.ndim - 1))
    return torch.lerp(values, values[torch.from_numpy(partner).to(values.device)], weights)


def _patched(inputs: dict[str, Tensor], partner: npt.NDArray[np.int64], shares: Numbers, uniform: Uniform) -> tuple[dict[str, Tensor], Numbers]:
    side = np.sqrt(shares)
    patched = {}
    for name, images in inputs.items():
        patch, shares = rectangles(images, side, side, uniform(3), uniform(4))
        patched[name] = torch.where(patch, images[torch.from_numpy(partner).to(images.device)], images)
    return patched, shares
