"""A modality of the user: classes derived from `Input` and `Preprocessor`, which run only where code of the user is allowed.

Both sides wrap what the user wrote. They are read from a recipe or an artifact without importing anything; with ``{"allow_code": True}`` in
the context of pydantic's validation the class is imported and made, and only then do they work. Whatever its code raises while it reads a
value is a DataError: what cannot be read is left out in training and answered with an error in serving, as of every other modality.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from flambeau.code import Target, attempt, findable, opened, reason_of, refused
from flambeau.errors import DataError, FlambeauError, Notice
from flambeau.inputs.input import Input, Preprocessor, SentAs, fits
from flambeau.types import Array, SeenImages, SeenTexts, TensorSpec

if TYPE_CHECKING:
    from torch import nn

    from flambeau.inputs.augment import Augmentation


class CustomInput(Input):
    """A modality of the user; only where code of the user is allowed (--allow-code), in training, prediction and serving alike."""

    type: Literal["custom"] = "custom"
    target: Target
    """Where the class is: package.module:Class, derived from flambeau.plugins.Input."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Its settings, by name."""
    _inner: Input | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _open(self, info: ValidationInfo) -> Self:
        """The class of the user made, where that is allowed; its problems are told where they stand in the recipe."""
        kind: type[Any] = Input  # abstract
        self._inner = opened(self.target, kind, self.arguments, info, "target", "arguments")
        return self

    @property
    def is_open(self) -> bool:
        """Whether its code may run."""
        return self._inner is not None

    @property
    def inner(self) -> Input:
        """What the user wrote.

        Raises:
            RecipeError: its code may not run.
        """
        if self._inner is None:
            raise refused(self.target, "inputs", "target")
        return self._inner

    @property
    def passes(self) -> float:  # type: ignore[override]  # of other modalities a matter of the class
        """As what the user wrote."""
        return self.inner.passes

    @property
    def averages_from(self) -> float:  # type: ignore[override]
        """As what the user wrote."""
        return self.inner.averages_from

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """It is always named."""
        return False

    def resolve(self, values: Sequence[object]) -> Self:
        """As what the user wrote; its settings stand under `arguments`."""
        return self._around(attempt(lambda: self.inner.resolve(values), self.target, "inputs"))

    def beside_chosen_network(self) -> Self:
        """As what the user wrote."""
        return self._around(self.inner.beside_chosen_network())

    def beside_pretrained(self, seen: SeenImages | SeenTexts) -> Self:
        """As what the user wrote."""
        return self._around(self.inner.beside_pretrained(seen))

    def without_places(self) -> Self:
        """As what the user wrote, where its code may run."""
        return self._around(self.inner.without_places()) if self.is_open else self

    def describe(self) -> list[str]:
        """As what the user wrote."""
        return self.inner.describe()

    def read(self, value: object) -> Array:
        """As what the user wrote; its exceptions are DataErrors."""
        return _guarded(self.target, self.inner.read, value, self.spec)

    @property
    def spec(self) -> TensorSpec:
        """As what the user wrote."""
        return self.inner.spec

    def fit(self, arrays: Iterable[Array]) -> CustomPreprocessor:
        """As what the user wrote.

        Raises:
            RecipeError: it fails, or its preprocessor would not be found again by its name.
        """
        fitted = attempt(lambda: self.inner.fit(arrays), self.target, "inputs")
        target = findable(type(fitted), Preprocessor, "inputs")
        made = CustomPreprocessor(target=target, state=fitted.model_dump(mode="json", exclude={"type"}))
        made._inner = fitted
        return made

    def reading_key(self) -> str:
        """The class, the file it stands in, and its settings: after a change, everything is read anew."""
        return json.dumps([self.target, _digest(type(self.inner)), self.inner.reading_key()])

    def fingerprint(self, array: Array) -> int | None:
        """As what the user wrote."""
        return self.inner.fingerprint(array)

    def is_alike(self, one: Array, other: Array) -> bool:
        """As what the user wrote."""
        return self.inner.is_alike(one, other)

    def is_blank(self, array: Array) -> bool:
        """As what the user wrote."""
        return self.inner.is_blank(array)

    def starting_vectors(self, fitted: Preprocessor) -> tuple[npt.NDArray[np.float32], Notice] | None:
        """As what the user wrote."""
        return self.inner.starting_vectors(fitted.inner if isinstance(fitted, CustomPreprocessor) else fitted)

    def variations(self) -> list[str]:
        """As what the user wrote."""
        return self.inner.variations()

    def augmentation(self, spec: TensorSpec) -> Augmentation | None:
        """As what the user wrote."""
        return self.inner.augmentation(spec)

    def _around(self, inner: Input) -> Self:
        """The same with other settings of what the user wrote."""
        copied = self.model_copy(update={"arguments": inner.model_dump(mode="json", exclude={"type"})})
        copied._inner = inner
        return copied


