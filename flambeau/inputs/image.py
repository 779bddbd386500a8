"""Images: photos, scans, drawings; from files, bytes, arrays or PIL images. An image is (channels, height, width) uint8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from flambeau import messages
from flambeau.choice import problem
from flambeau.inputs import likeness
from flambeau.inputs.augment.steps import SAFE, AugmentStep
from flambeau.inputs.decode import MAX_PIXELS, PILLOW_LIMIT
from flambeau.inputs.denoise import Denoise
from flambeau.inputs.input import Input, Preprocessor
from flambeau.inputs.pixels import DEEPEST, data_url
from flambeau.inputs.reading import LARGEST_SIDE, Decode, Depth, Reading, Side
from flambeau.inputs.recognition import decide, depth_of, looks_like_images
from flambeau.inputs.resize import Interpolation, Resize
from flambeau.inputs.resizer import Pillow, Resizer, ResizerChoice
from flambeau.inputs.statistics import IMAGENET, Statistics, measured
from flambeau.messages import printable
from flambeau.naming import closest
from flambeau.types import Array, SeenImages, SeenTexts, TensorSpec

if TYPE_CHECKING:
    from torch import nn

    from flambeau.inputs.augment import Augmentation


STANDARDS = ("data", "backbone", "none")


def _square(value: object) -> object:
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(type(side) is int and 1 <= side <= LARGEST_SIDE for side in pair):
        raise problem("size-form", largest=str(LARGEST_SIDE))
    return pair


@lru_cache(16)
def _reading(
    size: tuple[int, int],
    resize: Resize,
    interpolation: Interpolation,
    channels: Literal[1, 3],
    decode: Decode,
    resizer: Resizer,
    max_pixels: int,
    depth: int,
) -> Reading:
    """Made once, as it is asked for with every picture."""
    return Reading(
        size=size,
        resize=resize,
        interpolation=interpolation,
        channels=channels,
        decode=decode,
        resizer=resizer,
        max_pixels=max_pixels,
        depth=depth,
    )


def _open_word(value: object) -> object:
    return None if value == "auto" else value


def _known_word(value: object) -> object:
    if isinstance(value, str) and value not in STANDARDS:
        raise problem("standard-unknown", name=printable(value), names=", ".join(STANDARDS), guess=closest(value, STANDARDS))
    return value


def _statistics_tag(value: object) -> str:
    return "given" if isinstance(value, Mapping | Statistics) else "word"


_SIDE = {"type": "integer", "minimum": 1, "maximum": LARGEST_SIDE}
Size = Annotated[
    tuple[Side, Side],
    BeforeValidator(_square),
    WithJsonSchema({"anyOf": [_SIDE, {"type": "array", "items": _SIDE, "minItems": 2, "maxItems": 2}]}),
]
"""[height, width] in pixels, or one number for both."""


class ImageInput(Input):
    """A column of pictures."""

    file_ending: ClassVar[str] = ".jpg"
    passes: ClassVar[float] = 0.75  # more brought hand signs nothing, and digits less than chance does
    type: Literal["image"] = "image"
    size: Size | None = None
    """[height, width] in pixels that the network sees, or one number for both. Left open: as a pretrained network has seen them, else
    from the size of the data."""
    resize: Resize | None = None
    """stretch: to the size, proportions change. pad: keep the proportions, fill with grey. crop: keep them, cut off what
    juts out. Left open: stretch if nearly all pictures have the same proportions, else pad; never crop."""
    interpolation: Interpolation = "bilinear"
    """How pixels are averaged when the size changes. Left open in front of a pretrained network: as it has seen them."""
    channels: Literal[1, 3] | None = None
    """1: grey, 3: red, green, blue, as read and cached. Left open: 1 if all pictures are stored in grey."""
    grayscale: bool = False
    """Colour pictures are made grey inside the exported model."""
    denoise: Denoise = "none"
    """none, median, median5, gaussian, bilateral, or one with settings: {gaussian: {sigma: 1.5}}. Inside the exported model."""
    standardise: Annotated[
        Annotated[Literal["data", "backbone", "none"], Tag("word")] | Annotated[Statistics, Tag("given")],
        Discriminator(_statistics_tag),
        BeforeValidator(_known_word),
    ] = "data"
    """data: by mean and standard deviation of the training pictures. backbone: as the pretrained network has seen them, which is also
    what happens where this is left open; by ImageNet's where there is none. none: levels from 0 to 1. Or {mean: [...], std: [...]} with
    levels from 0 to 1."""
    augment: Annotated[tuple[AugmentStep, ...] | None, BeforeValidator(_open_word)] = None
    """What varies in training: a list of steps, [] for nothing. Left open, or auto: a little rotation, scale, shift,
    brightness and contrast. No flip: letters, digits and hand signs change their meaning."""
    decode: Decode = "exact"
    """fast: large JPEG files are decoded at a half, a quarter or an eighth of their size: 1.7 times as fast for 500 x 375 pixels at 160,
    more for larger ones, a few grey levels off. The same in training and serving."""
    resizer: ResizerChoice = Pillow()
    """simd: pictures are resized by cykooz.resizer (`pip install "flambeau[fast]"`) instead of Pillow: 500 x 375 pixels at 160 are read twice
    as fast; with bilinear interpolation every tenth pixel differs by a grey level. The same in training and serving."""
    max_pixels: int = Field(MAX_PIXELS, ge=1, le=PILLOW_LIMIT)
    """Larger pictures are refused before they are decoded."""
    depth: Depth | None = None
    """Bits that the levels of 16-bit pictures use, 8 to 16: of cameras often 12, so that 4,095 is white. Left open: what the sample needs,
    of 8, 10, 12, 14 and 16."""

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether nearly all of the values are pictures or paths of pictures."""
        return looks_like_images(values)

    def beside_pretrained(self, seen: SeenImages | SeenTexts) -> Self:
        """With the size, the interpolation and the statistics of the pictures that the network has seen, where they are left open."""
        if not isinstance(seen, SeenImages):
            return self
        chosen: dict[str, Any] = {"size": seen.size} if self.size is None else {}
        if "interpolation" not in self.model_fields_set and seen.interpolation in get_args(Interpolation):
            chosen["interpolation"] = seen.interpolation
        if "standardise" not in self.model_fields_set or self.standardise == "backbone":
            chosen["standardise"] = Statistics(mean=seen.mean, std=seen.std)
        return self.model_copy(update=chosen)

    def resolve(self, values: Sequence[object]) -> Self:
        """Size, resize, channels and augmentation settled, by the headers of the sample.

        Raises:
            ExtraMissing: the resizer is not installed.
        """
        self.resizer.require()
        augment = SAFE if self.augment is None else self.augment
        depth = self.depth or depth_of(values, self.max_pixels)
        if None not in (self.size, self.resize, self.channels):
            return self.model_copy(update={"augment": augment, "depth": depth})
        found = decide(values, self.max_pixels)
        settled = {"size": self.size or found.size, "resize": self.resize or found.resize, "channels": self.channels or found.channels}
        return self.model_copy(update={**settled, "augment": augment, "depth": depth})

    @property
    def reading(self) -> Reading:
        """The part that turns a raw value into an array."""
        assert self.size is not None and self.resize is not None and self.channels is not None, "only a resolved input can read"
        depth = self.depth or DEEPEST
        return _reading(self.size, self.resize, self.interpolation, self.channels, self.decode, self.resizer, self.max_pixels, depth)

    def read(self, value: object) -> Array:
        """A path, bytes, an array or a PIL image -> (channels, height, width) uint8."""
        return self.reading.read(value)

    @property
    def spec(self) -> TensorSpec:
        """(channels, height, width) uint8."""
        return self.reading.spec

    def reading_key(self) -> str:
        """Size, resize, interpolation, channels, decode and the decoder's version; nothing of the graph part."""
        return self.reading.key

    def fit(self, arrays: Iterable[Array]) -> ImagePreprocessor:
        """Pictures of the training split -> the fitted preprocessor. Statistics are taken after grayscale and before
        denoise, which hardly changes them."""
        reading = self.reading
        grayscale = self.grayscale and reading.channels == 3
        channels = 1 if grayscale else reading.channels
        return ImagePreprocessor(
            reading=reading,
            grayscale=grayscale,
            denoise=self.denoise,
            statistics=self._statistics(arrays, grayscale).for_channels(channels),
            decoder=reading.resizer.version,
        )

    def _statistics(self, arrays: Iterable[Array], grayscale: bool) -> Statistics:
        if isinstance(self.standardise, Statistics):
            return self.standardise
        if self.standardise == "data":
            return measured(arrays, grayscale)
        return IMAGENET if self.standardise == "backbone" else Statistics(mean=(0.0,), std=(1.0,))

    def fingerprint(self, array: Array) -> int:
        """64 bits that are close (Hamming, up to `likeness.NEAR`) for pictures that look alike."""
        return likeness.fingerprint(_as_uint8(array))

    def is_alike(self, one: Array, other: Array) -> bool:
        """Whether two pictures are one photo, compressed, resized or exposed differently."""
        return likeness.is_alike(_as_uint8(one), _as_uint8(other))

    def is_blank(self, array: Array) -> bool:
        """Whether the picture is one colour, give or take two grey levels."""
        return likeness.is_blank(_as_uint8(array))

    def read_together(self, values: Sequence[object]) -> Array | None:
        """Arrays that are pictures of the wanted size already -> (values, channels, height, width) uint8."""
        return self.reading.read_together(values)

    def marks(self, arrays: Sequence[Array]) -> list[tuple[bool, int | None]]:
        """`is_blank` and `fingerprint` of each."""
        pixels = _as_uint8(np.asarray(arrays))
        return list(zip(likeness.are_blank(pixels).tolist(), likeness.fingerprints(pixels).tolist(), strict=True))

    def alike(self, ones: Sequence[Array], others: Sequence[Array]) -> npt.NDArray[np.bool_]:
        """`is_alike` of each pair."""
        return likeness.alike(_as_uint8(np.asarray(ones)), _as_uint8(np.asarray(others)))

    def describe(self) -> list[str]:
        """Size, interpolation and statistics where they were given, as in front of a pretrained network; how deep, if less than 16 bits."""
        depth = [] if self.depth in (None, DEEPEST) else [messages.text("image-depth", depth=self.depth, white=f"{2**self.depth - 1:,}")]
        if not isinstance(self.standardise, Statistics):
            return depth
        mean, std = (" ".join(f"{value:.3g}" for value in values) for values in (self.standardise.mean, self.standardise.std))
        return [f"{self.resize}, {self.interpolation}", messages.text("image-statistics", mean=mean, std=std), *depth]

    def variations(self) -> list[str]:
        """Each augmentation step and how far it goes: "rotate 10"."""
        return [" ".join([step.name, *(f"{value:g}" for value in step.model_dump().values())]) for step in self.augment or ()]

    def augmentation(self, spec: TensorSpec) -> Augmentation | None:
        """What varies batches of pictures (batch, channels, height, width); None if the list is empty."""
        if not self.augment:
            return None
        from flambeau.inputs.augment.pictures import Pictures

        return Pictures(self.augment)


