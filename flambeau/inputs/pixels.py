"""Arrays as people hold pictures in memory -> 8-bit grey levels, by one rule."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from flambeau.errors import DataError
from flambeau.types import Array

DEEPEST = 16
"""Bits of the levels of a 16-bit picture, where all are used."""
BEYOND = 0.1
"""How far below 0 or above 1 a picture of floats still counts as one of 0 to 1."""
SMALLEST = 8
"""Height and width from which an array with its channels first is taken for a picture."""


def levels(array: Array, depth: int = DEEPEST) -> npt.NDArray[np.uint8]:
    """Values of any kind -> grey levels 0 to 255, the same shape.

    bool: 0 and 255. uint8: as it is. uint16: the greatest number of `depth` bits is white; with 16 of them 65,535, a division by 257.
    Other integers: 0 to 255 as they are. Floats: 0 to 1 are multiplied by 255, and a little below or above is cut off, as filters overshoot;
    where one value is further above 1, all are taken as 0 to 255. What is no whole number is rounded.

    Args:
        depth: bits that 16-bit numbers use, 8 to 16.

    Raises:
        DataError: a value is outside its range or not a number, or the type has no rule.
    """
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if kind == "u" and array.dtype.itemsize == 2:
        return _of_depth(array, depth)
    if kind not in "iuf":
        raise DataError("image-array", shape=array.shape, dtype=str(array.dtype))
    low, high = float(array.min(initial=0)), float(array.max(initial=0))  # a NaN is both
    if kind == "f" and -BEYOND <= low <= high <= 1 + BEYOND:
        grey: npt.NDArray[np.float64] = np.rint(array.astype(np.float64).clip(0, 1) * 255)
        return grey.astype(np.uint8)
    if not 0 <= low <= high <= 255:
        raise DataError("image-values", low=f"{low:g}", high=f"{high:g}")
    return (np.rint(array.astype(np.float64)) if kind == "f" else array).astype(np.uint8)


def _of_depth(array: Array, depth: int) -> npt.NDArray[np.uint8]:
    white = 2**depth - 1
    high = int(array.max(initial=0))
    if high > white:
        raise DataError("image-deeper", high=f"{high:,}", depth=depth, white=f"{white:,}")
    grey: npt.NDArray[np.uint32] = (array.astype(np.uint32) * 255 + white // 2) // white
    return grey.astype(np.uint8)


def sixteen_bit_levels(array: npt.NDArray[np.int32], depth: int = DEEPEST) -> npt.NDArray[np.uint8]:
    """32-bit integers, as TIFF and PGM files bring them -> grey levels: they are read as 16-bit ones, of which `depth` bits are used.

    Raises:
        DataError: a value is below 0 or above 65,535.
    """
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if not 0 <= low <= high <= 65_535:
        raise DataError("image-values", low=f"{low:,}", high=f"{high:,}")
    return levels(array.astype(np.uint16), depth)


def as_pixels(array: Array, depth: int = DEEPEST) -> npt.NDArray[np.uint8]:
    """(height, width), (height, width, 1 | 3 | 4) or, as PyTorch has it, (1 | 3, height, width) of any kind -> (height, width), or
    (height, width, 3 | 4), uint8.

    Raises:
        DataError: another shape, no pixel, or values without a rule (see `levels`).
    """
    if not is_image_shape(array.shape):
        raise DataError("image-array", shape=array.shape, dtype=str(array.dtype))
    if array.size == 0:
        raise DataError("image-empty")
    array = array.transpose(1, 2, 0) if _is_channels_first(array.shape) else array
    flat = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return np.ascontiguousarray(levels(flat, depth))


def is_image_shape(shape: tuple[int, ...]) -> bool:
    """Whether (height, width), (height, width, 1 | 3 | 4) or (1 | 3, height, width)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)) or _is_channels_first(shape)


def _is_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether (1 | 3, height, width), and not a picture with its channels last."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= SMALLEST


def data_url(pixels: npt.NDArray[np.uint8]) -> str:
    """(channels, height, width) with one or three channels -> a PNG as a ``data:`` URL, for pages that show it."""
    image = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    png = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(png, "png", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")
