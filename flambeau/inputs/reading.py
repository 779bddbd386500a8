"""From a raw value to the array that is cached: decode, resize, order the axes. Shared by the recipe side and the fitted side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from flambeau.config import Config
from flambeau.inputs.decode import MAX_PIXELS, PILLOW_LIMIT, as_channels, plain_pixels
from flambeau.inputs.pixels import DEEPEST
from flambeau.inputs.resize import Interpolation, Resize, scaled
from flambeau.inputs.resizer import Pillow, ResizerChoice, Wanted
from flambeau.types import TensorSpec

LARGEST_SIDE = 4096
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE, strict=True)]
"""Height or width in pixels."""
Depth = Annotated[int, Field(ge=8, le=DEEPEST, strict=True)]
"""Bits that the levels of 16-bit pictures use."""
Decode = Literal["exact", "fast"]


class Reading(Config):
    """How a picture becomes an array. Every field is settled."""

    size: tuple[Side, Side]
    """(height, width) in pixels."""
    resize: Resize
    interpolation: Interpolation
    channels: Literal[1, 3]
    decode: Decode
    resizer: ResizerChoice = Pillow()
    max_pixels: int = Field(MAX_PIXELS, ge=1, le=PILLOW_LIMIT)
    depth: Depth = DEEPEST

    @property
    def spec(self) -> TensorSpec:
        """What `read` returns."""
        return TensorSpec(("channels", "height", "width"), (self.channels, *self.size), "uint8")

    @property
    def key(self) -> str:
        """All that changes what `read` returns, the decoder's version too."""
        return f"image {self.resizer.version} {self.model_dump_json()}"

    def read(self, value: object) -> npt.NDArray[np.uint8]:
        """A path, bytes, an array or a PIL image -> (channels, height, width).

        Raises:
            DataError: it cannot be decoded.
        """
        shape = self.size if self.channels == 1 else (*self.size, self.channels)
        pixels = plain_pixels(value, shape, self.max_pixels)
        if pixels is None:
            need = self._need if self.decode == "fast" else None
            pixels = self.resizer.read(value, Wanted(self.size, self.resize, self.interpolation, self.max_pixels, need, self.depth))
            if pixels.ndim != len(shape):
                pixels = np.asarray(as_channels(Image.fromarray(pixels), self.channels))
        return pixels[None] if self.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def read_together(self, values: Sequence[object]) -> npt.NDArray[np.uint8] | None:
        """Several values -> what `read` gives for each, (values, channels, height, width), where nothing is left to do but to order the
        axes: bytes of the wanted size and channels. None for all others.
        """
        shape = self.size if self.channels == 1 else (*self.size, self.channels)
        if not all(type(value) is np.ndarray and value.shape == shape and value.dtype == np.uint8 for value in values):
            return None
        pixels = np.stack([np.asarray(value, np.uint8) for value in values]).reshape(len(values), *self.size, self.channels)
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))

    def _need(self, height: int, width: int) -> tuple[int, int]:
        return scaled(height, width, self.size, self.resize)
