"""Any number of labels for each example: none, one or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from flambeau.errors import DataError
from flambeau.messages import printable
from flambeau.naming import LONGEST, closest, natural
from flambeau.tasks.custom import CustomLoss, custom_loss
from flambeau.tasks.task import Target, Task
from flambeau.types import Array, Labelled, Prediction

if TYPE_CHECKING:
    from torch import Tensor, nn

LabelsLossName = Literal["bce", "focal", "hinge"]
LabelWeights = Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0, le=1e6)]]
SEPARATOR = ";"
SEVERAL = 0.1
"""Share of the targets that hold a separator, from which text is taken for lists of labels."""
RARE = 10
"""Examples with the same labels that make a group of their own when the data is split."""
HEAVIEST = 100.0
"""Greatest weight of a label that "balanced" gives."""


class MultiLabel(Task):
    """Each example has any number of labels: "red; round", a list of texts, or a row of 0 and 1."""

    type: Literal["multi_label"] = "multi_label"
    separator: str = Field(SEPARATOR, min_length=1, max_length=8)
    """What stands between two labels of one text."""
    names: tuple[str, ...] | None = Field(None, min_length=1)
    """Names of all labels: of the columns, where the targets are rows of 0 and 1 (null: "0", "1", ...), else in the order of the answers (null:
    those of the data)."""
    loss: LabelsLossName | CustomLoss = "bce"
    """What is minimised, for each label on its own. focal turns the attention to examples that are still wrong; hinge wants a margin
    and no probabilities; or a class of your own: ``{custom: {target: "package.module:Class"}}``."""
    focal_gamma: float = Field(2.0, ge=0, le=10)
    """Strength of the focal loss; 0 is bce."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share by which each flag is moved to the middle."""
    class_weights: LabelWeights = "none"
    """Weight of the examples that have a label: "balanced" is how many do not have it for each that has, or one number for each label."""
    threshold: float = Field(0.5, gt=0, lt=1)
    """An answer holds the labels whose probability is at least this."""

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Lists of texts; rows of 0 and 1; texts of which many hold a ";" and whose parts come again and again."""
        if not values:
            return False
        if all(isinstance(value, list | tuple | set | frozenset) for value in values):
            return _are_flags(values) or all(isinstance(part, str) for value in values if isinstance(value, Collection) for part in value)
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) < len(values) or sum(SEPARATOR in text for text in texts) < SEVERAL * len(texts):
            return False
        parts = {part for text in texts for part in _parts(text, SEPARATOR)}
        return len(parts) <= max(len(set(texts)), 2)

    def is_missing(self, value: object) -> bool:
        """None and NaN; an empty text says that there is no label."""
        return not isinstance(value, str) and super().is_missing(value)

    def strata(self, values: Sequence[object]) -> list[str]:
        """The labels of each as one text; those that come too seldom together are one group."""
        keys = [str(value) for value in values]
        counts = Counter(keys)
        common = {key for key, count in counts.items() if count >= RARE}
        rest = sum(count for key, count in counts.items() if key not in common)
        other = "" if rest >= RARE or not common else max(sorted(common), key=lambda key: counts[key])
        return [key if key in common else other for key in keys]

    def knowing(self, values: Sequence[object]) -> MultiLabel:
        """With the labels of all these examples, of which a rare one may be in validation or test alone."""
        if self.names is not None or _are_flags(values):
            return self
        found = {label for value in values for label in labels_of(value, self.separator, self.target)}
        return self.model_copy(update={"names": tuple(sorted(found, key=natural)) or None})

    def fit(self, values: Sequence[object]) -> LabelsTarget:
        """The training split's targets -> the labels in order and their weights.

        Raises:
            DataError: no label at all, a target that is no set of labels, or rows of another length than the names.
        """
        flags = _are_flags(values)
        counts: Counter[str] = Counter()
        if flags:
            width = len(values[0])  # type: ignore[arg-type]  # _are_flags has looked
            labels = self.names or tuple(map(str, range(width)))
            if len(labels) != width:
                raise DataError("names-number", where="task.names", names=len(labels), values=width)
            for value in values:
                counts.update(label for label, flag in zip(labels, value, strict=True) if flag)  # type: ignore[call-overload]
        else:
            for value in values:
                counts.update(labels_of(value, self.separator, self.target))
            labels = self.names or tuple(sorted(counts, key=natural))
            for name in counts:
                if name not in labels:
                    raise DataError("class-unknown", where="task.names", label=name, labels=", ".join(labels), guess=closest(name, labels))
        if not counts:
            raise DataError("labels-none", where=self.target, n=len(values))
        return LabelsTarget(
            labels=labels,
            counts=tuple(counts[label] for label in labels),
            num_examples=len(values),
            weights=self._weights(labels, counts, len(values)),
            flags=flags,
            separator=self.separator,
            threshold=self.threshold,
            loss_name=self.loss,
            focal_gamma=self.focal_gamma,
            label_smoothing=self.label_smoothing,
        )

    def _weights(self, labels: Sequence[str], counts: Counter[str], num_examples: int) -> tuple[float, ...]:
        if isinstance(self.class_weights, dict):
            for name in self.class_weights:
                if name not in labels:
                    raise DataError("class-unknown", where="task.class_weights", label=name, labels=", ".join(labels), guess=closest(name, labels))
            return tuple(self.class_weights.get(label, 1.0) for label in labels)
        if self.class_weights == "balanced":
            return tuple(min(max(num_examples - counts[label], 1) / max(counts[label], 1), HEAVIEST) for label in labels)
        return (1.0,) * len(labels)


class LabelsTarget(Target):
    """The labels of a fitted model."""

    type: Literal["multi_label"] = "multi_label"
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    """Training examples that have each label."""
    num_examples: int
    """Training examples in all."""
    weights: tuple[float, ...]
    flags: bool
    """Whether a raw target is a row of 0 and 1 rather than a set of names."""
    separator: str
    threshold: float
    loss_name: LabelsLossName | CustomLoss
    focal_gamma: float
    label_smoothing: float

    @property
    def out_features(self) -> int:
        """One number for each label."""
        return len(self.labels)

    @property
    def monitor(self) -> str:
        """F1 over all labels together."""
        return "micro_f1"

    def group(self, value: object) -> tuple[str, ...]:
        """Its labels."""
        return tuple(label for label, flag in zip(self.labels, self.truth(value), strict=True) if flag)

    def encode(self, value: object) -> npt.NDArray[np.float32]:
        """A raw target -> (labels,) 0 or 1."""
        return self.truth(value).astype(np.float32)

    def truth(self, value: object) -> npt.NDArray[np.uint8]:
        """A raw target -> (labels,) 0 or 1."""
        if self.flags:
            if not _is_row(value) or len(value) != len(self.labels):  # type: ignore[arg-type]
                raise DataError("labels-form", where=self.type, value=printable(value)[:LONGEST])
            return np.array([bool(flag) for flag in value], np.uint8)  # type: ignore[attr-defined]
        found = labels_of(value, self.separator, self.type)
        for label in found:
            if label not in self.labels:
                raise DataError("class-unknown", where=label, label=label, labels=", ".join(self.labels), guess=closest(label, self.labels))
        return np.array([label in found for label in self.labels], np.uint8)

    def restored(self, encoded: Array) -> Array:
        """Numbers -> 0 or 1."""
        return encoded.astype(np.uint8)

    def loss(self, allow_code: bool = False) -> nn.Module:
        """(logits (batch, labels), flags or shares (batch, labels)) -> (batch,)."""
        from flambeau.tasks.losses import LabelsHingeLoss, LabelsLoss

        if isinstance(self.loss_name, CustomLoss):
            return custom_loss(self.loss_name, allow_code)
        if self.loss_name == "hinge":
            return LabelsHingeLoss(self.weights)
        return LabelsLoss(self.weights, self.focal_gamma if self.loss_name == "focal" else 0.0, self.label_smoothing)

    def soft(self, targets: Tensor) -> Tensor:
        """Flags can be mixed as they are."""
        return targets

    def activation(self) -> nn.Module:
        """Logits -> a probability for each label."""
        from torch import nn

        return nn.Sigmoid()

    def decode(self, answers: npt.NDArray[np.float32]) -> list[Prediction]:
        """(batch, labels) probabilities -> the labels of each example, most probable first."""
        predictions: list[Prediction] = []
        for row in answers:
            order = np.argsort(-row, kind="stable")
            chosen = tuple(self.labels[i] for i in order if row[i] >= self.threshold)
            predictions.append(Labelled(chosen, {self.labels[i]: float(row[i]) for i in order}))
        return predictions

    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """Whether every label is given or not given by both, or the reference lies within `tolerance` of the threshold."""
        undecided = np.abs(reference - self.threshold) <= tolerance
        same: npt.NDArray[np.bool_] = (((answers >= self.threshold) == (reference >= self.threshold)) | undecided).all(-1)
        return same


def labels_of(value: object, separator: str, where: str) -> tuple[str, ...]:
    """A raw target -> its labels: the parts of a text, or the members of a list.

    Raises:
        DataError: it is neither.
    """
    if isinstance(value, str):
        return tuple(dict.fromkeys(_parts(value, separator)))
    if isinstance(value, list | tuple | set | frozenset | np.ndarray) and np.ndim(value) <= 1:  # type: ignore[arg-type]
        members = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
        if all(isinstance(member, str | int | np.integer) for member in members):
            return tuple(dict.fromkeys(str(member) for member in members))
    raise DataError("labels-form", where=where, value=printable(value)[:LONGEST])


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _is_row(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and all(
        isinstance(flag, bool | int | float | np.generic) and flag in (0, 1) for flag in value
    )


def _are_flags(values: Sequence[object]) -> bool:
    """Whether each target is a row of 0 and 1, all of one length of at least 2."""
    return all(_is_row(value) for value in values) and len({len(value) for value in values}) == 1 and len(values[0]) > 1  # type: ignore[arg-type]
