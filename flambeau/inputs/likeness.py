"""Whether two pictures are the same photo: a fingerprint to find candidates, a comparison to be sure.

Both are made to survive another compression, another size and another brightness, and to tell a photo from the next one
of the same series.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
"""(channels, height, width)."""

SIDE = 32
"""Pictures are compared at this height and width."""
NEAR = 8
"""Fingerprints that differ in at most so many bits are worth a comparison."""
ALIKE = 5.0
"""Mean absolute difference, in grey levels at SIDE x SIDE after taking out brightness and contrast, below which two
pictures are one. On 2,062 photos of hand signs copies stay below 3.4, different photos above 8; see `tests/inputs/test_likeness.py`."""
SPREAD = 48.0
"""Standard deviation to which the contrast is set before the comparison."""
FAINT = 12.0
"""Standard deviation below which the contrast is not raised any more: it would only magnify noise."""
BLANK = 2
"""Grey levels around the middle within which a picture counts as one colour."""

_POSITIONS = np.arange(SIDE)
_COSINES = np.cos(np.pi * (2 * _POSITIONS + 1) * _POSITIONS[:9, None] / (2 * SIDE))
"""(9, SIDE): the lowest frequencies of the discrete cosine transform; a ninth row takes the place of the mean."""


def fingerprint(pixels: Pixels) -> int:
    """64 bits that differ in few places (Hamming) for pictures that look alike.

    Each bit says whether one of the lowest frequencies, the mean left out, is above their median.
    Source: perceptual hash; Zauner: Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.
    """
    frequencies = _COSINES @ _reduced(pixels).mean(0) @ _COSINES.T
    low = frequencies.ravel()[1:65]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def is_alike(one: Pixels, other: Pixels) -> bool:
    """Whether two pictures of the same number of channels are the same photo."""
    return one.shape[0] == other.shape[0] and float(np.abs(_plain(one) - _plain(other)).mean()) < ALIKE


def is_blank(pixels: Pixels) -> bool:
    """Whether every channel is one level, give or take BLANK."""
    flat = pixels.reshape(pixels.shape[0], -1)
    return bool((np.ptp(flat, axis=1) <= 2 * BLANK).all())


def _plain(pixels: Pixels) -> npt.NDArray[np.float32]:
    """(channels, SIDE, SIDE) with mean 0 and standard deviation SPREAD over all channels together, so that colour still counts."""
    reduced = _reduced(pixels)
    reduced = reduced - reduced.mean()
    gain = np.float32(SPREAD / max(float(reduced.std()), FAINT))
    return np.asarray(reduced * gain)


def _reduced(pixels: Pixels) -> npt.NDArray[np.float32]:
    """(channels, height, width) -> (channels, SIDE, SIDE), each new pixel the mean of the old ones that it covers."""
    size = (SIDE, SIDE)
    return np.stack([np.asarray(Image.fromarray(channel).resize(size, Image.Resampling.BOX), np.float32) for channel in pixels])
