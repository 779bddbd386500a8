"""Sounds: speech, alarms, machines, birds; from files, bytes or (samples, rate). A clip is (time,) int16, all of one length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field

from flambeau.inputs.augment.sound_steps import SAFE_SOUND, SoundStep
from flambeau.inputs.input import Input, Preprocessor
from flambeau.inputs.pixels import data_url
from flambeau.inputs.plot import waveform
from flambeau.inputs.sound import likeness
from flambeau.inputs.sound.features import FeaturesChoice, LogMel
from flambeau.inputs.sound.reading import FULL, LONGEST, Reading
from flambeau.inputs.sound.recognition import decide, looks_like_sounds
from flambeau.inputs.sound.shape import Align, is_silent
from flambeau.inputs.sound.statistics import RowStatistics, measured
from flambeau.types import Array, TensorSpec

if TYPE_CHECKING:
    from torch import nn

    from flambeau.inputs.augment import Augmentation


def _open_word(value: object) -> object:
    return None if value == "auto" else value


class AudioInput(Input):
    """A column of sounds."""

    file_ending: ClassVar[str] = ".wav"
    type: Literal["audio"] = "audio"
    rate: int | None = Field(None, ge=1000, le=192_000)
    """Samples a second that are kept; all sounds are resampled to it. Left open: the most frequent one, at most 16,000."""
    seconds: float | None = Field(None, gt=0, le=LONGEST)
    """Length of every clip: longer ones are cropped, shorter ones padded with silence. Left open: so that 95 % of the data fits
    into it whole, at most max_seconds."""
    max_seconds: float = Field(8.0, gt=0, le=LONGEST)
    """The most that `seconds` may become when it is left open."""
    align: Align = "centre"
    """What a cropped clip keeps, and where a padded one stands: in the middle (centre), or at the start."""
    trim: float | None = Field(40.0, ge=10, le=100)
    """Silence at the ends is cut off: what is so many decibels below the loudest 10 ms, but for 30 ms around what is louder. null: nothing is."""
    level: bool = True
    """Every clip is brought to the same peak, so that the distance to the microphone does not matter. false: loudness as recorded."""
    features: FeaturesChoice = LogMel()
    """What the network sees: log_mel or mfcc, or one with settings: {log_mel: {mels: 64}}. Computed inside the exported model."""
    augment: Annotated[tuple[SoundStep, ...] | None, BeforeValidator(_open_word)] = None
    """What varies in training: a list of steps, [] for nothing. Left open, or auto: speed, shift, equaliser, noise, and masks of
    time and frequency, all moderate."""

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether nearly all of the values are sounds or paths of sounds."""
        return looks_like_sounds(values)

    def resolve(self, values: Sequence[object]) -> Self:
        """Rate, length and augmentation settled, by decoding the sample."""
        augment = SAFE_SOUND if self.augment is None else self.augment
        if self.rate is not None and self.seconds is not None:
            return self.model_copy(update={"augment": augment})
        found = decide(values, self.trim, self.max_seconds)
        return self.model_copy(update={"rate": self.rate or found.rate, "seconds": self.seconds or found.seconds, "augment": augment})

    @property
    def reading(self) -> Reading:
        """The part that turns a raw value into an array."""
        assert self.rate is not None and self.seconds is not None, "only a resolved input can read"
        return Reading(rate=self.rate, length=max(1, round(self.seconds * self.rate)), align=self.align, trim=self.trim, level=self.level)

    def read(self, value: object) -> Array:
        """A path, the bytes of a file, or (samples, rate) -> (time,) int16."""
        return self.reading.read(value)

    @property
    def spec(self) -> TensorSpec:
        """(time,) int16."""
        return self.reading.spec

    def reading_key(self) -> str:
        """Rate, length, alignment, trimming and level; nothing of the graph part."""
        return self.reading.key

    def fit(self, arrays: Iterable[Array]) -> AudioPreprocessor:
        """Clips of the training split -> the fitted preprocessor."""
        reading = self.reading
        return AudioPreprocessor(reading=reading, features=self.features, statistics=measured(arrays, self.features, reading.rate))

    def fingerprint(self, array: Array) -> int:
        """64 bits that are close (Hamming) for clips that sound alike."""
        return likeness.fingerprint(array.astype(np.int16, copy=False))

    def is_alike(self, one: Array, other: Array) -> bool:
        """Whether two clips are one recording, louder, compressed or with a little noise."""
        return likeness.is_alike(one.astype(np.int16, copy=False), other.astype(np.int16, copy=False))

    def is_blank(self, array: Array) -> bool:
        """Whether the clip is silence."""
        return is_silent(array.astype(np.float32) / np.float32(FULL))

    def variations(self) -> list[str]:
        """Each augmentation step and how far it goes: "speed 0.15"."""
        return [" ".join([step.name, *(f"{value:g}" for value in step.model_dump().values())]) for step in self.augment or ()]

    def augmentation(self, spec: TensorSpec) -> Augmentation | None:
        """What varies batches of clips (batch, time); None if the list is empty."""
        if not self.augment:
            return None
        from flambeau.inputs.augment.waveform import Waveforms

        return Waveforms(self.augment, self.reading.rate)


class AudioPreprocessor(Preprocessor):
    """The preprocessing of sounds, fitted."""

    type: Literal["audio"] = "audio"
    reading: Reading
    features: FeaturesChoice
    statistics: RowStatistics

    @property
    def spec(self) -> TensorSpec:
        """(time,) int16."""
        return self.reading.spec

    @property
    def gives(self) -> TensorSpec:
        """(1, rows, frames) float32: a picture with the low frequencies on top."""
        frames = self.features.frames(self.reading.length, self.reading.rate)
        return TensorSpec(("channels", "height", "width"), (1, self.features.rows, frames), "float32")

    def read(self, value: object) -> Array:
        """A path, the bytes of a file, or (samples, rate) -> (time,) int16."""
        return self.reading.read(value)

    def picture(self, array: Array) -> str:
        """(time,) int16 -> a data: URL of a PNG of the waveform."""
        return data_url(waveform(array.astype(np.float64) / FULL)[None])

    def excerpt(self, array: Array) -> str:
        """The length of the clip: "0.65 s at 8,000 Hz"."""
        return f"{len(array) / self.reading.rate:.2f} s at {self.reading.rate:,} Hz"

    def module(self) -> nn.Module:
        """(batch, time) samples of 16 bits -> features, standardised row by row, (batch, 1, rows, frames) float32."""
        from flambeau.inputs.graph.spectrogram import PrepareAudio

        return PrepareAudio(self.features.module(self.reading.rate), self.statistics.mean, self.statistics.std)
