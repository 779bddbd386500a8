"""What a sample of raw values tells about a column of pictures. Only names and headers are read, and a few 16-bit pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from flambeau.errors import DataError
from flambeau.inputs.decode import Header, look, peak
from flambeau.inputs.pixels import DEEPEST, is_image_shape
from flambeau.inputs.resize import Resize
from flambeau.inputs.sniff import ENDINGS, FORMATS, PREFIX, sniff

MOST = 0.9
"""Share of the values that must be pictures; the others may be damaged."""
LOOKED_AT = 256
"""Headers that are read at most, evenly spread over the sample."""

DECODED = 32
"""16-bit pictures that are decoded at most, to see how much of their range they use."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras and scanners give, or nothing but an 8-bit picture in a 16-bit file."""

NATIVE = 40
"""Pictures that all have one size, and none is larger than this, keep it: there is nothing to save."""
SIDES = ((NATIVE, 32), (128, 64), (320, 96), (math.inf, 128))
"""(typical side up to, side that is chosen), in pixels. Small networks from scratch on two cores: four times the pixels are
four times the time, and most objects that fill the picture are told apart at these sizes. A network may ask for more."""
ALIKE_PROPORTIONS = 1.15
"""Where 95 % of the pictures are within this factor of the median proportions, stretching treats them all the same."""


def looks_like_images(values: Sequence[object]) -> bool:
    """Whether nearly all of the values are pictures: by the ending of a path (its first bytes where it has none), the first
    bytes of bytes, the shape and type of an array."""
    return bool(values) and sum(map(_looks_like_image, values)) >= MOST * len(values)


def _looks_like_image(value: object) -> bool:
    if isinstance(value, str | Path):
        suffix = Path(value).suffix.lower()
        return suffix in ENDINGS if suffix else _starts_like_image(Path(value))
    if isinstance(value, bytes):
        return sniff(value[:PREFIX]) in FORMATS
    if isinstance(value, np.ndarray):
        return _shaped_like_image(value)
    return isinstance(value, Image.Image)


def _starts_like_image(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return sniff(file.read(PREFIX)) in FORMATS
    except (OSError, ValueError):
        return False


def _shaped_like_image(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    """Whole-number tables and (height, width, channels) are pictures. A table of fractions may as well be a series over
    time: it is a picture only if it is at least 8 x 8 and lies in 0 to 1 or in 0 to 255."""
    if not is_image_shape(array.shape) or min(sorted(array.shape)[-2:]) < 2 or array.dtype.kind not in "buif":
        return False
    if array.ndim == 3 or array.dtype.kind in "bu":
        return True
    return min(array.shape) >= 8 and bool(np.isfinite(array).all()) and float(array.min()) >= 0 and float(array.max()) <= 255


@dataclass(frozen=True)
class Decisions:
    """What is chosen where the recipe leaves it open."""

    size: tuple[int, int]
    """(height, width)."""
    resize: Resize
    channels: int


def decide(values: Sequence[object], max_pixels: int) -> Decisions:
    """A sample of raw values -> size, resize and channels that suit them.

    Raises:
        DataError: none of them can be read; the first one's error.
    """
    headers, errors = [], []
    for value in _spread(values, LOOKED_AT):
        try:
            headers.append(look(value, max_pixels=max_pixels))
        except DataError as error:
            errors.append(error)
    if not headers:
        raise errors[0] if errors else DataError("inputs-unseen")
    return Decisions(_size(headers), _resize(headers), 1 if all(header.grey for header in headers) else 3)


def depth_of(values: Sequence[object], max_pixels: int) -> int:
    """Of `DEPTHS`, what the 16-bit pictures of a sample need: those of a camera of 12 bits would be nearly black if 65,535 were white."""
    peaks = []
    for value in _spread(values, DECODED):
        with suppress(DataError):  # a damaged one is told with its name when all are read
            if look(value, max_pixels=max_pixels).deep:
                peaks.append(peak(value, max_pixels))
    return next((depth for depth in DEPTHS if peaks and max(peaks) < 2**depth), DEEPEST)


def _spread(values: Sequence[object], most: int) -> Sequence[object]:
    return values[:: math.ceil(len(values) / most)] if values else ()


def _size(headers: Sequence[Header]) -> tuple[int, int]:
    sizes = {(header.height, header.width) for header in headers}
    if len(sizes) == 1 and max(max(size) for size in sizes) <= NATIVE:
        return sizes.pop()
    typical = median(math.sqrt(header.height * header.width) for header in headers)
    side = next(side for limit, side in SIDES if typical <= limit)
    return side, side


def _resize(headers: Sequence[Header]) -> Resize:
    """ "stretch" if the pictures have about the same proportions, so that all are changed alike; else "pad", which neither
    distorts one more than another nor cuts anything off. "crop" loses what it cuts, so it is never chosen unasked."""
    proportions = [math.log(header.width / header.height) for header in headers]
    middle = median(proportions)
    near = sum(abs(value - middle) <= math.log(ALIKE_PROPORTIONS) for value in proportions)
    return "stretch" if near >= 0.95 * len(headers) else "pad"