class ImagePreprocessor(Preprocessor):
    """The preprocessing of pictures, fitted."""

    type: Literal["image"] = "image"
    reading: Reading
    grayscale: bool
    """Whether three channels become one; False if there is only one."""
    denoise: Denoise
    statistics: Statistics
    """Of the channels that the network sees."""
    decoder: str
    """What decoded the training pictures."""

    @property
    def spec(self) -> TensorSpec:
        """(channels, height, width) uint8."""
        return self.reading.spec

    @property
    def gives(self) -> TensorSpec:
        """(channels, height, width) float32, one channel after grayscale."""
        channels = 1 if self.grayscale else self.reading.channels
        return TensorSpec(("channels", "height", "width"), (channels, *self.reading.size), "float32")

    def read(self, value: object) -> Array:
        """A path, bytes, an array or a PIL image -> (channels, height, width) uint8."""
        return self.reading.read(value)

    def picture(self, array: Array) -> str:
        """(channels, height, width) uint8 -> a data: URL of a PNG, before the graph part."""
        return data_url(_as_uint8(array))

    def module(self) -> nn.Module:
        """(batch, channels, height, width) uint8 or float, 0 to 255 -> grayscale, denoise, standardise -> float32."""
        from torch import nn

        from flambeau.inputs.graph.image import Grayscale, PrepareImage, Standardise

        return PrepareImage(
            Grayscale() if self.grayscale else nn.Identity(),
            nn.Identity() if self.denoise == "none" else self.denoise.module(),
            Standardise(self.statistics.mean, self.statistics.std),
        )


def _as_uint8(array: Array) -> npt.NDArray[np.uint8]:
    return array.astype(np.uint8, copy=False)
