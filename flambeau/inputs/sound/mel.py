"""The numbers behind a spectrogram: windowed Fourier basis, mel filters, cosine transform. The graph part holds them as constants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def window(length: int) -> Numbers:
    """(length,) the periodic Hann window. Source: Harris, Proceedings of the IEEE, 1978."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


def fourier(length: int, size: int) -> Numbers:
    """(2 * bins, length) the windowed cosines and then the negative sines of a Fourier transform of `size` points, bins = size // 2 + 1.

    The frame of `length` samples stands in the middle of the `size` points, zeros around it, as in torch.stft.
    """
    samples = np.arange(length) + (size - length) // 2
    angles = 2 * np.pi * np.outer(np.arange(size // 2 + 1), samples) / size
    return np.concatenate([np.cos(angles), -np.sin(angles)]) * window(length)


def to_mel(hertz: npt.ArrayLike) -> Numbers:
    """Frequency -> mel. Source: the formula of HTK; O'Shaughnessy, Speech Communication, 1987."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz, np.float64) / 700))


def to_hertz(mel: npt.ArrayLike) -> Numbers:
    """Mel -> frequency, the inverse of `to_mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mel, np.float64) / 2595) - 1))


def filters(mels: int, size: int, rate: int, lowest: float, highest: float) -> Numbers:
    """(mels, size // 2 + 1) triangles that are evenly spread over the mel scale, each 1 at its middle and 0 at its neighbours' middles.

    Args:
        size: points of the Fourier transform.
        rate: samples a second.
        lowest: where the first triangle begins, in hertz; `highest` where the last one ends.
    """
    edges = to_hertz(np.linspace(to_mel(lowest), to_mel(highest), mels + 2))
    bins = np.arange(size // 2 + 1) * rate / size
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def cosines(coefficients: int, mels: int) -> Numbers:
    """(coefficients, mels) the first rows of the orthonormal DCT-II. Source: Ahmed, Natarajan, Rao, IEEE Transactions on Computers, 1974."""
    rows = np.cos(np.pi * np.outer(np.arange(coefficients), np.arange(mels) + 0.5) / mels) * np.sqrt(2 / mels)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows)
