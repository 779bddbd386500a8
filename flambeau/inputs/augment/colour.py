"""Brightness, contrast, saturation and hue: all are linear, so that one pass over the pixels does them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flambeau.inputs.augment.geometry import Change, Numbers, Uniform, between
from flambeau.inputs.augment.steps import Brightness, Colour, Contrast, Step
from flambeau.inputs.statistics import GREY_WEIGHTS

COLOURING = (Brightness, Contrast, Colour)

RGB_TO_YIQ = np.array([GREY_WEIGHTS, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""Luma and two axes of colour; a turn of these two changes the hue and nothing else. Source: NTSC, FCC 73.682, 1953."""
YIQ_TO_RGB = np.linalg.inv(RGB_TO_YIQ)


def colouring(steps: Sequence[Step], uniforms: Sequence[Uniform], channels: int, number: int) -> Change:
    """All steps in their order, on `number` pictures of levels 0 to 255. Levels beyond black or white are cut off once, at the end."""
    on_pixels, on_means = mixes(steps, uniforms, channels, number)
    by_contrast = any(isinstance(step, Contrast) for step in steps)
    by_channel = channels > 1 and any(isinstance(step, Colour) for step in steps)

    def change(images: Tensor, group: slice) -> Tensor:
        gain, from_means = (torch.from_numpy(mix[group].astype(np.float32)).to(images.device) for mix in (on_pixels, on_means))
        means = images.mean((2, 3)) if by_contrast else images.new_zeros(len(images), channels)
        offset = (from_means * means[:, None, :]).sum(2)[:, :, None, None]
        if not by_channel:
            return torch.addcmul(offset, images, gain[:, :1, :1, None]).clamp_(0, 255)
        return torch.stack([_weighted(images, gain[:, row]) for row in range(channels)], 1).add_(offset).clamp_(0, 255)

    return change


def _weighted(images: Tensor, weights: Tensor) -> Tensor:
    """(batch, channels, height, width), (batch, channels) -> the weighted sum of the channels (batch, height, width)."""
    first, *others = (images[:, channel] for channel in range(images.shape[1]))
    total = first * weights[:, 0, None, None]
    for channel, plane in enumerate(others, 1):
        total.addcmul_(plane, weights[:, channel, None, None])
    return total


def mixes(steps: Sequence[Step], uniforms: Sequence[Uniform], channels: int, number: int) -> tuple[Numbers, Numbers]:
    """Two (batch, channels, channels) matrices P and M: all steps together give P pixel + M mean, the mean over the picture."""
    grey = np.tile(GREY_WEIGHTS if channels == 3 else np.ones(1), (channels, 1))
    same = np.eye(channels)
    on_pixels, on_means = np.tile(same, (number, 1, 1)), np.zeros((number, channels, channels))
    for step, uniform in zip(steps, uniforms, strict=True):
        match step:
            case Brightness(by=by):
                factor = between(uniform(0), 1 - by, 1 + by)[:, None, None]
                on_pixels, on_means = factor * on_pixels, factor * on_means
            case Contrast(by=by):
                factor = between(uniform(0), 1 - by, 1 + by)[:, None, None]
                on_means = factor * on_means + (1 - factor) * (grey @ (on_pixels + on_means))
                on_pixels = factor * on_pixels
            case Colour(saturation=saturation, hue=hue) if channels == 3:
                factor = between(uniform(0), 1 - saturation, 1 + saturation)[:, None, None]
                turn = (factor * same + (1 - factor) * grey) @ _hue(np.radians(between(uniform(1), -hue, hue)))
                on_pixels, on_means = turn @ on_pixels, turn @ on_means
    return on_pixels, on_means


def _hue(angle: Numbers) -> Numbers:
    """(batch,) radians -> (batch, 3, 3) on RGB."""
    turn = np.tile(np.eye(3), (len(angle), 1, 1))
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -np.sin(angle), np.sin(angle)
    return np.asarray(YIQ_TO_RGB @ turn @ RGB_TO_YIQ)
