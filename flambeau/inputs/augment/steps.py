"""Recipe side of augmentation: what may vary, and how far. No torch.

The list says what varies, not when: geometry comes first (all of it in one resampling), then colour (in one pass), blur,
noise, erasing, and the mixing of examples last. Within a stage the order of the list holds. Every amount is drawn anew
for each example and epoch, evenly between its bounds.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from flambeau.choice import Named, OneOf

Share = Annotated[float, Field(ge=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]


class Step(Named):
    """One thing that varies."""


class Flip(Step):
    """Left and right change places. Not a default: letters, digits and hand signs change their meaning."""

    name: ClassVar[str] = "flip"
    probability: Share = 0.5
    """Share of the examples that are flipped."""


class AlternatingFlip(Step):
    """Left and right change places in every other epoch: for half of the examples in the first, for the others in the second, and so
    on. Two epochs thus show both sides of each, which helps where there are only a few.

    Source: Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024.
    """

    name: ClassVar[str] = "alternating_flip"


class VerticalFlip(Step):
    """Top and bottom change places: for pictures taken from above."""

    name: ClassVar[str] = "vertical_flip"
    probability: Share = 0.5
    """Share of the examples that are flipped."""


class Rotate(Step):
    """Turned about the middle."""

    name: ClassVar[str] = "rotate"
    degrees: Degrees = 10.0
    """At most so far to either side."""


class Scale(Step):
    """Made larger or smaller about the middle."""

    name: ClassVar[str] = "scale"
    by: float = Field(0.1, ge=0, le=4)
    """0.1: at most 1.1 times as large or as small, evenly in the logarithm."""


class Shift(Step):
    """Moved sideways and up or down: by whole pixels, and so without blur, where no step but flips is beside it."""

    name: ClassVar[str] = "shift"
    by: Share = 0.1
    """Share of the width, and of the height, at most."""


class Shear(Step):
    """Slanted, as handwriting is."""

    name: ClassVar[str] = "shear"
    degrees: float = Field(5.0, ge=0, le=60)
    """Upright lines lean at most so far to either side."""


class Crop(Step):
    """A window at a random place fills the picture."""

    name: ClassVar[str] = "crop"
    by: float = Field(0.1, ge=0, le=0.9)
    """At most this share of the height and of the width is cut away; the proportions stay."""


class Brightness(Step):
    """All levels multiplied by one factor."""

    name: ClassVar[str] = "brightness"
    by: Share = 0.2
    """0.2: a factor of 0.8 to 1.2."""


class Contrast(Step):
    """Differences from the picture's mean grey multiplied by one factor."""

    name: ClassVar[str] = "contrast"
    by: Share = 0.2
    """0.2: a factor of 0.8 to 1.2."""


class Colour(Step):
    """Saturation and hue; grey pictures stay as they are."""

    name: ClassVar[str] = "colour"
    saturation: Share = 0.2
    """0.2: differences from grey are multiplied by 0.8 to 1.2."""
    hue: Degrees = 0.0
    """Colours turn by at most so many degrees on the colour circle, to either side."""


class Blur(Step):
    """A Gaussian blur."""

    name: ClassVar[str] = "blur"
    sigma: float = Field(1.0, gt=0, le=10)
    """Standard deviation in pixels, at most."""


class Noise(Step):
    """Normal noise, another one in each pixel and channel."""

    name: ClassVar[str] = "noise"
    std: float = Field(5.0, ge=0, le=128)
    """Standard deviation in grey levels (0 to 255), at most."""


class Erase(Step):
    """A rectangle at a random place is filled with the picture's mean colour."""

    name: ClassVar[str] = "erase"
    area: float = Field(0.25, gt=0, le=0.9)
    """Share of the picture's area, at most."""
    probability: Share = 0.5
    """Share of the examples that lose a rectangle."""


class Mixup(Step):
    """Each example is blended with another one of the batch, and so are their targets.

    Source: Zhang et al.: mixup: Beyond Empirical Risk Minimization, ICLR 2018.
    """

    name: ClassVar[str] = "mixup"
    alpha: float = Field(0.2, gt=0, le=4)
    """The share of the other example is drawn from Beta(alpha, alpha), folded to at most a half; 1 is even."""
    probability: Share = 1.0
    """Share of the examples that are blended."""


class Cutmix(Step):
    """A rectangle of another example of the batch is pasted in; the targets are mixed by area.

    Source: Yun et al.: CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019.
    """

    name: ClassVar[str] = "cutmix"
    alpha: float = Field(1.0, gt=0, le=4)
    """The share of the other example's area is drawn from Beta(alpha, alpha), folded to at most a half; 1 is even."""
    probability: Share = 1.0
    """Share of the examples that get a patch."""


STEPS: tuple[type[Step], ...] = (
    Flip, AlternatingFlip, VerticalFlip, Rotate, Scale, Shift, Shear, Crop, Brightness, Contrast, Colour, Blur, Noise, Erase, Mixup, Cutmix,
)  # fmt: skip

AugmentStep: TypeAlias = Annotated[Step, OneOf("step", *STEPS)]
"""``flip``, ``{rotate: 10}`` or ``{rotate: {degrees: 10}}``."""

SAFE: tuple[AugmentStep, ...] = (Rotate(), Scale(), Shift(), Brightness(), Contrast())
"""What "auto" stands for: nothing that changes the meaning of a digit, a letter or a hand sign. No flip."""
