"""How the learning rate goes over a run: a factor for each step, a function of the step's number alone, so that a restart cannot change it.

`Plateau` looks at the validation scores too; these are recorded, so a restart finds the same ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import cos, pi
from typing import Annotated, ClassVar

from pydantic import Field

from flambeau.choice import Named, OneOf

Warmup = Annotated[float, Field(ge=0, le=0.9)]
Share = Annotated[float, Field(ge=0, le=1)]


class ScheduleConfig(Named):
    """A factor on the learning rate for each step."""

    @abstractmethod
    def factor(self, step: int, num_steps: int, history: Sequence[float] = ()) -> float:
        """The step's number (from 0), the steps of the whole run and the scores of the epochs so far (higher is better) -> factor."""


class Warmed(ScheduleConfig):
    """A schedule that begins after a straight rise."""

    warmup: Warmup
    """Share of all steps in which the learning rate rises in a straight line to its full value."""

    def factor(self, step: int, num_steps: int, history: Sequence[float] = ()) -> float:
        """As ScheduleConfig.factor."""
        num_warmup = self.warmup * num_steps
        if step < num_warmup:
            return min(1.0, (step + 1) / num_warmup)
        return self._after_warmup((step - num_warmup) / max(num_steps - num_warmup, 1.0), history)

    @abstractmethod
    def _after_warmup(self, progress: float, history: Sequence[float]) -> float:
        """Share of the rest that is done, 0 to 1 -> factor."""


class Constant(Warmed):
    """The same learning rate all the time."""

    name: ClassVar[str] = "constant"

    warmup: Warmup = 0.0
    """Share of all steps in which the learning rate rises in a straight line to its full value."""

    def _after_warmup(self, progress: float, history: Sequence[float]) -> float:
        return 1.0


class OneCycle(ScheduleConfig):
    """Up to the full learning rate, then down to almost nothing, both along half a cosine; good from the first try.

    Source: Smith and Topin, Super-Convergence, 2018; the form is that of torch.optim.lr_scheduler.OneCycleLR.
    """

    name: ClassVar[str] = "one_cycle"

    warmup: Warmup = 0.3
    """Share of all steps in which the learning rate rises."""
    start: float = Field(0.04, gt=0, le=1)
    """Factor of the first step."""
    final: Share = 4e-6
    """Factor of the last step."""

    def factor(self, step: int, num_steps: int, history: Sequence[float] = ()) -> float:
        """As ScheduleConfig.factor; the rise is a part of the curve."""
        peak = self.warmup * num_steps - 1
        if step <= peak:
            return _half_cosine(self.start, 1.0, step / max(peak, 1.0))
        return _half_cosine(1.0, self.final, min(1.0, (step - peak) / max(num_steps - 1 - peak, 1.0)))


class Cosine(Warmed):
    """Down along half a cosine. Source: Loshchilov and Hutter, SGDR, 2017, without restarts."""

    name: ClassVar[str] = "cosine"

    warmup: Warmup = 0.0
    """Share of all steps in which the learning rate rises in a straight line to its full value."""
    final: Share = 0.0
    """Factor at the end."""

    def _after_warmup(self, progress: float, history: Sequence[float]) -> float:
        return _half_cosine(1.0, self.final, progress)


class Linear(Warmed):
    """Down in a straight line."""

    name: ClassVar[str] = "linear"

    warmup: Warmup = 0.0
    """Share of all steps in which the learning rate rises in a straight line to its full value."""
    final: Share = 0.0
    """Factor at the end."""

    def _after_warmup(self, progress: float, history: Sequence[float]) -> float:
        return 1.0 + (self.final - 1.0) * progress


class StepDown(Warmed):
    """Down by a factor at given shares of the run."""

    name: ClassVar[str] = "step"

    gamma: float = Field(0.1, gt=0, le=1)
    """What the learning rate is multiplied with at each of the places."""
    at: tuple[Share, ...] = (0.5, 0.75)
    """Places, as shares of the steps after the warm-up."""
    warmup: Warmup = 0.0
    """Share of all steps in which the learning rate rises in a straight line to its full value."""

    def _after_warmup(self, progress: float, history: Sequence[float]) -> float:
        return self.gamma ** sum(progress >= place for place in self.at)


class Plateau(Warmed):
    """Down by a factor when the validation score has not risen for some epochs."""

    name: ClassVar[str] = "plateau"

    gamma: float = Field(0.5, gt=0, lt=1)
    """What the learning rate is multiplied with."""
    patience: int = Field(3, ge=1, le=1000)
    """Epochs without gain before that."""
    min_gain: float = Field(1e-4, ge=0)
    """A smaller rise of the score counts as none."""
    final: Share = 1e-3
    """The factor never falls below this."""
    warmup: Warmup = 0.0
    """Share of all steps in which the learning rate rises in a straight line to its full value."""

    def _after_warmup(self, progress: float, history: Sequence[float]) -> float:
        factor, best, stale = 1.0, float("-inf"), 0
        for score in history:
            if score > best + self.min_gain:
                best, stale = score, 0
            else:
                stale += 1
            if stale >= self.patience:
                factor, stale = max(self.final, factor * self.gamma), 0
        return factor


SCHEDULES: tuple[type[ScheduleConfig], ...] = (OneCycle, Cosine, Linear, StepDown, Plateau, Constant)
AnySchedule = Annotated[OneCycle | Cosine | Linear | StepDown | Plateau | Constant, OneOf("schedule", *SCHEDULES)]


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2 * (1 + cos(pi * progress))
