"""Geometry: every step is one affine map, and all of them together are one resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from flambeau.inputs.augment.steps import AlternatingFlip, Crop, Flip, Rotate, Scale, Shear, Shift, Step, VerticalFlip

Numbers = npt.NDArray[np.float64]
Uniform = Callable[[int], Numbers]
"""Number of a draw within a step -> (batch,) random numbers in [0, 1)."""
Change = Callable[[Tensor, slice], Tensor]
"""What was drawn for a whole batch, applied to some of its pictures: (group, channels, height, width) float, and which they are -> the same."""

GEOMETRIC = (Flip, AlternatingFlip, VerticalFlip, Rotate, Scale, Shift, Shear, Crop)
EXACT = (Flip, AlternatingFlip, VerticalFlip, Shift)
"""Steps that can move whole pixels: without any other, none is blurred by resampling."""


def between(uniform: Numbers, low: float, high: float) -> Numbers:
    """Numbers in [0, 1) -> the same, spread over [low, high)."""
    return low + (high - low) * uniform


def affine_map(step: Step, uniform: Uniform, height: int, width: int) -> Numbers:
    """(batch, 3, 3): where in the picture before the step each pixel of the picture after it comes from.

    Coordinates are (x to the right, y down, 1) in pixels from the middle of the picture.
    """
    match step:
        case Flip(probability=probability):
            return _rows(xx=_sign(uniform(0) < probability))
        case AlternatingFlip():
            return _rows(xx=_sign(uniform(0) < 0.5))
        case VerticalFlip(probability=probability):
            return _rows(yy=_sign(uniform(0) < probability))
        case Rotate(degrees=degrees):
            angle = np.radians(between(uniform(0), -degrees, degrees))
            return _rows(xx=np.cos(angle), xy=np.sin(angle), yx=-np.sin(angle), yy=np.cos(angle))
        case Scale(by=by):
            zoom = (1 + by) ** between(uniform(0), -1, 1)
            return _rows(xx=zoom, yy=zoom)
        case Shift(by=by):
            return _rows(x=between(uniform(0), -by, by) * width, y=between(uniform(1), -by, by) * height)
        case Shear(degrees=degrees):
            return _rows(xy=np.tan(np.radians(between(uniform(0), -degrees, degrees))))
        case Crop(by=by):
            window = 1 - by * uniform(0)
            room = (1 - window) / 2
            return _rows(xx=window, yy=window, x=between(uniform(1), -1, 1) * room * width, y=between(uniform(2), -1, 1) * room * height)
    raise AssertionError(f"{step.name} is not geometric")


def _sign(flipped: npt.NDArray[np.bool_]) -> Numbers:
    return np.where(flipped, -1.0, 1.0)


def _rows(
    xx: Numbers | float = 1, xy: Numbers | float = 0, x: Numbers | float = 0, yx: Numbers | float = 0, yy: Numbers | float = 1, y: Numbers | float = 0
) -> Numbers:
    """The map (x, y) -> (xx x + xy y + x, yx x + yy y + y)."""
    numbers = np.broadcast_arrays(*map(np.asarray, (xx, xy, x, yx, yy, y, 0.0, 0.0, 1.0)))
    return np.stack(numbers, -1).reshape(-1, 3, 3)


def moving(steps: Sequence[Step], uniforms: Sequence[Uniform], height: int, width: int) -> Change:
    """All steps in their order, as one bilinear sampling; flips and shifts alone move whole pixels. Beyond the border the outermost
    pixel is repeated.
    """
    maps = [affine_map(step, uniform, height, width) for step, uniform in zip(steps, uniforms, strict=True)]
    total = reduce(np.matmul, maps)  # the first step's map is applied last: it leads back to the original
    apply = _copied if all(isinstance(step, EXACT) for step in steps) else _sampled
    return lambda images, group: apply(images, total[group])


def _copied(images: Tensor, maps: Numbers) -> Tensor:
    height, width = images.shape[2:]
    columns = _places(maps[:, 0, 0], maps[:, 0, 2], width)
    rows = _places(maps[:, 1, 1], maps[:, 1, 2], height)
    places = torch.from_numpy((rows[:, :, None] * width + columns[:, None, :]).reshape(len(maps), 1, -1)).to(images.device)
    return images.flatten(2).gather(2, places.expand(-1, images.shape[1], -1)).reshape(images.shape)


def _places(sign: Numbers, offset: Numbers, size: int) -> npt.NDArray[np.int64]:
    """(batch, size): the pixel of the original that each pixel shows, along one axis; `offset` is rounded to whole pixels."""
    middle = (size - 1) / 2
    places = sign[:, None] * (np.arange(size) - middle) + middle + np.round(offset)[:, None]
    return np.clip(places, 0, size - 1).astype(np.int64)


def _sampled(images: Tensor, maps: Numbers) -> Tensor:
    return grid_sample(images, _grid(maps, images), mode="bilinear", padding_mode="border", align_corners=False)


def _grid(maps: Numbers, images: Tensor) -> Tensor:
    """(batch, 3, 3) maps in pixels -> (batch, height, width, 2) places, -1 to 1 from edge to edge of the picture.

    All x lie together in memory, then all y: made and read six times as fast as pairs.
    """
    height, width = images.shape[-2:]
    half = np.array([width / 2, height / 2, 1.0])
    rows = torch.from_numpy((maps * half / half[:, None])[:, :2].astype(np.float32)).to(images.device)
    x = (2 * torch.arange(width, device=images.device) + 1) / width - 1
    y = (2 * torch.arange(height, device=images.device) + 1) / height - 1
    across = rows[:, :, 0, None] * x  # (batch, 2, width)
    down = rows[:, :, 1, None] * y + rows[:, :, 2, None]  # (batch, 2, height)
    return (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)
