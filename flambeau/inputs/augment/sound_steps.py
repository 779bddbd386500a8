"""Recipe side of the augmentation of sounds: what may vary, and how far. No torch.

Speed and shift come first (one resampling), then equaliser and frequency masks (one filter), gain, noise, time masks. Every amount
is drawn anew for each example and epoch, evenly between its bounds.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from flambeau.choice import OneOf
from flambeau.inputs.augment.steps import Share, Step

Decibels = Annotated[float, Field(ge=0, le=100)]
Masks = Annotated[int, Field(ge=1, le=8)]


class Speed(Step):
    """Played faster or slower, higher or lower with it, as if another person spoke."""

    name: ClassVar[str] = "speed"
    by: float = Field(0.15, ge=0, le=1)
    """0.15: at most 1.15 times as fast or as slow, evenly in the logarithm."""


class ShiftTime(Step):
    """Moved in time; what comes in from beyond the ends is silence."""

    name: ClassVar[str] = "shift"
    by: Share = 0.1
    """Share of the clip, at most, to either side."""


class Equalise(Step):
    """Low, middle and high frequencies made louder or softer, as another microphone or room does."""

    name: ClassVar[str] = "equalise"
    by: Decibels = 6.0
    """Decibels up or down, at most, at each of six points of the spectrum."""


class Gain(Step):
    """The whole clip made louder or softer. Without effect on what is measured relative to the clip's own loudest point."""

    name: ClassVar[str] = "gain"
    by: Decibels = 6.0
    """Decibels up or down, at most."""


class Hiss(Step):
    """White noise."""

    name: ClassVar[str] = "noise"
    above: Decibels = 10.0
    """The clip is at least so many decibels above the noise, and at most `below`."""
    below: Decibels = 50.0
    """The most that the clip is above it."""


class TimeMask(Step):
    """Spans of time become silence. Source: Park et al.: SpecAugment, Interspeech 2019."""

    name: ClassVar[str] = "time_mask"
    by: Share = 0.15
    """Length of one, as a share of the clip, at most."""
    masks: Masks = 2
    """How many."""


class FrequencyMask(Step):
    """Bands of frequencies are filtered out. Source: Park et al.: SpecAugment, Interspeech 2019."""

    name: ClassVar[str] = "frequency_mask"
    by: Share = 0.15
    """Width of one, as a share of the mel scale, at most."""
    masks: Masks = 2
    """How many."""


SOUND_STEPS: tuple[type[Step], ...] = (Speed, ShiftTime, Equalise, FrequencyMask, Gain, Hiss, TimeMask)

SoundStep: TypeAlias = Annotated[Step, OneOf("step", *SOUND_STEPS)]
"""``noise``, ``{speed: 0.1}`` or ``{time_mask: {by: 0.1, masks: 1}}``."""

SAFE_SOUND: tuple[SoundStep, ...] = (Speed(), ShiftTime(), Equalise(), FrequencyMask(), Hiss(), TimeMask())
"""What "auto" stands for."""
