"""What a recipe says about the test."""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, field_validator

from flambeau.choice import problem
from flambeau.config import Config
from flambeau.evaluation.deviations import FIGURES as VALUES
from flambeau.evaluation.deviations import INTERVAL_FIGURES as INTERVALS
from flambeau.evaluation.estimates import FIGURES, LOWER_IS_BETTER
from flambeau.evaluation.flags import FIGURES as FLAGS
from flambeau.naming import closest

_TOP_K = re.compile(r"top_[1-9][0-9]{0,3}_accuracy")


_NAMES = list(dict.fromkeys(name for figures in (*FIGURES.values(), FLAGS, VALUES, INTERVALS, ("median_error",)) for name in figures))


def _is_score(name: str) -> str:
    names = [name for name in _NAMES if name not in LOWER_IS_BETTER]
    if name not in names and not _TOP_K.fullmatch(name):
        raise problem("metric-unknown", name=name, names=", ".join([*names, "top_K_accuracy"]), guess=closest(name, names))
    return name


def _is_error(name: str) -> str:
    names = [name for name in _NAMES if name in LOWER_IS_BETTER]
    if name not in names:
        raise problem("metric-unknown", name=name, names=", ".join(names), guess=closest(name, names))
    return name


class TestConfig(Config):
    """How the finished model is tested."""

    __test__: ClassVar[bool] = False
    """pytest takes every class called Test... for a test."""

    top_k: int = Field(3, ge=2, le=100)
    """An answer also counts for top_k_accuracy when the true class is among this many; left out with fewer classes."""
    confidence: float = Field(0.95, ge=0.5, le=0.9999)
    """Share of tests whose interval would cover the true value."""
    min: dict[Annotated[str, AfterValidator(_is_score)], float] = Field(default_factory=dict)
    """The least acceptable value by metric (`accuracy: 0.9`, `r2: 0.8`); below it the command ends with exit code 1."""
    max: dict[Annotated[str, AfterValidator(_is_error)], float] = Field(default_factory=dict)
    """The greatest acceptable value of an error (`mae: 2.5`, in the unit of the data); above it the command ends with exit code 1."""
    worst: int = Field(24, ge=0, le=200)
    """Number of the worst mistakes that the report shows."""

    @field_validator("min", "max")
    @classmethod
    def _can_be_met(cls, bounds: dict[str, float]) -> dict[str, float]:
        for name, bound in bounds.items():
            if (bound < 0 if name in LOWER_IS_BETTER else bound > 1) or not isfinite(bound):
                raise problem("bound-never", name=name, bound=bound)
        return bounds
