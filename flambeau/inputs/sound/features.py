"""Recipe side of what the network sees of a sound. It is computed in the exported graph (`graph/spectrogram.py`)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

from pydantic import Field, model_validator

from flambeau.choice import Named, OneOf, problem

if TYPE_CHECKING:
    from torch import nn

Milliseconds = Annotated[float, Field(ge=1, le=1000)]


class Features(Named):
    """A picture of a sound: (batch, time) at full scale 1 -> (batch, rows, frames)."""

    mels: int = Field(40, ge=8, le=512)
    """Frequency bands, evenly spread over the mel scale (HTK's formula), triangles of height 1."""
    frame: Milliseconds = 32.0
    """Length of the piece of sound behind one column of the picture."""
    hop: Milliseconds = 16.0
    """From one column to the next."""
    lowest: float = Field(20.0, ge=0)
    """Hertz at which the lowest band begins."""
    highest: float | None = Field(None, gt=0)
    """Hertz at which the highest band ends; null: half the sampling rate."""
    depth: float = Field(40.0, ge=10, le=100)
    """Decibels below the loudest point of the clip at which silence begins. More shows more of the noise in a recording."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Height of the picture."""

    @abstractmethod
    def module(self, rate: int) -> nn.Module:
        """(batch, time) at full scale 1 -> (batch, rows, frames)."""

    def samples(self, rate: int) -> tuple[int, int, int]:
        """Samples a second -> samples of a frame, samples of a hop, points of the Fourier transform (so fine that each mel band has some)."""
        frame, hop = max(2, round(self.frame * rate / 1000)), max(1, round(self.hop * rate / 1000))
        return frame, hop, 1 << max(9, (frame - 1).bit_length())

    def frames(self, time: int, rate: int) -> int:
        """Samples of a clip -> columns of its picture."""
        frame, hop, _ = self.samples(rate)
        return (time + 2 * ((frame + 1) // 2) - frame) // hop + 1

    def band(self, rate: int) -> tuple[float, float]:
        """Samples a second -> (lowest, highest) in hertz, below half the rate."""
        highest = min(self.highest or rate / 2, rate / 2)
        return min(self.lowest, highest / 2), highest


class LogMel(Features):
    """Energies of mel bands in decibels below the loudest point of the clip.

    Source: Davis, Mermelstein, IEEE Transactions on Acoustics, Speech and Signal Processing, 1980.
    """

    name: ClassVar[str] = "log_mel"

    @property
    def rows(self) -> int:
        """The mel bands."""
        return self.mels

    def module(self, rate: int) -> nn.Module:
        """(batch, time) at full scale 1 -> (batch, mels, frames) in decibels, -depth to 0."""
        from torch import nn

        from flambeau.inputs.graph.spectrogram import Decibels, Power

        frame, hop, size = self.samples(rate)
        return nn.Sequential(Power(frame, hop, size), Decibels(self.mels, size, rate, self.band(rate), self.depth))


class Mfcc(Features):
    """Cepstral coefficients: the cosine transform of log_mel along the bands. Fewer numbers; for small networks.

    Source: Davis, Mermelstein, IEEE Transactions on Acoustics, Speech and Signal Processing, 1980.
    """

    name: ClassVar[str] = "mfcc"
    coefficients: int = Field(20, ge=1, le=512)
    """How many, from the lowest on."""

    @model_validator(mode="after")
    def _sensible(self) -> Mfcc:
        if self.coefficients > self.mels:
            raise problem("mfcc-form", coefficients=self.coefficients, mels=self.mels)
        return self

    @property
    def rows(self) -> int:
        """The coefficients."""
        return self.coefficients

    def module(self, rate: int) -> nn.Module:
        """(batch, time) at full scale 1 -> (batch, coefficients, frames)."""
        from torch import nn

        from flambeau.inputs.graph.spectrogram import Cepstrum

        spectrogram = LogMel(**self.model_dump(exclude={"coefficients"})).module(rate)
        return nn.Sequential(spectrogram, Cepstrum(self.coefficients, self.mels))


FeaturesChoice: TypeAlias = Annotated[Features, OneOf("features", LogMel, Mfcc)]
"""``log_mel``, ``mfcc`` or one with settings: {log_mel: {mels: 64, hop: 10}}."""
