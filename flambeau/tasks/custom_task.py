"""A task of the user: classes derived from `Task` and `Target`, which run only where code of the user is allowed.

Both sides wrap what the user wrote, as those of an input do. What a target is judged as is a matter of the class (`Target.judged_as`); the
column that is predicted and that of the weights stand beside the class, where every task has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from flambeau.choice import problem
from flambeau.code import Target as Place
from flambeau.code import attempt, findable, opened, reason_of, refused
from flambeau.errors import DataError, FlambeauError, Notice, RecipeError
from flambeau.messages import printable
from flambeau.naming import LONGEST
from flambeau.tasks.task import Float, Target, Task
from flambeau.types import Array, Classified, Labelled, Prediction, Valued

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")
_PATH = ("task", "code")


class CustomTask(Task):
    """A task of the user; only where code of the user is allowed (--allow-code), in training, prediction and serving alike."""

    type: Literal["custom"] = "custom"
    code: Place
    """Where the class is: package.module:Class, derived from flambeau.plugins.Task (`target` is the column, as of every task)."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Its other settings, by name."""
    _inner: Task | None = PrivateAttr(None)

    @field_validator("arguments")
    @classmethod
    def _beside(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """What every task has is said once."""
        for name in arguments.keys() & Task.model_fields.keys():
            raise problem("task-argument", name=name)
        return arguments

    @model_validator(mode="after")
    def _open(self, info: ValidationInfo) -> Self:
        """The class of the user made, where that is allowed; its problems are told where they stand in the recipe."""
        kind: type[Any] = Task  # abstract
        columns = {"target": self.target, "weight": self.weight}
        self._inner = opened(self.code, kind, {**self.arguments, **columns}, info, "code", "arguments")
        return self

    @property
    def is_open(self) -> bool:
        """Whether its code may run."""
        return self._inner is not None

    @property
    def inner(self) -> Task:
        """What the user wrote, for these columns.

        Raises:
            RecipeError: its code may not run.
        """
        if self._inner is None:
            raise refused(self.code, *_PATH)
        return self._inner.model_copy(update={"target": self.target, "weight": self.weight})

    @property
    def varies(self) -> bool:  # type: ignore[override]  # of other tasks a matter of the class
        """As what the user wrote."""
        return self.inner.varies

    def is_missing(self, value: object) -> bool:
        """As what the user wrote."""
        return attempt(lambda: self.inner.is_missing(value), self.code, *_PATH)

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """It is always named."""
        return False

    def settled(self, values: Sequence[object]) -> Self:
        """As what the user wrote; its settings stand under `arguments`."""
        return self._around(attempt(lambda: self.inner.settled(values), self.code, *_PATH))

    def knowing(self, values: Sequence[object]) -> Self:
        """As what the user wrote."""
        return self._around(attempt(lambda: self.inner.knowing(values), self.code, *_PATH))

    def problem(self, value: object) -> DataError | None:
        """As what the user wrote."""
        return attempt(lambda: self.inner.problem(value), self.code, *_PATH)

    def _around(self, inner: Task) -> Self:
        settled = self.model_copy(update={"arguments": inner.model_dump(mode="json", exclude=set(Task.model_fields))})
        settled._inner = inner
        return settled

    def strata(self, values: Sequence[object]) -> list[str]:
        """As what the user wrote."""
        return attempt(lambda: self.inner.strata(values), self.code, *_PATH)

    def fit(self, values: Sequence[object]) -> CustomTarget:
        """As what the user wrote.

        Raises:
            RecipeError: it fails, or its target would not be found again by its name.
        """
        fitted = attempt(lambda: self.inner.fit(values), self.code, *_PATH)
        target = CustomTarget(
            code=findable(type(fitted), Target, *_PATH),
            state=fitted.model_dump(mode="json", exclude=set(Target.model_fields)),
            labels=fitted.labels,
            counts=fitted.counts,
        )
        target._inner = fitted
        return target


class CustomTarget(Target):
    """The fitted side of a task of the user."""

    type: Literal["custom"] = "custom"
    code: Place
    """Where its class is."""
    state: dict[str, Any]
    """What was fitted beside labels and counts, as its own fields say it."""
    _inner: Target | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _open(self, info: ValidationInfo) -> Self:
        kind: type[Any] = Target  # abstract
        self._inner = opened(self.code, kind, {**self.state, "labels": self.labels, "counts": self.counts}, info, "code", "state")
        return self

    @property
    def inner(self) -> Target:
        """What the user wrote.

        Raises:
            RecipeError: its code may not run.
        """
        if self._inner is None:
            raise refused(self.code, *_PATH)
        return self._inner

    def notices(self) -> list[Notice]:
        """As what the user wrote."""
        return self._attempt(self.inner.notices)

    @property
    def judged_as(self) -> str:
        """As what the user wrote."""
        return self.inner.judged_as

    @property
    def calibrates(self) -> bool:  # type: ignore[override]  # of other tasks a matter of the class
        """As what the user wrote."""
        return self.inner.calibrates

    @property
    def ordered(self) -> bool:  # type: ignore[override]  # of other tasks a matter of the class
        """As what the user wrote."""
        return self.inner.ordered

    @property
    def balances(self) -> bool:  # type: ignore[override]  # likewise
        """As what the user wrote."""
        return self.inner.balances

    @property
    def out_features(self) -> int:
        """As what the user wrote."""
        return self.inner.out_features

    @property
    def monitor(self) -> str:
        """As what the user wrote."""
        return self.inner.monitor

    @property
    def answers(self) -> tuple[str, ...]:
        """As what the user wrote."""
        return self.inner.answers

    @property
    def units(self) -> npt.NDArray[np.float64]:
        """As what the user wrote."""
        return self.inner.units

    @property
    def groups(self) -> tuple[str, ...]:
        """As what the user wrote."""
        return self.inner.groups

    def group(self, value: object) -> tuple[str, ...]:
        """As what the user wrote; its exceptions are DataErrors."""
        return self._of_value(self.inner.group, value)

    def encode(self, value: object) -> Array:
        """As what the user wrote; its exceptions are DataErrors."""
        return self._array(self.inner.encode, value)

    def truth(self, value: object) -> Array:
        """As what the user wrote; its exceptions are DataErrors."""
        return self._array(self.inner.truth, value)

    def restored(self, encoded: Array) -> Array:
        """As what the user wrote."""
        return self._attempt(lambda: self.inner.restored(encoded))

    def loss(self, allow_code: bool = False) -> nn.Module:
        """As what the user wrote; what it gives is checked at each call."""
        from flambeau.tasks.losses import Checked

        return Checked(self._attempt(lambda: self.inner.loss(allow_code)), self.code, *_PATH)

    def soft(self, targets: Tensor) -> Tensor:
        """As what the user wrote."""
        return self._attempt(lambda: self.inner.soft(targets))

    def activation(self) -> nn.Module:
        """As what the user wrote, tried on two examples.

        Raises:
            RecipeError: it fails, or does not give one number for each of `answers`.
        """
        import torch

        module = self._attempt(self.inner.activation)
        with torch.device("cpu"), torch.no_grad():
            given = self._attempt(lambda: module(torch.zeros(2, self.out_features)))
        if not isinstance(module, torch.nn.Module) or not isinstance(given, torch.Tensor) or given.shape != (2, len(self.answers)):
            got = " x ".join(map(str, given.shape)) if isinstance(given, torch.Tensor) else type(given).__name__
            raise RecipeError("task-activation", path=_PATH, target=self.code, got=got, answers=len(self.answers))
        return module

    def decode(self, answers: npt.NDArray[np.float32]) -> list[Prediction]:
        """As what the user wrote.

        Raises:
            RecipeError: it fails, or does not give one prediction for each answer.
        """
        found = self._attempt(lambda: self.inner.decode(answers))
        if not isinstance(found, list) or len(found) != len(answers) or not all(isinstance(one, Classified | Labelled | Valued) for one in found):
            got = ", ".join(sorted({type(one).__name__ for one in found})) if isinstance(found, list) else type(found).__name__
            raise RecipeError("task-predictions", path=_PATH, target=self.code, got=got, n=len(answers))
        return found

    def nearest(self, answers: npt.NDArray[Float], reference: npt.NDArray[np.floating]) -> npt.NDArray[Float]:
        """As what the user wrote."""
        return self._attempt(lambda: self.inner.nearest(answers, reference))

    def agrees(self, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], tolerance: float) -> npt.NDArray[np.bool_]:
        """As what the user wrote."""
        return self._attempt(lambda: self.inner.agrees(answers, reference, tolerance))

    def _attempt(self, work: Callable[[], T]) -> T:
        return attempt(work, self.code, *_PATH)

    def _of_value(self, work: Callable[[object], T], value: object) -> T:
        try:
            return work(value)
        except FlambeauError:
            raise
        except Exception as error:  # the user's code may raise anything
            raise DataError("task-value", target=self.code, value=printable(value)[:LONGEST], reason=reason_of(error)) from error

    def _array(self, work: Callable[[object], Array], value: object) -> Array:
        array = self._of_value(work, value)
        if not isinstance(array, np.ndarray):
            raise RecipeError("task-array", path=_PATH, target=self.code, got=type(array).__name__)
        return array
