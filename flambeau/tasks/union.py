"""All tasks. A new one is one file and one name here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from flambeau.tasks.classification import Classification, ClassTarget
from flambeau.tasks.custom_task import CustomTarget, CustomTask
from flambeau.tasks.multi_label import LabelsTarget, MultiLabel
from flambeau.tasks.ordinal import Ordinal, OrdinalTarget
from flambeau.tasks.regression import Regression, ValuesTarget
from flambeau.tasks.task import Target, Task

TASKS: tuple[type[Task], ...] = (MultiLabel, Regression, Ordinal, Classification)
"""In the order in which raw targets are offered to them, where a recipe names none."""


class AutoTask(Task):
    """What a recipe says that names the target alone: the first task that recognises its values."""

    type: Literal["auto"] = "auto"

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """It is no task of its own."""
        return False

    def settled(self, values: Sequence[object]) -> Task:
        """The task that recognises the values that are there."""
        there = [value for value in values if not self.is_missing(value)]
        kind = next(kind for kind in TASKS if kind.recognises(there))
        return kind.model_validate({"target": self.target, "weight": self.weight})

    def strata(self, values: Sequence[object]) -> list[str]:
        """Those of the task that recognises the values."""
        return self.settled(values).strata(values)

    def fit(self, values: Sequence[object]) -> Target:
        """The target of the task that recognises the values."""
        return self.settled(values).fit(values)


def _kind(said: Any) -> str:
    """Which task is meant: the one that is named; one to be recognised, where only columns are; else classification."""
    if not isinstance(said, Mapping):
        return str(getattr(said, "type", "auto"))
    return str(said.get("type", "auto" if said.keys() <= AutoTask.model_fields.keys() else "classification"))


AnyTask: TypeAlias = Annotated[
    Annotated[AutoTask, Tag("auto")]
    | Annotated[Classification, Tag("classification")]
    | Annotated[MultiLabel, Tag("multi_label")]
    | Annotated[Regression, Tag("regression")]
    | Annotated[Ordinal, Tag("ordinal")]
    | Annotated[CustomTask, Tag("custom")],
    Discriminator(_kind),
]
"""Recipe side, told apart by `type`."""

AnyTarget: TypeAlias = Annotated[ClassTarget | LabelsTarget | ValuesTarget | OrdinalTarget | CustomTarget, Field(discriminator="type")]
"""Fitted side, told apart by `type`."""
