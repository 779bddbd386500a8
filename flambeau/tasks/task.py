"""The contract of a task: `Task` is what a recipe says, `Target` is what was fitted. Both are frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

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

    @property
    @abstractmethod
    def out_features(self) -> int:
        """How many numbers the network's head gives for one example."""

    @property
    @abstractmethod
    def monitor(self) -> str:
        """Name of the validation metric by which the best epoch is kept."""

    @abstractmethod
    def encode(self, value: object) -> Array:
        """A raw target value -> training space.

        Raises:
            DataError: the value cannot be a target (an unknown class, not a number).
        """

    @abstractmethod
    def truth(self, value: object) -> npt.NDArray[np.int64]:
        """A raw target value -> answer space (the unit of the data)."""

    @abstractmethod
    def loss(self) -> nn.Module:
        """(logits (batch, out_features), targets) -> loss of each example (batch,)."""

    @abstractmethod
    def soft(self, targets: Tensor) -> Tensor:
        """Encoded targets -> the same as numbers that can be mixed with each other: (batch, out_features)."""

    @abstractmethod
    def activation(self) -> nn.Module:
        """Training space -> answer space; a part of the exported graph."""

    @abstractmethod
    def decode(self, answers: npt.NDArray[np.float32]) -> list[Prediction]:
        """(batch, out_features) in answer space -> one prediction for each example."""

    @abstractmethod
    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """Two runtimes' answers (batch, out_features) -> whether each example gets the same answer from both, (batch,)."""
