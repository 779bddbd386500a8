"""A decoded picture -> a picture of the size that the network takes. By Pillow only: other resizers answer differently."""

from __future__ import annotations

from typing import Literal

from PIL import Image

from flambeau.inputs.decode import Picture

Resize = Literal["stretch", "pad", "crop"]
"""stretch: to the size, proportions change. pad: keep the proportions, fill with grey. crop: keep the proportions, cut off
what juts out beside the middle."""

Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

PAD = 128
"""The middle grey that fills what is missing: after standardisation it is near zero."""

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""All but "nearest" average over the pixels that become one (antialiasing) when they make a picture smaller."""


def scaled(height: int, width: int, size: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """(height, width) of the whole picture after scaling, before padding or cropping to `size`."""
    if resize == "stretch":
        return size
    pick = min if resize == "pad" else max
    scale = pick(size[0] / height, size[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def fit(picture: Picture, size: tuple[int, int], resize: Resize, interpolation: Interpolation) -> Image.Image:
    """The picture with (height, width) = `size`.

    The geometry follows the size that is stored in the file, so that a reduced decoding does not move the crop.
    """
    image, resample = picture.image, _FILTERS[interpolation]
    if resize == "crop":
        return image.resize(size[::-1], resample, box=_middle(picture, size))
    height, width = scaled(picture.height, picture.width, size, resize)
    whole = image if image.size == (width, height) else image.resize((width, height), resample)
    if (height, width) == size:
        return whole
    ground = Image.new(image.mode, size[::-1], PAD if image.mode == "L" else (PAD,) * 3)
    ground.paste(whole, ((size[1] - width) // 2, (size[0] - height) // 2))
    return ground


def _middle(picture: Picture, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom), in pixels of `picture.image`, of the largest window in the middle with the proportions of `size`."""
    window = min(picture.height / size[0], picture.width / size[1])
    height, width = size[0] * window, size[1] * window
    top, left = (picture.height - height) / 2, (picture.width - width) / 2
    down, across = picture.image.height / picture.height, picture.image.width / picture.width
    return left * across, top * down, (left + width) * across, (top + height) * down
