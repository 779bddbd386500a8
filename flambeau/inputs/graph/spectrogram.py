"""The part of audio preprocessing that travels inside the exported model: from a waveform to log-mel energies or MFCC."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from flambeau.inputs.sound.mel import cosines, filters, fourier

SMALLEST = 1e-10
"""Energy that counts as nothing, so that the logarithm of silence exists."""
DECIBEL = 10 / math.log(10)


def _constant(numbers: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))


class Power(nn.Module):
    """(batch, time) -> (batch, bins, frames): the energy of each frequency, by a Fourier transform that is one strided convolution."""

    basis: Tensor

    def __init__(self, length: int, hop: int, size: int) -> None:
        """
        Args:
            length: samples of a frame.
            hop: samples from one frame's middle to the next; the first is at sample 0, zeros stand around the sound.
            size: points of the Fourier transform, at least `length`.
        """
        super().__init__()
        self.hop = hop
        self.around = (length + 1) // 2
        self.bins = size // 2 + 1
        self.register_buffer("basis", _constant(fourier(length, size))[:, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """One frame for each `hop` samples."""
        parts = conv1d(x[:, None], self.basis, stride=self.hop, padding=self.around)
        power: Tensor = parts[:, : self.bins].square() + parts[:, self.bins :].square()
        return power


class Decibels(nn.Module):
    """(batch, bins, frames) energies -> (batch, mels, frames) in decibels below the loudest point of the clip, -`depth` to 0.

    The softest level is added to all energies before the logarithm and not cut off after it: so rounding errors of what is
    far below the loudest point are not magnified, and an export agrees to the sixth digit.
    """

    filters: Tensor

    def __init__(self, mels: int, size: int, rate: int, band: tuple[float, float], depth: float) -> None:
        super().__init__()
        self.softest = 10 ** (-depth / 10)
        self.register_buffer("filters", _constant(filters(mels, size, rate, *band)), persistent=False)

    def forward(self, power: Tensor) -> Tensor:
        """Mel filters, then the logarithm. Silence is -depth everywhere."""
        energy = torch.matmul(self.filters, power)
        loudest = energy.amax((1, 2), keepdim=True).clamp_min(SMALLEST)
        return DECIBEL * torch.log(energy / loudest + self.softest)


class Cepstrum(nn.Module):
    """(batch, mels, frames) -> (batch, coefficients, frames): the orthonormal cosine transform along the bands."""

    rows: Tensor

    def __init__(self, coefficients: int, mels: int) -> None:
        super().__init__()
        self.register_buffer("rows", _constant(cosines(coefficients, mels)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The first coefficients of each frame."""
        y: Tensor = torch.matmul(self.rows, x)
        return y


class PrepareAudio(nn.Module):
    """16-bit samples (batch, time) -> the picture that the network sees, (batch, 1, rows, frames) float32."""

    gain: Tensor
    offset: Tensor

    def __init__(self, features: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        """
        Args:
            features: (batch, time) at full scale 1 -> (batch, rows, frames).
            mean: of each row over the training clips; std likewise.
        """
        super().__init__()
        self.features = features
        middle, spread = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1) for values in (mean, std))
        self.register_buffer("gain", (1 / spread).float())
        self.register_buffer("offset", (-middle / spread).float())

    def forward(self, x: Tensor) -> Tensor:
        """Features, then (value - mean) / std of each row."""
        y: Tensor = self.features(x.float() / 32768) * self.gain + self.offset
        return y[:, None]
