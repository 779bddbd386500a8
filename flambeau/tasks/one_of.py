"""What all tasks share whose answer is one class out of several."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from flambeau.errors import DataError
from flambeau.naming import closest
from flambeau.tasks.task import Target
from flambeau.types import Array, Classified, Prediction

if TYPE_CHECKING:
    from torch import Tensor, nn

PositiveFloat = Annotated[float, Field(gt=0, le=1e6)]
ClassWeights = Literal["none", "balanced"] | dict[str, PositiveFloat]


def weights_of(labels: Sequence[str], counts: Mapping[str, int], said: ClassWeights) -> tuple[float, ...]:
    """What a recipe says about the weights of classes -> the weight of each.

    Raises:
        DataError: it names a class that is not there.
    """
    if isinstance(said, dict):
        for name in said:
            if name not in labels:
                raise DataError("class-unknown", where="task.class_weights", label=name, labels=", ".join(labels), guess=closest(name, labels))
        return tuple(said.get(label, 1.0) for label in labels)
    if said == "balanced":
        total = sum(counts[label] for label in labels)
        return tuple(total / (len(labels) * counts[label]) for label in labels)
    return (1.0,) * len(labels)


def counted(values: Sequence[object], target: str) -> Counter[str]:
    """Raw targets -> examples of each class.

    Raises:
        DataError: there is one class only.
    """
    counts = Counter(str(value) for value in values)
    if len(counts) < 2:
        raise DataError("class-alone", where=target, label=next(iter(counts), ""), n=len(values))
    return counts


class OneOfTarget(Target, ABC):
    """Each example has one class; an answer is a probability for each."""

    balances: ClassVar[bool] = True
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    """Training examples of each class."""
    weights: tuple[float, ...]

    @property
    def out_features(self) -> int:
        """One number for each class."""
        return len(self.labels)

    def group(self, value: object) -> tuple[str, ...]:
        """Its class."""
        return (self.labels[int(self.encode(value))],)

    def encode(self, value: object) -> npt.NDArray[np.int64]:
        """A label -> its index, ()."""
        label = str(value)
        try:
            return np.asarray(self.labels.index(label), np.int64)
        except ValueError:
            known = ", ".join(self.labels)
            raise DataError("class-unknown", where=label, label=label, labels=known, guess=closest(label, self.labels)) from None

    def truth(self, value: object) -> npt.NDArray[np.int64]:
        """A label -> its index, ()."""
        return self.encode(value)

    def restored(self, encoded: Array) -> Array:
        """The same."""
        return encoded

    def soft(self, targets: Tensor) -> Tensor:
        """Indices (batch,) -> one-hot (batch, classes), which can be mixed."""
        from torch.nn.functional import one_hot

        return one_hot(targets, len(self.labels)).float() if targets.ndim == 1 else targets

    def activation(self) -> nn.Module:
        """Logits -> probabilities."""
        from torch import nn

        return nn.Softmax(-1)

    def decode(self, answers: npt.NDArray[np.float32]) -> list[Prediction]:
        """(batch, classes) probabilities -> the most probable class of each example, and all of them in falling order."""
        predictions: list[Prediction] = []
        for row in answers.tolist():
            order = sorted(range(len(row)), key=row.__getitem__, reverse=True)  # of equals the first; in half the time of an argsort
            probabilities = {self.labels[i]: row[i] for i in order}
            predictions.append(Classified(self.labels[order[0]], row[order[0]], probabilities))
        return predictions

    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """Whether the most probable class is the same, or the reference itself cannot decide between two within `tolerance`."""
        top = np.sort(reference, -1)
        with np.errstate(invalid="ignore"):  # of answers that are not finite, which agree with nothing
            undecided = top[:, -1] - top[:, -2] <= tolerance
        same: npt.NDArray[np.bool_] = (answers.argmax(-1) == reference.argmax(-1)) | undecided
        return same
