"""What resizes a picture. Resizers answer differently, if only by a grey level, so the choice is part of the model."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
import simplejpeg
from PIL import Image
from PIL import __version__ as pillow_version

from flambeau.choice import Named, OneOf
from flambeau.extras import need
from flambeau.inputs.decode import picture, stored_pixels
from flambeau.inputs.jpeg import Need, Pixels
from flambeau.inputs.resize import PAD, Interpolation, Resize, placed

DECODER = f"Pillow {pillow_version}, simplejpeg {simplejpeg.__version__}"
_OF_PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_OF_SIMD = {"box": "box", "bilinear": "bilinear", "bicubic": "catmull_rom", "lanczos": "lanczos3"}


@dataclass(frozen=True)
class Wanted:
    """What a picture has to become."""

    size: tuple[int, int]
    """(height, width)."""
    resize: Resize
    interpolation: Interpolation
    max_pixels: int
    need: Need | None
    """How small the decoder may make it; None: not at all."""
    depth: int
    """Bits that the levels of 16-bit pictures use."""


class Resizer(Named):
    """One way to resize pictures."""

    def require(self) -> None:
        """
        Raises:
            ExtraMissing: what it needs is not installed.
        """

    @property
    @abstractmethod
    def version(self) -> str:
        """Of all that decodes and resizes. Another version may answer differently by a grey level."""

    @abstractmethod
    def read(self, value: object, wanted: Wanted) -> Pixels:
        """A path, bytes, an array or a PIL image -> (height, width) grey or (height, width, 3) RGB as wanted.

        Raises:
            DataError: it cannot be decoded.
        """


class Pillow(Resizer):
    """Pillow: what most pretrained networks have been trained with."""

    name: ClassVar[str] = "pillow"

    @property
    def version(self) -> str:
        """Of Pillow and simplejpeg."""
        return DECODER

    def read(self, value: object, wanted: Wanted) -> Pixels:
        """A path, bytes, an array or a PIL image -> (height, width) grey or (height, width, 3) RGB as wanted."""
        decoded = picture(value, max_pixels=wanted.max_pixels, need=wanted.need, depth=wanted.depth)
        return np.asarray(fit(decoded.image, (decoded.height, decoded.width), wanted))


class Simd(Resizer):
    """cykooz.resizer: the same filters with the wide registers of the processor, in a third of the time (`pip install "flambeau[fast]"`)."""

    name: ClassVar[str] = "simd"

    def require(self) -> None:
        """
        Raises:
            ExtraMissing: cykooz.resizer is not installed.
        """
        need("fast", "resizer: simd")

    @property
    def version(self) -> str:
        """Of cykooz.resizer too."""
        self.require()
        return f"{DECODER}, cykooz.resizer {version('cykooz-resizer')}"

    def read(self, value: object, wanted: Wanted) -> Pixels:
        """A path, bytes, an array or a PIL image -> (height, width) grey or (height, width, 3) RGB as wanted.

        Raises:
            ExtraMissing: cykooz.resizer is not installed.
        """
        self.require()
        pixels, stored = stored_pixels(value, wanted.max_pixels, wanted.need, wanted.depth)
        return fit_pixels(pixels, stored, wanted)


ResizerChoice: TypeAlias = Annotated[Resizer, OneOf("resizer", Pillow, Simd)]


def fit(image: Image.Image, stored: tuple[int, int], wanted: Wanted) -> Image.Image:
    """A picture of the wanted size, by Pillow.

    Args:
        stored: its (height, width) in the file; `image` is smaller where it was decoded reduced.
    """
    placing = placed(stored, (image.height, image.width), wanted.size, wanted.resize)
    kept = (placing.width, placing.height)
    whole = image
    if placing.window is not None or image.size != kept:
        whole = image.resize(kept, _OF_PILLOW[wanted.interpolation], box=placing.window)
    if whole.size == wanted.size[::-1]:
        return whole
    ground = Image.new(image.mode, wanted.size[::-1], PAD if image.mode == "L" else (PAD,) * 3)
    ground.paste(whole, (placing.left, placing.top))
    return ground


def fit_pixels(pixels: Pixels, stored: tuple[int, int], wanted: Wanted) -> Pixels:
    """As `fit`, by cykooz.resizer. Where Pillow rounds the other way, a grey level differs by one.

    Source: https://github.com/Cykooz/cykooz.resizer, on top of the Rust crate fast_image_resize.
    """
    decoded = (pixels.shape[0], pixels.shape[1])
    placing = placed(stored, decoded, wanted.size, wanted.resize)
    kept = (placing.height, placing.width)
    whole = pixels
    if placing.window is not None or decoded != kept:
        whole = _resized(pixels, kept, placing.window, wanted.interpolation)
    if kept == wanted.size:
        return whole
    ground = np.full((*wanted.size, *pixels.shape[2:]), PAD, np.uint8)
    ground[placing.top : placing.top + placing.height, placing.left : placing.left + placing.width] = whole
    return ground


def _resized(pixels: Pixels, size: tuple[int, int], window: tuple[float, float, float, float] | None, interpolation: Interpolation) -> Pixels:
    import cykooz_resizer as cykooz

    is_nearest = interpolation == "nearest"
    way = cykooz.ResizeAlg.nearest() if is_nearest else cykooz.ResizeAlg.convolution(cykooz.FilterType[_OF_SIMD[interpolation]])
    options = cykooz.ResizeOptions(way, use_alpha=False)
    if window is not None:
        left, top, right, bottom = window
        options.crop_box = cykooz.CropBox(left, top, right - left, bottom - top)
    kind = cykooz.PixelType.U8 if pixels.ndim == 2 else cykooz.PixelType.U8x3
    found = cykooz.ImageData(size[1], size[0], kind)
    cykooz.Resizer().resize(cykooz.ImageData(pixels.shape[1], pixels.shape[0], kind, pixels.tobytes()), found, options)
    return np.frombuffer(found.get_buffer(), np.uint8).reshape(*size, *pixels.shape[2:])
