"""Batches of time series, varied on the device, padding and gaps respected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.geometry import Numbers, between
from flambeau.inputs.augment.grain import sheet
from flambeau.inputs.augment.series_steps import Jitter, ScaleValues, Warp, Window
from flambeau.inputs.augment.steps import Step
from flambeau.types import MASK, Batch

STREAMS = 512
"""Random numbers that one step may draw for each example."""
WAVES = 3
"""Sines of which a warp consists: so many times does the speed change."""
SHEET = 2**16
"""Places at which the fixed sheet of noise can be cut."""

Kind = TypeVar("Kind", bound=Step)
Uniform = Callable[[int], Numbers]


@dataclass(frozen=True)
class SeriesVariation:
    """The augmentation of one input of series."""

    steps: tuple[Step, ...]

    def __call__(self, batch: Batch, draw: Draw) -> Batch:
        """Series (batch, time, channels) and, where lengths differ, their mask (batch, time) -> the same, varied; the mask stays."""
        with torch.no_grad():
            varied = dict(batch.inputs)
            for name, values in batch.inputs.items():
                if not name.endswith(MASK):
                    mask = batch.inputs.get(name + MASK)
                    real = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device) if mask is None else mask
                    varied[name] = torch.where(real[..., None], self._vary(values, real, draw), 0.0)
        return replace(batch, inputs=varied)

    def _vary(self, values: Tensor, real: Tensor, draw: Draw) -> Tensor:
        windows, warps = self._of(Window, draw), self._of(Warp, draw)
        if windows or warps:
            values = resampled(values, _places(values, real, windows, warps), real)
        mean, std = moments(values, real)
        for scale, uniform in self._of(ScaleValues, draw):
            factors = np.stack([between(uniform(channel), 1 - scale.by, 1 + scale.by) for channel in range(min(values.shape[2], STREAMS))], 1)
            values = torch.lerp(mean, values, _tensor(np.resize(factors, (len(factors), values.shape[2])), values)[:, None])
        for jitter, uniform in self._of(Jitter, draw):
            values = values + _grains(values, uniform(0)) * std * _tensor(jitter.std * uniform(1), values)[:, None, None]
        return values

    def _of(self, kind: type[Kind], draw: Draw) -> list[tuple[Kind, Uniform]]:
        """The steps of one kind, each with its own random numbers."""
        return [(step, _uniform(draw, place)) for place, step in enumerate(self.steps) if isinstance(step, kind)]


def _uniform(draw: Draw, place: int) -> Uniform:
    return lambda number: draw.uniform(STREAMS * place + number)


def _places(values: Tensor, real: Tensor, windows: list[tuple[Window, Uniform]], warps: list[tuple[Warp, Uniform]]) -> Tensor:
    """(batch, time) from which time of the old series each new time comes, within its real part."""
    last = (real.sum(1) - 1).clamp_min(0).to(values.dtype)[:, None]
    share = torch.arange(values.shape[1], device=values.device, dtype=values.dtype) / last.clamp_min(1)
    share = share.clamp_max(1)
    for warp, uniform in warps:
        for wave in range(1, WAVES + 1):  # the derivatives of all sines together stay below `by`
            height = between(uniform(wave), -warp.by, warp.by) / (WAVES * np.pi * wave)
            share = share + _tensor(height, values)[:, None] * torch.sin(np.pi * wave * share)
    for window, uniform in windows:
        size = 1 - window.by * uniform(0)
        share = share * _tensor(size, values)[:, None] + _tensor((1 - size) * uniform(1), values)[:, None]
    return share.clamp(0, 1) * last


def resampled(values: Tensor, places: Tensor, real: Tensor) -> Tensor:
    """Values (batch, time, channels) at places (batch, time), linearly between neighbours; missing where a neighbour that counts is."""
    left = places.floor()
    part = (places - left)[..., None]
    first = left.long()
    second = (first + 1).minimum((real.sum(1) - 1).clamp_min(0)[:, None])
    one, other = (values.gather(1, place[..., None].expand(-1, -1, values.shape[2])) for place in (first, second))
    return torch.where(part == 0, one, one + (other - one) * part)


def moments(values: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of each series, (batch, 1, channels), over what is real and not missing."""
    counts = real[..., None] & ~torch.isnan(values)
    number = counts.sum(1, keepdim=True).clamp_min(1)
    mean = torch.where(counts, values, 0.0).sum(1, keepdim=True) / number
    squares = torch.where(counts, (values - mean).square(), 0.0).sum(1, keepdim=True) / number
    return mean, squares.sqrt()


def _grains(values: Tensor, places: Numbers) -> Tensor:
    """Normal numbers in the shape of the values, cut out of one fixed sheet."""
    size = values[0].numel()
    windows = torch.from_numpy(sheet(SHEET + size)).to(values.device).unfold(0, size, 1)
    return windows[torch.from_numpy((places * SHEET).astype(np.int64)).to(values.device)].view(values.shape)


def _tensor(numbers: Numbers, like: Tensor) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32)).to(like.device)
