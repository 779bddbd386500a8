"""Whether two texts are one, changed a little: a fingerprint to find candidates, the share of what they have in common to be sure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
"""(bytes,) of a text in UTF-8."""

WINDOW = 8
"""Bytes that are looked at together: a word and a bit, or two to three Chinese characters."""
ALIKE = 0.8
"""Share of the windows of both texts together that both must have: a text of 50 characters with one of them changed is above it."""
MOST = 4096
"""Windows of a text that count, from its beginning."""

_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
"""Odd factors that spread a number over its bits, as SplitMix64 does."""


def fingerprint(text: Bytes) -> int:
    """64 bits that differ in few places (Hamming) for texts that have most of their windows in common.

    Each window counts once: a row of dots is no text.
    Source: Charikar, Similarity Estimation Techniques from Rounding Algorithms, STOC 2002 (simhash).
    """
    bits = np.unpackbits(np.unique(_windows(text)).view(np.uint8)).reshape(-1, 64)
    return int.from_bytes(np.packbits(2 * bits.sum(0, dtype=np.int64) > len(bits)).tobytes(), "big")


def is_alike(one: Bytes, other: Bytes) -> bool:
    """Whether two texts have so much in common that they are copies of one."""
    if not _may_be_alike(len(one), len(other)):
        return False
    first, second = np.unique(_windows(one)), np.unique(_windows(other))
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common >= ALIKE * (len(first) + len(second) - common)


def _may_be_alike(one: int, other: int) -> bool:
    short, long = sorted((max(one, WINDOW), max(other, WINDOW)))
    return short >= ALIKE / 2 * long


def _windows(text: Bytes) -> npt.NDArray[np.uint64]:
    """Each window of the text as one number whose bits are as good as random; a text shorter than a window is one window."""
    if len(text) < WINDOW:
        text = np.pad(text, (0, WINDOW - len(text)))
    text = np.ascontiguousarray(text[: MOST + WINDOW - 1])
    views = np.lib.stride_tricks.as_strided(text, (len(text) - WINDOW + 1, WINDOW), (1, 1))
    mixed = np.ascontiguousarray(views).view(np.uint64)[:, 0] * _FIRST
    mixed ^= mixed >> np.uint64(32)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(29)
    return mixed
