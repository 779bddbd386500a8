"""From a raw value to the samples that are cached: decode, mix, resample, trim, set the level, cut to length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from flambeau.config import Config
from flambeau.inputs.sound.decode import sound
from flambeau.inputs.sound.resample import resample
from flambeau.inputs.sound.shape import Align, fitted, is_silent, trimmed
from flambeau.types import TensorSpec

FULL = 32767
"""The largest 16-bit sample."""
PEAK = 0.9
"""What the loudest sample of a clip becomes where the level is set: room for noise and filters in training."""
LONGEST = 3600.0
"""Seconds of one file that are looked at, at most."""


class Reading(Config):
    """How a sound becomes an array. Every field is settled."""

    rate: int = Field(ge=1000, le=192_000)
    """Samples a second."""
    length: int = Field(ge=1, le=1 << 26)
    """Samples of a clip."""
    align: Align
    trim: float | None
    """Decibels, or None to leave the ends as they are."""
    level: bool
    """Whether each clip is brought to the same peak."""

    @property
    def spec(self) -> TensorSpec:
        """What `read` returns."""
        return TensorSpec(("time",), (self.length,), "int16")

    @property
    def key(self) -> str:
        """All that changes what `read` returns."""
        return f"audio 1 {self.model_dump_json()}"

    def read(self, value: object) -> npt.NDArray[np.int16]:
        """A path, bytes, or (samples, rate) -> (length,) 16-bit samples.

        Raises:
            DataError: it cannot be decoded.
        """
        signal, rate = sound(value, LONGEST)
        signal = resample(signal, rate, self.rate)
        if self.trim is not None:
            signal = trimmed(signal, self.rate, self.trim)
        signal = fitted(signal, self.length, self.align)
        if self.level and not is_silent(signal):
            signal = signal * np.float32(PEAK / np.abs(signal).max())
        return np.rint(np.clip(signal, -1, 1) * FULL).astype(np.int16)
