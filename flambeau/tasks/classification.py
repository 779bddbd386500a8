"""One class out of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from flambeau.errors import DataError
from flambeau.naming import closest, natural
from flambeau.tasks.task import Target, Task
from flambeau.types import Classified, Prediction

if TYPE_CHECKING:
    from torch import Tensor, nn

PositiveFloat = Annotated[float, Field(gt=0, le=1e6)]


class Classification(Task):
    """Each example has exactly one of two or more classes."""

    type: Literal["classification"] = "classification"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    """What is minimised; focal turns the attention to examples that are still wrong."""
    focal_gamma: float = Field(2.0, ge=0, le=10)
    """Strength of the focal loss; 0 is cross-entropy."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of each target that is spread evenly over all classes."""
    class_weights: Literal["none", "balanced"] | dict[str, PositiveFloat] = "none"
    """Weight of a class in the loss: "balanced" is inverse to its frequency (mean 1 over the examples), or one number for each class."""

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whatever no other task recognises."""
        return True

    def fit(self, values: Sequence[object]) -> ClassTarget:
        """The training split's labels -> the classes in order and their weights."""
        counts = Counter(str(value) for value in values)
        labels = tuple(sorted(counts, key=natural))
        if len(labels) < 2:
            raise DataError("class-alone", where=self.target, label=labels[0] if labels else "", n=len(values))
        return ClassTarget(
            labels=labels,
            counts=tuple(counts[label] for label in labels),
            weights=self._weights(labels, counts),
            loss_name=self.loss,
            focal_gamma=self.focal_gamma,
            label_smoothing=self.label_smoothing,
        )

    def _weights(self, labels: Sequence[str], counts: Counter[str]) -> tuple[float, ...]:
        if isinstance(self.class_weights, dict):
            for name in self.class_weights:
                if name not in counts:
                    raise DataError("class-unknown", where="task.class_weights", label=name, labels=", ".join(labels), guess=closest(name, labels))
            return tuple(self.class_weights.get(label, 1.0) for label in labels)
        if self.class_weights == "balanced":
            return tuple(counts.total() / (len(labels) * counts[label]) for label in labels)
        return (1.0,) * len(labels)


class ClassTarget(Target):
    """The classes of a fitted model."""

    type: Literal["classification"] = "classification"
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    """Training examples of each class."""
    weights: tuple[float, ...]
    loss_name: Literal["cross_entropy", "focal"]
    focal_gamma: float
    label_smoothing: float

    @property
    def out_features(self) -> int:
        """One number for each class."""
        return len(self.labels)

    @property
    def monitor(self) -> str:
        """Accuracy."""
        return "accuracy"

    def encode(self, value: object) -> npt.NDArray[np.int64]:
        """A label -> its index, ()."""
        label = str(value)
        if label not in self.labels:
            raise DataError("class-unknown", where=label, label=label, labels=", ".join(self.labels), guess=closest(label, self.labels))
        return np.asarray(self.labels.index(label), np.int64)

    def truth(self, value: object) -> npt.NDArray[np.int64]:
        """A label -> its index, ()."""
        return self.encode(value)

    def loss(self) -> nn.Module:
        """(logits (batch, classes), indices (batch,) or soft targets (batch, classes)) -> (batch,)."""
        from flambeau.tasks.losses import ClassLoss

        return ClassLoss(self.weights, gamma=self.focal_gamma if self.loss_name == "focal" else 0.0, smoothing=self.label_smoothing)

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
        for row in answers:
            order = np.argsort(-row, kind="stable")
            probabilities = {self.labels[i]: float(row[i]) for i in order}
            predictions.append(Classified(self.labels[order[0]], float(row[order[0]]), probabilities))
        return predictions

    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """Whether the most probable class is the same, or the reference itself cannot decide between two within `tolerance`."""
        top = np.sort(reference, -1)
        with np.errstate(invalid="ignore"):  # of answers that are not finite, which agree with nothing
            undecided = top[:, -1] - top[:, -2] <= tolerance
        same: npt.NDArray[np.bool_] = (answers.argmax(-1) == reference.argmax(-1)) | undecided
        return same
