"""How many windows fit: the arithmetic that convolutions and pools share."""

from __future__ import annotations

from typing import Literal

from flambeau.errors import ShapeError
from flambeau.network.layer import both

Sizes = tuple[int | None, ...]
Pair = int | tuple[int, int]


def windows(sizes: Sizes, kernel: Pair, stride: Pair, padding: tuple[int, int], dilation: Pair = 1, ceil_mode: bool = False) -> Sizes:
    """Height and width in front of a window layer -> behind it; less than 1 where the window does not fit.

    Source: the formulas of torch.nn.Conv2d and torch.nn.MaxPool2d.
    """
    return tuple(
        size if size is None else _count(size + 2 * p, d * (k - 1) + 1, s, size + p if ceil_mode else None)
        for size, k, s, p, d in zip(sizes, both(kernel), both(stride), padding, both(dilation), strict=True)
    )


def border(padding: Literal["half"] | Pair, kernel: Pair, dilation: Pair) -> tuple[int, int]:
    """The pixels of zeros above and beside an image."""
    if padding == "half":
        (height, width), (d, e) = both(kernel), both(dilation)
        return d * (height - 1) // 2, e * (width - 1) // 2
    return both(padding)


def fitting(sizes: Sizes, kernel: Pair) -> Sizes:
    """The sizes, if a window fits.

    Raises:
        ShapeError: it does not.
    """
    if any(size is not None and size < 1 for size in sizes):
        raise ShapeError("window-too-large", window=" x ".join(map(str, both(kernel))))
    return sizes


def _count(size: int, window: int, stride: int, last_start: int | None) -> int:
    """How many windows fit; with `last_start` also one that hangs over, if it starts before there."""
    if last_start is None:
        return (size - window) // stride + 1
    count = -((window - size) // stride) + 1
    return count - 1 if (count - 1) * stride >= last_start else count
