"""One class out of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from flambeau.naming import natural
from flambeau.tasks.custom import CustomLoss, custom_loss
from flambeau.tasks.one_of import ClassWeights, OneOfTarget, counted, weights_of
from flambeau.tasks.task import Task

if TYPE_CHECKING:
    from torch import nn

ClassLossName = Literal["cross_entropy", "focal", "bce", "hinge"]


class Classification(Task):
    """Each example has exactly one of two or more classes."""

    type: Literal["classification"] = "classification"
    loss: ClassLossName | CustomLoss = "cross_entropy"
    """What is minimised. focal turns the attention to examples that are still wrong; bce asks each class on its own; hinge wants a
    margin and no probabilities; or a class of your own: ``{custom: {target: "package.module:Class"}}``."""
    focal_gamma: float = Field(2.0, ge=0, le=10)
    """Strength of the focal loss; 0 is cross-entropy."""
    margin: float = Field(1.0, gt=0, le=1000)
    """How far the true class has to lie above every other one for the hinge loss to be 0."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of each target that is spread evenly over all classes. Not used by hinge."""
    class_weights: ClassWeights = "none"
    """Weight of a class in the loss: "balanced" is inverse to its frequency (mean 1 over the examples), or one number for each class."""

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whatever no other task recognises."""
        return True

    def fit(self, values: Sequence[object]) -> ClassTarget:
        """The training split's labels -> the classes in order and their weights."""
        counts = counted(values, self.target)
        labels = tuple(sorted(counts, key=natural))
        return ClassTarget(
            labels=labels,
            counts=tuple(counts[label] for label in labels),
            weights=weights_of(labels, counts, self.class_weights),
            loss_name=self.loss,
            focal_gamma=self.focal_gamma,
            margin=self.margin,
            label_smoothing=self.label_smoothing,
        )


class ClassTarget(OneOfTarget):
    """The classes of a fitted model."""

    type: Literal["classification"] = "classification"
    calibrates: ClassVar[bool] = True
    loss_name: ClassLossName | CustomLoss
    focal_gamma: float
    margin: float = 1.0
    label_smoothing: float

    @property
    def monitor(self) -> str:
        """Accuracy."""
        return "accuracy"

    def loss(self, allow_code: bool = False) -> nn.Module:
        """(logits (batch, classes), indices (batch,) or soft targets (batch, classes)) -> (batch,)."""
        from flambeau.tasks.losses import ClassLoss, HingeLoss, OneAgainstRestLoss

        if isinstance(self.loss_name, CustomLoss):
            return custom_loss(self.loss_name, allow_code)
        if self.loss_name == "hinge":
            return HingeLoss(self.weights, self.margin)
        if self.loss_name == "bce":
            return OneAgainstRestLoss(self.weights, self.label_smoothing)
        return ClassLoss(self.weights, gamma=self.focal_gamma if self.loss_name == "focal" else 0.0, smoothing=self.label_smoothing)
