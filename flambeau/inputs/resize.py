"""How a decoded picture comes to the size that the network takes: what of it is kept, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Resize = Literal["stretch", "pad", "crop"]
"""stretch: to the size, proportions change. pad: keep the proportions, fill with grey. crop: keep the proportions, cut off
what juts out beside the middle."""

Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
"""All but "nearest" average over the pixels that become one (antialiasing) when they make a picture smaller."""

PAD = 128
"""The middle grey that fills what is missing: after standardisation it is near zero."""


@dataclass(frozen=True)
class Placing:
    """What of a decoded picture goes where."""

    window: tuple[float, float, float, float] | None
    """(left, top, right, bottom) of what is kept, in pixels of the decoded picture; None: all of it."""
    height: int
    """What is kept becomes so high and wide."""
    width: int
    top: int
    """Where that stands; what is around it is filled."""
    left: int


def scaled(height: int, width: int, size: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """(height, width) of the whole picture after scaling, before padding or cropping to `size`."""
    if resize == "stretch":
        return size
    pick = min if resize == "pad" else max
    scale = pick(size[0] / height, size[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def placed(stored: tuple[int, int], decoded: tuple[int, int], size: tuple[int, int], resize: Resize) -> Placing:
    """How a picture comes to (height, width) = `size`.

    Args:
        stored: its (height, width) in the file. The geometry follows them, so that a reduced decoding does not move the crop.
        decoded: as it was decoded.
    """
    if resize == "crop":
        return Placing(_middle(stored, decoded, size), *size, 0, 0)
    height, width = scaled(*stored, size, resize)
    return Placing(None, height, width, (size[0] - height) // 2, (size[1] - width) // 2)


def _middle(stored: tuple[int, int], decoded: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest window in the middle with the proportions of `size`; rounding leads none of its edges out of the picture."""
    window = min(stored[0] / size[0], stored[1] / size[1])
    height, width = size[0] * window, size[1] * window
    top, left = max(0.0, (stored[0] - height) / 2), max(0.0, (stored[1] - width) / 2)
    down, across = decoded[0] / stored[0], decoded[1] / stored[1]
    return left * across, top * down, min((left + width) * across, decoded[1]), min((top + height) * down, decoded[0])
