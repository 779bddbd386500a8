"""One or several numbers for each example."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from flambeau.cells import is_missing, number_of
from flambeau.choice import problem
from flambeau.errors import DataError, Notice
from flambeau.messages import printable
from flambeau.naming import LONGEST
from flambeau.tasks.custom import CustomLoss, custom_loss
from flambeau.tasks.task import Target, Task
from flambeau.types import Array, Prediction, Valued

if TYPE_CHECKING:
    from torch import Tensor, nn

ValueLossName = Literal["l2", "l1", "smooth_l1", "huber", "quantile", "poisson"]
Floats = npt.NDArray[np.float64]
NORMAL_IQR = 1.349
"""Distance between the quartiles of a normal distribution, in standard deviations."""
MOST_CLASSES = 10
"""So many different integers at least can be classes, however few examples there are."""
ODD = 0.01
"""Share of the targets that may be no numbers where all others are."""
FAR = 1e5
"""Mean of the values beside their spread from which float32 (7 digits) leaves less than two digits of the difference."""
RANGES = 10
"""Ranges by which the examples are counted and split."""
FEWEST = 10
"""Examples of a range, at least, when the data is split."""


class Regression(Task):
    """Each example has a number, or several, in a unit of its own; errors are told in that unit."""

    type: Literal["regression"] = "regression"
    varies: ClassVar[bool] = True
    names: tuple[str, ...] | None = Field(None, min_length=1)
    """Names of the values, where there are several; null: "0", "1", ..."""
    loss: ValueLossName | CustomLoss = "l2"
    """What is minimised: l2 (squared error, answers the mean), l1 (absolute error, answers the median), smooth_l1 and huber (squared near
    0, absolute beyond delta), quantile (answers an interval), poisson (counts); or a class of your own:
    ``{custom: {target: "package.module:Class"}}``."""
    delta: float = Field(1.0, gt=0, le=1000)
    """Where smooth_l1 and huber turn from squared to absolute, in standard deviations of the target."""
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.05, 0.5, 0.95), min_length=1, max_length=99)
    """Shares of the truths that are to lie below each answer of the quantile loss. The value is the one nearest to 0.5, the interval
    goes from the first to the last."""
    scale: Literal["standard", "robust", "none"] = "standard"
    """What the network is trained on: targets with mean 0 and deviation 1, the same by median and quartiles (outliers count less), or
    the numbers as they are. Answers are in the unit of the data whatever this says. Counts (poisson) are divided by their mean."""
    log: bool = False
    """Train on log(1 + value): for values of 0 and more whose errors grow with them, such as prices."""

    @field_validator("quantiles")
    @classmethod
    def _rising(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        if list(quantiles) != sorted(set(quantiles)):
            raise problem("quantiles-rising")
        return quantiles

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Numbers of which some are no integers, or integers of which more than half are different; rows of numbers. One in a hundred may be
        something else."""
        there = [value for value in values if not is_missing(value)]
        rows = list(filter(None, map(_numbers_or_nothing, there)))
        if not rows or len(there) - len(rows) > ODD * len(there) or any(isinstance(value, bool) for value in values):
            return False
        if any(len(row) > 1 for row in rows):
            return len({len(row) for row in rows}) == 1
        singles = [row[0] for row in rows]
        return any(not number.is_integer() for number in singles) or len(set(singles)) > max(len(singles) / 2, MOST_CLASSES)

    def is_missing(self, value: object) -> bool:
        """As every cell of numbers: nothing, NaN, or a word for it (NA, ?, -)."""
        return is_missing(value)

    def problem(self, value: object) -> DataError | None:
        """It is no number."""
        try:
            numbers_of(value, self.target)
        except DataError as error:
            return error
        return None

    def strata(self, values: Sequence[object]) -> list[str]:
        """Ranges with equally many examples each, by the (first) value."""
        firsts = np.array([numbers_of(value, self.target)[0] for value in values])
        num_ranges = max(min(RANGES, len(firsts) // FEWEST), 1)
        places = np.empty(len(firsts), np.int64)
        places[np.argsort(firsts, kind="stable")] = np.arange(len(firsts)) * num_ranges // max(len(firsts), 1)
        return [str(place) for place in places.tolist()]

    def fit(self, values: Sequence[object]) -> ValuesTarget:
        """The training split's numbers -> how they are scaled.

        Raises:
            DataError: a target is no number, they are all the same, or they do not suit the loss.
        """
        rows = [numbers_of(value, self.target) for value in values]
        widths = {len(row) for row in rows}
        if len(widths) != 1:
            raise DataError("values-number", where=self.target, found=", ".join(map(str, sorted(widths))))
        table = np.sort(np.array(rows, np.float64), axis=0)  # sorted, so that no sum depends on the order of the examples
        names = self.names or (tuple(map(str, range(table.shape[1]))) if table.shape[1] > 1 else (self.target,))
        if len(names) != table.shape[1]:
            raise DataError("names-number", where="task.names", names=len(names), values=table.shape[1])
        constant = [name for name, low, high in zip(names, table[0], table[-1], strict=True) if low == high]
        if constant:
            raise DataError("target-constant", where=self.target, name=constant[0], value=float(table[0][names.index(constant[0])]))
        if (self.loss == "poisson" or self.log) and table[0].min() < 0:
            raise DataError(
                "target-negative", where=self.target, value=float(table[0].min()), setting="task.log" if self.log else "task.loss: poisson"
            )
        centres, scales = self._scaling(np.log1p(table) if self.log else table)
        return ValuesTarget(
            names=names,
            centres=centres,
            scales=scales,
            means=tuple(table.mean(0).tolist()),
            spreads=tuple(table.std(0).tolist()),
            edges=_edges(table[:, 0]),
            log=self.log and self.loss != "poisson",
            loss_name=self.loss,
            delta=self.delta,
            quantiles=self.quantiles if self.loss == "quantile" else (),
        )

    def _scaling(self, table: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(examples, values), each column rising -> what 0 and 1 of the training space stand for."""
        if self.loss == "poisson":
            return (0.0,) * table.shape[1], tuple(table.mean(0).tolist())
        if self.scale == "none":
            return (0.0,) * table.shape[1], (1.0,) * table.shape[1]
        deviations = table.std(0)
        if self.scale == "standard":
            return tuple(table.mean(0).tolist()), tuple(deviations.tolist())
        low, middle, high = np.quantile(table, (0.25, 0.5, 0.75), axis=0)
        robust = (high - low) / NORMAL_IQR
        return tuple(middle.tolist()), tuple(np.where(robust > 0, robust, deviations).tolist())


class ValuesTarget(Target):
    """The scale of a fitted model's values."""

    type: Literal["regression"] = "regression"
    ordered: ClassVar[bool] = True
    names: tuple[str, ...]
    centres: tuple[float, ...]
    """What 0 of the training space stands for, by value."""
    scales: tuple[float, ...]
    """What 1 of the training space is above that."""
    means: tuple[float, ...]
    """Of the training examples, in the unit of the data."""
    spreads: tuple[float, ...]
    """Their standard deviations."""
    edges: tuple[float, ...]
    """Between the ranges of the first value by which examples are counted, rising."""
    log: bool
    loss_name: ValueLossName | CustomLoss
    delta: float
    quantiles: tuple[float, ...]
    """() unless the loss is that of quantiles."""

    def notices(self) -> list[Notice]:
        """Of values that lie so far from 0 that float32 rounds what makes the difference."""
        told = zip(self.names, self.means, self.spreads, strict=True)
        return [Notice("target-far", {"name": name, "middle": mean, "spread": spread}) for name, mean, spread in told if abs(mean) > FAR * spread]

    @property
    def out_features(self) -> int:
        """One number for each value and quantile."""
        return len(self.names) * max(len(self.quantiles), 1)

    @property
    def monitor(self) -> str:
        """What is minimised, on the validation split: it weighs several values alike, whatever their units."""
        return "valid_loss"

    @property
    def answers(self) -> tuple[str, ...]:
        """The names of the values, with the quantile where there are some."""
        if not self.quantiles:
            return self.names
        return tuple(f"{name} q{quantile:g}" for name in self.names for quantile in self.quantiles)

    @property
    def units(self) -> Floats:
        """(answers,) the spread of the training examples."""
        return np.repeat(self.spreads, max(len(self.quantiles), 1))

    @property
    def middle(self) -> int:
        """Place of the quantile that is answered as the value."""
        return min(range(len(self.quantiles)), key=lambda place: abs(self.quantiles[place] - 0.5)) if self.quantiles else 0

    @property
    def groups(self) -> tuple[str, ...]:
        """Ranges of the first value."""
        return ranges(self.edges)

    def group(self, value: object) -> tuple[str, ...]:
        """The range of its first value."""
        return (self.groups[bisect_right(self.edges, float(self.truth(value)[0]))],)

    def encode(self, value: object) -> npt.NDArray[np.float32]:
        """A raw target -> (values,) in training space."""
        truth = self.truth(value)
        if self.log or self.loss_name == "poisson":
            if truth.min() < 0:
                raise DataError(
                    "target-negative", where=self.type, value=float(truth.min()), setting="task.log" if self.log else "task.loss: poisson"
                )
            truth = np.log1p(truth) if self.log else truth
        scaled: Floats = (truth - np.array(self.centres)) / np.array(self.scales)
        return scaled.astype(np.float32)

    def truth(self, value: object) -> Floats:
        """A raw target -> (values,) in the unit of the data."""
        row = numbers_of(value, self.type)
        if len(row) != len(self.names):
            raise DataError("values-number", where=self.type, found=f"{len(row)}, {len(self.names)}")
        return np.array(row, np.float64)

    def restored(self, encoded: Array) -> Array:
        """(batch, values) in training space -> in the unit of the data."""
        values: Floats = encoded.astype(np.float64) * np.array(self.scales) + np.array(self.centres)
        return np.expm1(values) if self.log else values

    def loss(self, allow_code: bool = False) -> nn.Module:
        """(values (batch, out_features), targets (batch, values)) -> (batch,)."""
        from flambeau.tasks.losses import PoissonLoss, QuantileLoss, ValueLoss

        if isinstance(self.loss_name, CustomLoss):
            return custom_loss(self.loss_name, allow_code)
        if self.loss_name == "quantile":
            return QuantileLoss(self.quantiles)
        return PoissonLoss() if self.loss_name == "poisson" else ValueLoss(self.loss_name, self.delta)

    def soft(self, targets: Tensor) -> Tensor:
        """Numbers can be mixed as they are."""
        return targets

    def activation(self) -> nn.Module:
        """Training space -> the unit of the data."""
        from flambeau.tasks.answers import Rates, Values

        return Rates(self.scales) if self.loss_name == "poisson" else Values(self.centres, self.scales, max(len(self.quantiles), 1), self.log)

    def points(self, answers: npt.NDArray[np.floating]) -> Floats:
        """Answers (batch, values x quantiles) -> the value of each, (batch, values): of quantiles the one nearest to 0.5."""
        return np.asarray(answers.reshape(len(answers), len(self.names), -1)[:, :, self.middle], np.float64)

    def decode(self, answers: npt.NDArray[np.float32]) -> list[Prediction]:
        """(batch, values x quantiles) in the unit of the data -> the value of each example, with its interval where there are quantiles."""
        table = answers.reshape(len(answers), len(self.names), -1).astype(np.float64)
        if len(self.quantiles) < 2:
            return [Valued(self._told(row)) for row in table[:, :, self.middle]]
        return [Valued(self._told(row[:, self.middle]), self._told(row[:, 0]), self._told(row[:, -1])) for row in table]

    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """Whether all numbers are the same within `tolerance` of the spread of the training examples, or of themselves."""
        with np.errstate(invalid="ignore"):  # of answers that are not finite, which agree with nothing
            close = np.abs(self.nearest(answers, reference) - reference) <= tolerance * np.maximum(self.units, np.abs(reference))
        same: npt.NDArray[np.bool_] = close.all(-1)
        return same

    def _told(self, row: Floats) -> float | dict[str, float]:
        return float(row[0]) if len(self.names) == 1 else dict(zip(self.names, row.tolist(), strict=True))


def numbers_of(value: object, where: str) -> tuple[float, ...]:
    """A raw target -> its numbers: of a number, of a text that is one, or of a row of them.

    Raises:
        DataError: it is something else, or not finite.
    """
    members = value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
    if isinstance(members, list | tuple) and members:
        return tuple(_number(member, where) for member in members)
    return (_number(members, where),)


def _numbers_or_nothing(value: object) -> tuple[float, ...]:
    try:
        return numbers_of(value, "")
    except DataError:
        return ()


@lru_cache
def ranges(edges: tuple[float, ...]) -> tuple[str, ...]:
    """Edges between ranges, rising -> a name for each range."""
    told = [[f"{edge:.{digits}g}" for edge in edges] for digits in range(6, 18)]
    names = next((names for names in told if len(set(names)) == len(edges)), told[-1])
    inner = [f"{low} – {high}" for low, high in pairwise(names)]
    return (f"< {names[0]}", *inner, f"≥ {names[-1]}") if edges else ("*",)


def _number(value: object, where: str) -> float:
    try:
        return number_of(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError("target-not-number", where=where or None, value=printable(value)[:LONGEST]) from error


def _edges(values: Floats) -> tuple[float, ...]:
    """Rising values -> at most RANGES - 1 round numbers that cut the middle 98 % of them into pieces of equal width."""
    low, high = np.quantile(values, (0.01, 0.99))
    rough = (high - low) / RANGES
    if rough <= 0:
        return (float(values[-1]),)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.floor(low / step) + 1
    found = [float(f"{place * step:.12g}") for place in range(first, math.floor(high / step) + 1)]
    return tuple(found) or (float(np.median(values)),)
