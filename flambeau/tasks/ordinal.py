"""One class out of several that have an order: small, medium, large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from flambeau.choice import problem
from flambeau.errors import DataError
from flambeau.messages import printable
from flambeau.naming import closest, natural
from flambeau.tasks.custom import CustomLoss, custom_loss
from flambeau.tasks.one_of import ClassWeights, OneOfTarget, counted, weights_of
from flambeau.tasks.task import Task

if TYPE_CHECKING:
    from torch import nn

OrdinalLossName = Literal["cumulative", "cross_entropy"]


class Ordinal(Task):
    """Each example has one of several classes in an order; an answer far from the truth is worse than one beside it."""

    type: Literal["ordinal"] = "ordinal"
    order: tuple[str, ...] | None = Field(None, min_length=2)
    """The classes from the lowest to the highest; null: sorted as people sort, 2 before 10."""
    loss: OrdinalLossName | CustomLoss = "cumulative"
    """What is minimised. cumulative asks for every border between two classes on which side the truth lies; cross_entropy forgets
    the order; or a class of your own: ``{custom: {target: "package.module:Class"}}``."""
    class_weights: ClassWeights = "none"
    """Weight of a class in the loss: "balanced" is inverse to its frequency (mean 1 over the examples), or one number for each class."""

    @field_validator("order")
    @classmethod
    def _once(cls, order: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = [label for place, label in enumerate(order or ()) if label in (order or ())[:place]]
        if twice:
            raise problem("order-twice", label=printable(twice[0]))
        return order

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Never: that classes have an order has to be said."""
        return False

    def fit(self, values: Sequence[object]) -> OrdinalTarget:
        """The training split's labels -> the classes from the lowest to the highest.

        Raises:
            DataError: one class only, or one that `order` does not name.
        """
        counts = counted(values, self.target)
        order = self.order or tuple(sorted(counts, key=natural))
        for label in sorted(counts, key=natural):
            if label not in order:
                raise DataError("class-unknown", where="task.order", label=label, labels=", ".join(order), guess=closest(label, order))
        labels = tuple(label for label in order if label in counts)
        return OrdinalTarget(
            labels=labels,
            counts=tuple(counts[label] for label in labels),
            weights=weights_of(labels, counts, self.class_weights),
            loss_name=self.loss,
        )


class OrdinalTarget(OneOfTarget):
    """The classes of a fitted model, from the lowest to the highest."""

    type: Literal["ordinal"] = "ordinal"
    ordered: ClassVar[bool] = True
    loss_name: OrdinalLossName | CustomLoss

    @property
    def monitor(self) -> str:
        """Agreement, weighted by the distance."""
        return "quadratic_kappa"

    def loss(self, allow_code: bool = False) -> nn.Module:
        """(logits (batch, classes), indices (batch,) or soft targets (batch, classes)) -> (batch,)."""
        from flambeau.tasks.losses import ClassLoss, CumulativeLoss

        if isinstance(self.loss_name, CustomLoss):
            return custom_loss(self.loss_name, allow_code)
        return CumulativeLoss(self.weights) if self.loss_name == "cumulative" else ClassLoss(self.weights)
