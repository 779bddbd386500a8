"""Recipe side of the augmentation of time series: what may vary, and how far. No torch.

Windows and time warping come first (one resampling), then scaling, then jitter. Source of all four: Um et al.: Data augmentation of
wearable sensor data for Parkinson's disease monitoring, ICMI 2017; Le Guennec et al., AALTD 2016.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from flambeau.choice import OneOf
from flambeau.inputs.augment.steps import Step


class Jitter(Step):
    """Normal noise on every value."""

    name: ClassVar[str] = "jitter"
    std: float = Field(0.05, ge=0, le=1)
    """At most, in standard deviations of the series' own channel."""


class ScaleValues(Step):
    """Each channel stretched about its mean."""

    name: ClassVar[str] = "scale"
    by: float = Field(0.1, ge=0, le=1)
    """0.1: a factor of 0.9 to 1.1, another one for each channel."""


class Warp(Step):
    """Time runs faster here and slower there; beginning and end stay where they are."""

    name: ClassVar[str] = "warp"
    by: float = Field(0.1, ge=0, le=0.9)
    """0.1: the speed lies between about 0.9 and 1.1."""


class Window(Step):
    """A random part of the series, stretched to its length."""

    name: ClassVar[str] = "window"
    by: float = Field(0.1, ge=0, le=0.9)
    """Share that is left out, at most."""


SERIES_STEPS: tuple[type[Step], ...] = (Window, Warp, ScaleValues, Jitter)

SeriesStep: TypeAlias = Annotated[Step, OneOf("step", *SERIES_STEPS)]
"""``jitter``, ``{warp: 0.1}`` or ``{warp: {by: 0.1}}``."""

SAFE_SERIES: tuple[SeriesStep, ...] = (Warp(), ScaleValues(), Jitter())
"""What "auto" stands for."""
