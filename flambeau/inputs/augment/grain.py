"""Blur, noise and erasing: what a bad camera or a finger in front of it does."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from flambeau import randomness
from flambeau.inputs.augment.geometry import Change, Numbers, Uniform, between
from flambeau.inputs.augment.steps import Blur, Erase, Noise, Step

GRAINY = (Blur, Noise, Erase)

SHEET = 2**16
"""Places at which the fixed sheet of noise can be cut."""
MOST_OBLONG = 2.0
"""An erased rectangle is at most so many times as high as wide, or as wide as high, in shares of the picture's sides."""


def graining(step: Step, uniform: Uniform) -> Change:
    """Pictures of levels 0 to 255 blurred, noisy or with a hole."""
    match step:
        case Blur(sigma=sigma):
            sigmas, radius = sigma * uniform(0), math.ceil(3 * sigma)
            return lambda images, group: blur(images, sigmas[group], radius)
        case Noise(std=std):
            stds, places = std * uniform(0) * np.where(uniform(1) < 0.5, -1, 1), uniform(2)
            return lambda images, group: noise(images, stds[group], places[group])
        case Erase(area=area, probability=probability):
            areas = np.where(uniform(0) < probability, area * uniform(1), 0)
            places = np.stack([uniform(number) for number in (2, 3, 4)])
            return lambda images, group: erase(images, areas[group], *places[:, group])
    raise AssertionError(f"{step.name} is not here")


def blur(images: Tensor, sigmas: Numbers, radius: int) -> Tensor:
    """Each picture blurred by its own standard deviation (batch,) in pixels, cut off at `radius`; the border is repeated."""
    batch, channels, height, width = images.shape
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / np.maximum(sigmas, 1e-2)[:, None]) ** 2)
    kernels = torch.from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32)).to(images.device)
    kernels = kernels.repeat_interleave(channels, 0)[:, None, None]
    flat = images.reshape(1, batch * channels, height, width)
    flat = conv2d(pad(flat, [radius, radius, 0, 0], "replicate"), kernels, groups=batch * channels)
    flat = conv2d(pad(flat, [0, 0, radius, radius], "replicate"), kernels.transpose(2, 3), groups=batch * channels)
    return flat.reshape(images.shape)


def noise(images: Tensor, stds: Numbers, places: Numbers) -> Tensor:
    """Normal noise of standard deviation |std| (batch,) added to each picture.

    It is cut, at a place (batch,) in [0, 1), out of one fixed sheet of normal numbers: that is hundreds of times quicker
    than new ones and depends on nothing but the draw. A negative std turns the sheet over.
    """
    size = images[0].numel()
    windows = torch.from_numpy(sheet(SHEET + size)).to(images.device).unfold(0, size, 1)
    starts = torch.from_numpy((places * SHEET).astype(np.int64)).to(images.device)
    grains = windows[starts].view(images.shape)
    return torch.addcmul(images, grains, _per_picture(stds, images)).clamp_(0, 255)


@cache
def sheet(length: int) -> npt.NDArray[np.float32]:
    """Normal numbers, always the same. Source: Box, Muller, Annals of Mathematical Statistics, 1958."""
    first, second = randomness.uniform(0, np.arange(length), 1), randomness.uniform(0, np.arange(length), 2)
    normal = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)
    return np.asarray(normal, np.float32)


def erase(images: Tensor, areas: Numbers, shapes: Numbers, down: Numbers, across: Numbers) -> Tensor:
    """In each picture a rectangle of this share of the area (batch,) becomes the mean colour; (batch,) numbers in [0, 1) shape and place it."""
    oblong = MOST_OBLONG ** between(shapes, -0.5, 0.5)
    sides = np.minimum(1, np.sqrt(areas) * oblong), np.minimum(1, np.sqrt(areas) / oblong)
    hole, _ = rectangles(images, sides[0], sides[1], down, across)
    return torch.where(hole, images.mean((2, 3), keepdim=True), images)


def rectangles(images: Tensor, heights: Numbers, widths: Numbers, down: Numbers, across: Numbers) -> tuple[Tensor, Numbers]:
    """Rectangles of whole pixels inside the pictures.

    Args:
        images: (batch, channels, height, width), for their size and device.
        heights: (batch,) as shares of the picture's height; widths likewise.
        down: (batch,) in [0, 1): from the uppermost to the lowest place; across likewise.

    Returns:
        (batch, 1, height, width) true inside; (batch,) the share of the pixels that lie inside.
    """
    masks, shares = [], np.ones(len(heights))
    for axis, sides, places in ((2, heights, down), (3, widths, across)):
        length = images.shape[axis]
        size = np.rint(sides * length)
        start = np.floor(places * (length - size + 1))
        shares = shares * size / length
        pixels = torch.arange(length, device=images.device)
        low, high = (torch.from_numpy(edge).to(images.device)[:, None] for edge in (start, start + size))
        masks.append((pixels >= low) & (pixels < high))
    return (masks[0][:, :, None] & masks[1][:, None, :])[:, None], shares


def _per_picture(numbers: Numbers, images: Tensor) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32)).to(images.device)[:, None, None, None]
