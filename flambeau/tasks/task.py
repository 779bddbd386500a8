"""The contract of a task: `Task` is what a recipe says, `Target` is what was fitted. Both are frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from flambeau.cells import is_nothing
from flambeau.config import Config
from flambeau.errors import DataError, Notice
from flambeau.types import Array, Prediction

if TYPE_CHECKING:
    from torch import Tensor, nn

Float = TypeVar("Float", bound=np.floating)


class Task(Config, ABC):
    """Recipe side of a task."""

    type: str = "custom"
    """Which task it is."""
    target: str
    """Name of the field (column) that is to be predicted."""
    varies: ClassVar[bool] = False
    """Whether equal examples may well have different targets; else they contradict each other."""
    weight: str | None = None
    """Column with the weight of each example in the loss of training; it is no input. Validation and test count every example once."""

    @classmethod
    @abstractmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether raw targets like these (a sample) are of this task, where a recipe does not say it."""

    def is_missing(self, value: object) -> bool:
        """Whether a raw target says nothing, so that its example is not used: None, NaN, an empty text."""
        return not value.strip() if isinstance(value, str) else is_nothing(value)

    def problem(self, value: object) -> DataError | None:
        """Why an example with this raw target cannot be used, where that can be told of it alone."""
        return None

    def knowing(self, values: Sequence[object]) -> Task:
        """The task with the names of all labels that these raw targets have, where `fit` may not see each of them."""
        return self

    def settled(self, values: Sequence[object]) -> Task:
        """The task with nothing left open, where raw targets are like these (a sample)."""
        return self

    def strata(self, values: Sequence[object]) -> list[str]:
        """Raw targets -> the group of each, whose shares are the same in every split. The value itself, as text."""
        return [str(value) for value in values]

    @abstractmethod
    def fit(self, values: Sequence[object]) -> Target:
        """The training split's raw target values -> the fitted target."""


class Target(Config, ABC):
    """Fitted side of a task: between a raw target value, what the network is trained on, and the answer."""

    type: str = "custom"
    """Which task it is."""
    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of the answers; () where there are none."""
    counts: tuple[int, ...] = ()
    """Training examples of each class."""
    ordered: ClassVar[bool] = False
    """Whether the order of `groups` means something; else the one with most examples is told first."""

    calibrates: ClassVar[bool] = False
    """Whether its answers are the softmax of what the head gives, and decide nothing but which is greatest."""
    balances: ClassVar[bool] = False
    """Whether an example is in exactly one group, so that groups can be drawn equally often."""

    def notices(self) -> list[Notice]:
        """What has to be known about these targets before anything is learnt."""
        return []

    @property
    def judged_as(self) -> str:
        """The kind of task whose scores, report and words it gets; one of `flambeau.evaluation.kinds`."""
        return self.type

    @property
    def inner(self) -> Target:
        """What is judged: of a target that stands for a class of the user, theirs; else itself."""
        return self

    @property
    @abstractmethod
    def out_features(self) -> int:
        """How many numbers the network's head gives for one example."""

    @property
    @abstractmethod
    def monitor(self) -> str:
        """Name of the validation metric by which the best epoch is kept; "valid_loss" is one."""

    @property
    def answers(self) -> tuple[str, ...]:
        """What each number of an answer is, in order."""
        return self.labels

    @property
    def units(self) -> npt.NDArray[np.float64]:
        """(answers,) what a difference between two answers is measured by: 1 for probabilities."""
        return np.ones(len(self.answers))

    @property
    def groups(self) -> tuple[str, ...]:
        """What examples are counted by, in order: the classes, or ranges of a value."""
        return self.labels

    @abstractmethod
    def group(self, value: object) -> tuple[str, ...]:
        """A raw target value -> those of `groups` in which its example is counted."""

    @abstractmethod
    def encode(self, value: object) -> Array:
        """A raw target value -> training space.

        Raises:
            DataError: the value cannot be a target (an unknown class, not a number).
        """

    @abstractmethod
    def truth(self, value: object) -> Array:
        """A raw target value -> answer space (the unit of the data)."""

    @abstractmethod
    def restored(self, encoded: Array) -> Array:
        """Encoded targets (batch, ...) -> the same in answer space, as `truth` gives them."""

    @abstractmethod
    def loss(self, allow_code: bool = False) -> nn.Module:
        """(logits (batch, out_features), targets) -> loss of each example (batch,).

        Raises:
            RecipeError: it is code of the user, and that is not allowed or cannot be loaded.
        """

    @abstractmethod
    def soft(self, targets: Tensor) -> Tensor:
        """Encoded targets -> the same as numbers that can be mixed with each other, (batch, ...)."""

    @abstractmethod
    def activation(self) -> nn.Module:
        """Training space (batch, out_features) -> answer space (batch, answers); a part of the exported graph."""

    @abstractmethod
    def decode(self, answers: npt.NDArray[np.float32]) -> list[Prediction]:
        """(batch, answers) in answer space -> one prediction for each example."""

    def nearest(self, answers: npt.NDArray[Float], reference: npt.NDArray[np.floating]) -> npt.NDArray[Float]:
        """Answers, said as near to `reference` (the same shape) as they can be. As they are; but of angles, 359 beside 1 is -1."""
        return answers

    @abstractmethod
    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """Two runtimes' answers (batch, answers) -> whether each example gets the same answer from both, (batch,)."""
