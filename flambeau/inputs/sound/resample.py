"""Another sampling rate: a windowed sinc in phases, as one matrix product. The same everywhere, with or without the audio extra."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Signal = npt.NDArray[np.float32]
"""(time,) of one channel."""

CROSSINGS = 32
"""Zero crossings of the sinc on each side: more make the edge of the pass band steeper."""
PASSED = 0.95
"""Share of the lower one of the two bands that is kept."""
BETA = 9.0
"""Of the Kaiser window: about 90 dB below the pass band. Source: Kaiser, Schafer, IEEE Transactions on Acoustics, 1980."""
FINEST = 1024
"""Largest number in the ratio of the rates: odd ones (44,100 to 22,051) are moved to the nearest that needs no larger one, which is
less than 0.01 % off. It bounds the memory of a matrix to 30 MB, whatever rates a file claims."""
BLOCK = 1 << 22
"""Numbers that are held at a time."""


def resample(signal: Signal, rate: int, wanted: int) -> Signal:
    """A signal at `rate` samples a second -> the same at `wanted`, as long as before: ceil(time * wanted / rate) samples."""
    up, down = ratio(rate, wanted)
    if up == down or len(signal) == 0:
        return signal
    matrix, reach, step = _matrix(up, down)
    number = -(-len(signal) * up // down)
    blocks = -(-number // matrix.shape[1])
    width = len(matrix)
    padded = np.zeros((blocks - 1) * step + width, np.float32)
    padded[reach - 1 : reach - 1 + len(signal)] = signal
    windows = sliding_window_view(padded, width)[::step]
    at_once = max(1, BLOCK // width)
    parts = [np.ascontiguousarray(windows[low : low + at_once]) @ matrix for low in range(0, blocks, at_once)]
    return np.concatenate(parts).reshape(-1)[:number]


def ratio(rate: int, wanted: int) -> tuple[int, int]:
    """(up, down), both at most FINEST: the new rate is the old one times up / down."""
    if wanted <= rate:
        return Fraction(wanted, rate).limit_denominator(FINEST).as_integer_ratio()
    down, up = Fraction(rate, wanted).limit_denominator(FINEST).as_integer_ratio()
    return up, down


@lru_cache(maxsize=4)
def _matrix(up: int, down: int) -> tuple[npt.NDArray[np.float32], int, int]:
    """(old samples, new samples) weights by which a block of old samples becomes a block of new ones; how many old samples around a
    new one count on each side; and how many old samples each block is behind the last one.
    """
    band = PASSED * min(1.0, up / down)
    reach = int(np.ceil(CROSSINGS / band))
    blocks = -(-2 * reach // down)  # so many periods at once, so that most of the matrix is no zeros
    places = np.arange(blocks * up) * down / up
    rows = blocks * down + 2 * reach
    weights = np.zeros((rows, blocks * up), np.float32)
    for column, place in enumerate(places):
        first = int(place)
        offsets = np.arange(first - reach + 1, first + reach + 1) - place
        window = np.i0(BETA * np.sqrt(np.clip(1 - (offsets / reach) ** 2, 0, None)))
        taps = np.sinc(band * offsets) * window
        weights[first : first + 2 * reach, column] = taps / taps.sum()  # a constant stays itself
    return weights, reach, blocks * down
