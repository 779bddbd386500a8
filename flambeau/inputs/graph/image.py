"""The part of image preprocessing that travels inside the exported model: grayscale, denoise, standardise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flambeau.inputs.statistics import GREY_WEIGHTS

_RED, _GREEN, _BLUE = GREY_WEIGHTS.tolist()


class Grayscale(nn.Module):
    """(batch, 3, height, width) -> (batch, 1, height, width)."""

    def forward(self, x: Tensor) -> Tensor:
        """Three channels -> their weighted sum."""
        red, green, blue = x[:, :1], x[:, 1:2], x[:, 2:]
        grey: Tensor = _RED * red + _GREEN * green + _BLUE * blue
        return grey


class Standardise(nn.Module):
    """Grey levels -> (level - mean) / std of the channel."""

    gain: Tensor
    offset: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """
        Args:
            mean: of each channel, in grey levels from 0 (black) to 1 (white).
            std: as mean.
        """
        super().__init__()
        middle, spread = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (mean, std))
        self.register_buffer("gain", (1 / (255 * spread)).float())
        self.register_buffer("offset", (-middle / spread).float())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) in 0 to 255 -> the same axes, about mean 0 and std 1."""
        y: Tensor = x * self.gain
        return y.add_(self.offset)  # in two steps: rounded once, as by addcmul, it would not be what ONNX Runtime answers


class PrepareImage(nn.Module):
    """uint8 or float grey levels (batch, channels, height, width), 0 to 255 -> what the network sees, float32."""

    def __init__(self, grayscale: nn.Module, denoise: nn.Module, standardise: nn.Module) -> None:
        super().__init__()
        self.grayscale = grayscale
        self.denoise = denoise
        self.standardise = standardise

    def forward(self, x: Tensor) -> Tensor:
        """Grayscale, then denoise, then standardise; nn.Identity where one is not wanted."""
        y: Tensor = self.standardise(self.denoise(self.grayscale(x.float())))
        return y
