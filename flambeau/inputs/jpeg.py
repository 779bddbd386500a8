"""JPEG files through libjpeg-turbo's own interface: to the bit the pixels that Pillow gives, small files in a quarter of the time.

Only what both are known to decode alike is taken on: sound files in grey or YCbCr that stand upright. Everything else is left to Pillow, with
its words for what is wrong with a file; so are files that Pillow resizes, as handing the pixels over costs what was gained.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import simplejpeg

MODES = {"Gray": "GRAY", "YCbCr": "RGB"}
"""How the colours are stored -> what they are decoded to."""
START_OF_SCAN = 0xDA
APP1 = 0xE1
"""EXIF or XMP: either may say that the picture has to be turned."""
NOTE = bytes((0xFF, APP1))
SHORT = 4096
"""Bytes of a file that is sooner searched for a note than gone through."""
ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
"""Markers without a length."""
REDUCTIONS = (8, 4, 2)

Pixels = npt.NDArray[np.uint8]
"""(height, width) grey or (height, width, 3) RGB."""
Need = Callable[[int, int], tuple[int, int]]
"""Upright (height, width) of a picture -> the (height, width) below which a reduced decoding must not fall."""


def jpeg_pixels(data: bytes, shape: tuple[int, ...]) -> Pixels | None:
    """A JPEG file -> its pixels, if they are of this shape; None if it is for Pillow."""
    try:
        height, width, mode = _header(data)
        if mode is None or (height, width) != shape[:2] or (mode == "GRAY") != (len(shape) == 2) or _may_be_turned(data):
            return None
        return _decoded(data, mode)
    except (ValueError, MemoryError):
        return None


def reduced_jpeg(data: bytes, need: Need | None, max_pixels: int) -> tuple[Pixels, tuple[int, int]] | None:
    """A JPEG file -> its pixels and the (height, width) that are stored; None if it is for Pillow.

    Args:
        need: let the decoder reduce the picture by 2, 4 or 8 while it stays at least this large.
    """
    try:
        height, width, mode = _header(data)
        if mode is None or height * width > max_pixels or _may_be_turned(data):
            return None
        most = 1 if need is None else min(size // least for size, least in zip((height, width), need(height, width), strict=True))
        by = next((by for by in REDUCTIONS if by <= most), 1)
        return _decoded(data, mode, min_height=-(-height // by), min_width=-(-width // by)), (height, width)
    except (ValueError, MemoryError):
        return None


def _header(data: bytes) -> tuple[int, int, str | None]:
    """Height, width, and what the colours are decoded to: None if they are for Pillow."""
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    return height, width, MODES.get(colours)


def _decoded(data: bytes, mode: str, **least: int) -> Pixels:
    pixels: Pixels = simplejpeg.decode_jpeg(data, mode, strict=True, **least)
    return pixels[:, :, 0] if mode == "GRAY" else pixels


def _may_be_turned(data: bytes) -> bool:
    """Whether a JPEG file holds a note before its pixels that could say so, or is not understood."""
    if len(data) < SHORT and NOTE not in data:
        return False
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == START_OF_SCAN:
            return False
        if marker == APP1:
            return True
        if marker == 0xFF:  # padding
            at += 1
        elif marker in ALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True
