"""Whether two clips are the same recording: a fingerprint to find candidates, a comparison to be sure."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Clip = npt.NDArray[np.int16]
"""(time,)."""

BANDS, SPANS = 12, 12
"""Of the coarse spectrogram by which clips are compared."""
LOWEST, HIGHEST = 0.0125, 0.5
"""Cycles a sample between which the bands lie, evenly in the logarithm."""
FRAME = 256
"""Samples of one Fourier transform."""
ALIKE = 1.0
"""Mean absolute difference in decibels of the coarse spectrograms, each about its own mean, below which two clips are one recording:
about the smallest change of loudness that is heard."""


def fingerprint(clip: Clip) -> int:
    """64 bits that differ in few places (Hamming) for clips that sound alike: the lowest frequencies of the cosine transform of the
    coarse spectrogram, each above or below their median. (The same idea as for pictures.)"""
    coarse = _coarse(clip)
    cosines = np.cos(np.pi * np.outer(np.arange(9), np.arange(BANDS) + 0.5) / BANDS)
    low = (cosines[:9] @ coarse @ cosines[:9].T).ravel()[1:65]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def is_alike(one: Clip, other: Clip) -> bool:
    """Whether two clips are one recording."""
    return float(np.abs(_coarse(one) - _coarse(other)).mean()) < ALIKE


def _coarse(clip: Clip) -> npt.NDArray[np.float64]:
    """(time,) -> (BANDS, SPANS) decibels about their mean."""
    samples = np.pad(clip.astype(np.float64) / 32768, (0, max(0, SPANS * FRAME // 2 + FRAME - len(clip))))
    starts = np.linspace(0, len(samples) - FRAME, max(SPANS * 4, len(samples) // FRAME)).astype(np.int64)
    frames = samples[starts[:, None] + np.arange(FRAME)] * np.hanning(FRAME)
    power = np.square(np.abs(np.fft.rfft(frames))).T
    edges = np.geomspace(LOWEST * FRAME, HIGHEST * FRAME, BANDS + 1)
    bins = np.arange(len(power))
    bands = np.stack([power[(bins >= np.floor(low)) & (bins <= np.ceil(high))].mean(0) for low, high in pairwise(edges)])
    spans = np.stack([part.mean(1) for part in np.array_split(bands, SPANS, 1)], 1)
    decibels = 10 * np.log10(spans + max(spans.max() * 1e-6, 1e-12))
    return np.asarray(decibels - decibels.mean())
