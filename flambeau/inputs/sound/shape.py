"""Sounds of all lengths -> one length: silence at the ends is trimmed, what is short is padded, what is long is cropped."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from flambeau.inputs.sound.resample import Signal

Align: TypeAlias = Literal["centre", "start"]

FRAME = 0.01
"""Seconds over which the loudness is measured."""
MARGIN = 3
"""Frames that are kept before the first and behind the last loud one: a soft beginning belongs to the sound."""
SILENT = 10 ** (-80 / 20)
"""Amplitude below which a whole sound is silence: 80 dB below full scale, three steps of 16 bits."""


def trimmed(signal: Signal, rate: int, threshold: float) -> Signal:
    """A signal without what is more than `threshold` decibels below its loudest frame, at its beginning and its end. Pauses inside stay."""
    size = max(1, round(FRAME * rate))
    frames = len(signal) // size
    if frames < 3:
        return signal
    energy = np.square(signal[: frames * size].reshape(frames, size), dtype=np.float64).mean(1)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (-threshold / 10))
    if len(loud) == 0:
        return signal
    return signal[max(0, loud[0] - MARGIN) * size : (loud[-1] + 1 + MARGIN) * size]


def fitted(signal: Signal, length: int, align: Align) -> Signal:
    """A signal -> exactly `length` samples: cropped, or padded with silence; from its middle, or from its start."""
    if len(signal) >= length:
        first = (len(signal) - length) // 2 if align == "centre" else 0
        return signal[first : first + length]
    before = (length - len(signal)) // 2 if align == "centre" else 0
    return np.pad(signal, (before, length - len(signal) - before))


def is_silent(signal: Signal) -> bool:
    """Whether no sample is louder than SILENT."""
    return bool(np.abs(signal).max(initial=0.0) <= SILENT)
