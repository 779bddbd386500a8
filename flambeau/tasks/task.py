"""The contract of a task: `Task` is what a recipe says, `Target` is what was fitted. Both are frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from flambeau.config import Config
from flambeau.types import Array, Prediction

if TYPE_CHECKING:
    from torch import Tensor, nn


class Task(Config, ABC):
    """Recipe side of a task."""

    type: str
    """Which task it is."""
    target: str
    """Name of the field (column) that is to be predicted."""
    empty_target: ClassVar[bool] = False
    """Whether an empty text is a target rather than a missing one."""
    weight: str | None = None
    """Column with the weight of each example in the loss of training; it is no input. Validation and test count every example once."""

    @classmethod
    @abstractmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether raw targets like these (a sample) are of this task, where a recipe does not say it."""

    def strata(self, values: Sequence[object]) -> list[str]:
        """Raw targets -> the group of each, whose shares are the same in every split. The value itself, as text."""
        return [str(value) for value in values]

    @abstractmethod
    def fit(self, values: Sequence[object]) -> Target:
        """The training split's raw target values -> the fitted target."""


class Target(Config, ABC):
    """Fitted side of a task: between a raw target value, what the network is trained on, and the answer."""

    type: str
    """Which task it is."""
    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of the answers; () where there are none."""
    counts: tuple[int, ...] = ()
    """Training examples of each class."""
    ordered: ClassVar[bool] = False
    """Whether the order of `groups` means something; else the one with most examples is told first."""

    balances: ClassVar[bool] = False
    """Whether an example is in exactly one group, so that groups can be drawn equally often."""

    @property
    @abstractmethod
    def out_features(self) -> int:
        """How many numbers the network's head gives for one example; as many are in an answer."""

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
        """(out_features,) what a difference between two answers is measured by: 1 for probabilities."""
        return np.ones(self.out_features)

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
        """Training space -> answer space; a part of the exported graph."""

    @abstractmethod
    def decode(self, answers: npt.NDArray[np.float32]) -> list[Prediction]:
        """(batch, out_features) in answer space -> one prediction for each example."""

    @abstractmethod
    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """Two runtimes' answers (batch, out_features) -> whether each example gets the same answer from both, (batch,)."""