class CustomPreprocessor(Preprocessor):
    """The fitted side of a modality of the user."""

    type: Literal["custom"] = "custom"
    target: Target
    """Where its class is."""
    state: dict[str, Any]
    """What was fitted, as its own fields say it."""
    _inner: Preprocessor | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _open(self, info: ValidationInfo) -> Self:
        kind: type[Any] = Preprocessor  # abstract
        self._inner = opened(self.target, kind, self.state, info, "target", "state")
        return self

    @property
    def inner(self) -> Preprocessor:
        """What the user wrote.

        Raises:
            RecipeError: its code may not run.
        """
        if self._inner is None:
            raise refused(self.target, "target")
        return self._inner

    @property
    def finishes(self) -> bool:  # type: ignore[override]  # of other modalities a matter of the class
        """As what the user wrote."""
        return self.inner.finishes

    @property
    def sent_as(self) -> SentAs:  # type: ignore[override]  # likewise
        """As what the user wrote."""
        return self.inner.sent_as

    @property
    def spec(self) -> TensorSpec:
        """As what the user wrote."""
        return self.inner.spec

    @property
    def gives(self) -> TensorSpec:
        """As what the user wrote."""
        return self.inner.gives

    def read(self, value: object) -> Array:
        """As what the user wrote; its exceptions are DataErrors."""
        return _guarded(self.target, self.inner.read, value, None if self.finishes else self.spec)

    def finish(self, array: Array) -> Array:
        """As what the user wrote."""
        return _guarded(self.target, self.inner.finish, array, self.spec) if self.finishes else array

    @property
    def longest(self) -> int | None:
        """As what the user wrote."""
        return self.inner.longest

    def accepts(self, array: Array) -> bool:
        """As what the user wrote."""
        return self.inner.accepts(array)

    def picture(self, array: Array) -> str | None:
        """As what the user wrote."""
        return self.inner.picture(array)

    def excerpt(self, array: Array) -> str | None:
        """As what the user wrote."""
        return self.inner.excerpt(array)

    def module(self) -> nn.Module:
        """As what the user wrote."""
        return attempt(self.inner.module, self.target, "inputs")


def _guarded(target: str, work: Callable[[Any], Array], value: object, spec: TensorSpec | None) -> Array:
    """What code of the user makes of a value.

    Raises:
        DataError: it fails, or gives something else than it says.
    """
    try:
        array = work(value)
    except FlambeauError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise DataError("custom-unreadable", target=target, reason=reason_of(error)) from error
    if not isinstance(array, np.ndarray) or (spec is not None and not fits(array, spec)):
        got = f"{' x '.join(map(str, array.shape))} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError("custom-array", target=target, got=got, want=f"{spec} {spec.dtype}" if spec else "numpy.ndarray")
    return array


def _digest(cls: type) -> str:
    """Of the file in which a class stands; "" where there is none."""
    try:
        return hashlib.sha256(Path(inspect.getfile(cls)).read_bytes()).hexdigest()
    except (TypeError, OSError):
        return ""
