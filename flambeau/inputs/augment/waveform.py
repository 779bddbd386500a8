"""Batches of waveforms, varied on the device. Masks of the spectrogram are made here too, as filters and as silence: the graph part
that is exported has nothing random in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.geometry import Numbers, between
from flambeau.inputs.augment.grain import sheet
from flambeau.inputs.augment.sound_steps import Equalise, FrequencyMask, Gain, Hiss, ShiftTime, Speed, TimeMask
from flambeau.inputs.augment.steps import Step
from flambeau.inputs.sound.mel import to_mel
from flambeau.types import Batch

STREAMS = 32
"""Random numbers that one step may draw for each example."""
POINTS = 6
"""Of the spectrum at which the equaliser has its own gain; straight lines between them."""
SHEET = 2**16
"""Places at which the fixed sheet of noise can be cut."""

Kind = TypeVar("Kind", bound=Step)
Uniform = Callable[[int], Numbers]


@dataclass(frozen=True)
class Waveforms:
    """The augmentation of one audio input."""

    steps: tuple[Step, ...]
    rate: int
    """Samples a second."""

    def __call__(self, batch: Batch, draw: Draw) -> Batch:
        """Samples (batch, time), int16 -> float32 of the same axes and range."""
        with torch.no_grad():
            return replace(batch, inputs={name: self._vary(samples.float(), draw) for name, samples in batch.inputs.items()})

    def _vary(self, samples: Tensor, draw: Draw) -> Tensor:
        speeds, shifts = self._of(Speed, draw), self._of(ShiftTime, draw)
        if speeds or shifts:
            samples = move(samples, sum_of(speeds, _log_speed, len(samples)), sum_of(shifts, _shift, len(samples)))
        equalisers, masks = self._of(Equalise, draw), self._of(FrequencyMask, draw)
        if equalisers or masks:
            samples = filtered(samples, equalisers, masks, self.rate)
        for gain, uniform in self._of(Gain, draw):
            samples = samples * _column(10 ** (between(uniform(0), -gain.by, gain.by) / 20), samples)
        for hiss, uniform in self._of(Hiss, draw):
            samples = noisy(samples, between(uniform(0), hiss.above, max(hiss.above, hiss.below)), uniform(1))
        for mask, uniform in self._of(TimeMask, draw):
            samples = silenced(samples, mask, uniform)
        return samples

    def _of(self, kind: type[Kind], draw: Draw) -> list[tuple[Kind, Uniform]]:
        """The steps of one kind, each with its own random numbers."""
        return [(step, _uniform(draw, place)) for place, step in enumerate(self.steps) if isinstance(step, kind)]


def _uniform(draw: Draw, place: int) -> Uniform:
    return lambda number: draw.uniform(STREAMS * place + number)


def sum_of(steps: list[tuple[Kind, Uniform]], amount: Callable[[Kind, Uniform], Numbers], size: int) -> Numbers:
    """(batch,) the amounts of several steps together; 0 without a step."""
    return np.asarray(np.sum([np.zeros(size), *(amount(step, uniform) for step, uniform in steps)], 0))


def _log_speed(step: Speed, uniform: Uniform) -> Numbers:
    return between(uniform(0), -1, 1) * math.log1p(step.by)


def _shift(step: ShiftTime, uniform: Uniform) -> Numbers:
    return between(uniform(0), -step.by, step.by)


def move(samples: Tensor, log_speeds: Numbers, shifts: Numbers) -> Tensor:
    """Samples (batch, time) -> the same at another speed (batch,) about the middle, and shifted (batch,) by a share of the clip to the left.

    Cubic interpolation; beyond the ends there is silence. Source: Catmull, Rom, Computer Aided Geometric Design, 1974.
    """
    time = samples.shape[1]
    centred = torch.arange(time, device=samples.device) - time / 2
    places = torch.addcmul(_column(shifts * time + time / 2, samples), centred, _column(np.exp(log_speeds), samples))
    first = places.floor()
    part = places - first
    first = first.long()
    weights = (
        ((-0.5 * part + 1) * part - 0.5) * part,
        (1.5 * part - 2.5) * part * part + 1,
        ((-1.5 * part + 2) * part + 0.5) * part,
        (0.5 * part - 0.5) * part * part,
    )
    moved = torch.zeros_like(samples)
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        place = first + offset
        inside = (place >= 0) & (place < time)
        moved += weight * torch.where(inside, samples.gather(1, place.clamp(0, time - 1)), 0.0)
    return moved


def filtered(samples: Tensor, equalisers: list[tuple[Equalise, Uniform]], masks: list[tuple[FrequencyMask, Uniform]], rate: int) -> Tensor:
    """Samples (batch, time) through one filter each: gains at POINTS of the spectrum, and bands that are taken out."""
    spectrum = torch.fft.rfft(samples)
    bins = spectrum.shape[1]
    gains = np.ones((len(samples), bins), np.float32)
    for step, uniform in equalisers:
        points = np.stack([between(uniform(point), -step.by, step.by) for point in range(POINTS)], 1)
        gains *= 10 ** (_lines(points, bins) / 20)
    scale = to_mel(np.linspace(0, rate / 2, bins))
    for mask, uniform in masks:
        for number in range(mask.masks):
            low, high = _span(mask.by, uniform(2 * number), uniform(2 * number + 1))
            share = scale / scale[-1]
            gains[(share >= low[:, None]) & (share < high[:, None])] = 0
    moved: Tensor = torch.fft.irfft(spectrum * torch.from_numpy(gains).to(samples.device), samples.shape[1])
    return moved


def _lines(points: Numbers, bins: int) -> Numbers:
    """(batch, points) -> (batch, bins), straight lines between points that are evenly spread."""
    place = np.linspace(0, points.shape[1] - 1, bins)
    left = np.minimum(place.astype(np.int64), points.shape[1] - 2)
    part = place - left
    return np.asarray(points[:, left] * (1 - part) + points[:, left + 1] * part)


def _span(by: float, width: Numbers, place: Numbers) -> tuple[Numbers, Numbers]:
    """Random numbers -> (batch,) where spans of at most `by` begin and end, as shares of the whole."""
    sizes = by * width
    low = place * (1 - sizes)
    return low, low + sizes


def noisy(samples: Tensor, decibels: Numbers, places: Numbers) -> Tensor:
    """Samples (batch, time) with white noise so many decibels (batch,) below their own loudness, cut out of one fixed sheet of normal numbers."""
    time = samples.shape[1]
    windows = torch.from_numpy(sheet(SHEET + time)).to(samples.device).unfold(0, time, 1)
    grains = windows[torch.from_numpy((places * SHEET).astype(np.int64)).to(samples.device)]
    return samples + grains * samples.square().mean(1, keepdim=True).sqrt() * _column(10 ** (-decibels / 20), samples)


def silenced(samples: Tensor, mask: TimeMask, uniform: Uniform) -> Tensor:
    """Samples (batch, time) with spans of silence."""
    share = torch.arange(samples.shape[1], device=samples.device) / samples.shape[1]
    for number in range(mask.masks):
        low, high = _span(mask.by, uniform(2 * number), uniform(2 * number + 1))
        samples = torch.where((share >= _column(low, samples)) & (share < _column(high, samples)), 0.0, samples)
    return samples


def _column(numbers: Numbers, like: Tensor) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32)).to(like.device)[:, None]
