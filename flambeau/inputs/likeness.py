"""Whether two pictures are the same photo: a fingerprint to find candidates, a comparison to be sure.

Both are made to survive another compression, another size and another brightness, and to tell a photo from the next one
of the same series.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""(channels, height, width)."""
Floats = npt.NDArray[np.float64]

SIDE = 32
"""Pictures are compared at this height and width at most."""
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
TOGETHER = 1 << 20
"""Levels that are compared at once: what fits into the cache of a core."""
ROUNDED = 6
"""Decimals of a frequency (up to 10**5) that count: what is beyond them depends on the order of the additions."""

_POSITIONS = np.arange(SIDE)
_COSINES = np.cos(np.pi * (2 * _POSITIONS + 1) * _POSITIONS[:9, None] / (2 * SIDE))
"""(9, SIDE): the lowest frequencies of the discrete cosine transform; a ninth row takes the place of the mean."""


def fingerprint(pixels: Pixels) -> int:
    """64 bits that differ in few places (Hamming) for pictures that look alike."""
    return int(fingerprints(pixels[None])[0])


def fingerprints(pixels: Pixels) -> npt.NDArray[np.uint64]:
    """Pictures (batch, channels, height, width) -> the fingerprint of each.

    Each bit says whether one of the lowest frequencies, the mean left out, is above their median.
    Source: perceptual hash; Zauner: Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.
    """
    width = pixels.shape[3]
    grey = pixels[:, 0].astype(np.uint16)
    for channel in range(1, pixels.shape[1]):
        grey += pixels[:, channel]
    rows, added = _added(grey)
    frequencies = _frequencies(rows.shape[1]) / added @ (rows.astype(np.float64) @ _frequencies(width).T)
    low = frequencies.reshape(len(pixels), -1)[:, 1:65].round(ROUNDED)  # so that a picture's bits do not depend on its batch
    in_order = np.sort(low, axis=1)
    bits = np.packbits(low > (in_order[:, 31:32] + in_order[:, 32:33]) / 2, axis=1)
    return bits.view(">u8")[:, 0].astype(np.uint64)


def is_alike(one: Pixels, other: Pixels) -> bool:
    """Whether two pictures are the same photo."""
    return one.shape[0] == other.shape[0] and bool(alike(one[None], other[None])[0])


def alike(ones: Pixels, others: Pixels) -> npt.NDArray[np.bool_]:
    """Two batches (batch, channels, height, width) of equally many channels -> whether each picture is the same photo as its partner."""
    answers = np.empty(len(ones), np.bool_)
    some = max(1, TOGETHER // max(1, ones[:1].size))
    for low in range(0, len(ones), some):
        difference = _plain(ones[low : low + some]) - _plain(others[low : low + some])
        answers[low : low + some] = np.abs(difference, out=difference).mean((1, 2, 3)) < ALIKE
    return answers


def is_blank(pixels: Pixels) -> bool:
    """Whether every channel is one level, give or take BLANK."""
    return bool(are_blank(pixels[None])[0])


def are_blank(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """As `is_blank`, of each picture of a batch (batch, channels, height, width)."""
    flat = pixels.reshape(*pixels.shape[:2], -1)
    return np.asarray((np.ptp(flat, axis=2) <= 2 * BLANK).all(1))


def _plain(pixels: Pixels) -> npt.NDArray[np.float32]:
    """(batch, channels, SIDE, SIDE) at most, with mean 0 and standard deviation SPREAD over all channels together, so that colour still counts."""
    rows, added = _added(pixels)
    height, width = rows.shape[2:]
    reduced = rows.astype(np.float32)
    if width > SIDE:
        reduced = reduced @ _shares(width).T.astype(np.float32)
    if height > SIDE:
        reduced = _shares(height).astype(np.float32) @ reduced
    reduced /= added
    reduced -= reduced.mean((1, 2, 3), keepdims=True)
    reduced *= SPREAD / np.maximum(reduced.std((1, 2, 3), keepdims=True), FAINT)
    return np.asarray(reduced)


def _added(levels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.unsignedinteger], int]:
    """(..., height, width) -> (..., SIDE, width), and how many rows were added up for each: exact, and sooner than a product of floats.
    As they are, and 1, where the rows do not go evenly into SIDE. Levels are below 2**10, as three channels are.
    """
    height, width = levels.shape[-2:]
    together, rest = divmod(height, SIDE)
    if rest or together < 2:
        return levels, 1
    kind = np.uint16 if together < 2**6 else np.uint32
    return levels.reshape(*levels.shape[:-2], SIDE, together, width).sum(-2, dtype=kind), together


@lru_cache(64)
def _shares(size: int) -> Floats:
    """(SIDE, size): what each old pixel has in the mean that becomes a new one, by how much of it the new one covers."""
    edges = np.arange(SIDE + 1) * size / SIDE
    covered = np.clip(edges[:, None] - np.arange(size), 0, 1)
    return np.asarray(np.diff(covered, axis=0) * SIDE / size)


@lru_cache(64)
def _frequencies(size: int) -> Floats:
    """(9, size): the lowest frequencies of a side of so many pixels, after it was reduced to SIDE."""
    return np.asarray(_COSINES @ _shares(size))
