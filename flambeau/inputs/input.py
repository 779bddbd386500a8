"""The contract of a modality: `Input` is what a recipe says, `Preprocessor` is what was fitted. Both are frozen.

The road from a raw value to what the network sees has three stretches, each in one place only:

    raw value --Input.read--> array --Preprocessor.finish--> array --Preprocessor.module--> tensor
              decode, resize         what needs the fit      in the exported graph
              (cached on disk)       (ids of words, ...)     (grayscale, denoise, standardise, ...)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from flambeau.config import Config
from flambeau.types import Array, TensorSpec

if TYPE_CHECKING:
    from torch import nn

    from flambeau.inputs.augment import Augmentation


class Input(Config, ABC):
    """Recipe side of one modality. Fields that are None are chosen by looking at the data."""

    type: str
    """Which modality it is."""

    @classmethod
    @abstractmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether a column with these values (a sample) is of this modality."""

    @abstractmethod
    def resolve(self, values: Sequence[object]) -> Self:
        """The same input with every open choice made, by looking at `values` (a sample of raw values)."""

    @abstractmethod
    def read(self, value: object) -> Array:
        """One raw value -> its array: the part of the work that needs no fit. Only a resolved input can read.

        Raises:
            DataError: the value cannot be read; the code says why.
        """

    @property
    @abstractmethod
    def spec(self) -> TensorSpec:
        """What `read` returns."""

    @abstractmethod
    def fit(self, arrays: Iterable[Array]) -> Preprocessor:
        """What was read from the training split -> the fitted preprocessor."""

    def reading_key(self) -> str:
        """Everything that changes what `read` returns, as text: two inputs with the same key share a cache."""
        raise AssertionError(f"{type(self).__name__} has no reading key")

    def fingerprint(self, array: Array) -> int | None:
        """64 bits that are close (Hamming) for values that look alike; None where likeness has no meaning."""
        return None

    def is_alike(self, one: Array, other: Array) -> bool:
        """Whether two values with close fingerprints are near-duplicates indeed."""
        return bool(np.array_equal(one, other))

    def is_blank(self, array: Array) -> bool:
        """Whether there is nothing to learn from this value: one colour, silence, no words."""
        return False

    def variations(self) -> list[str]:
        """What varies the training examples, a few words each, for the plan."""
        return []

    def augmentation(self, spec: TensorSpec) -> Augmentation | None:
        """What varies the training examples, or None."""
        return None


class Preprocessor(Config, ABC):
    """Fitted side of one modality: the preprocessing itself, the same in training, test, export and server."""

    type: str
    """Which modality it is."""

    @property
    @abstractmethod
    def spec(self) -> TensorSpec:
        """What `encode` returns: the input of the exported graph."""

    @property
    @abstractmethod
    def gives(self) -> TensorSpec:
        """What `module` hands to the network."""

    @abstractmethod
    def read(self, value: object) -> Array:
        """As Input.read."""

    def finish(self, array: Array) -> Array:
        """What was read -> what is encoded: the part that needs the fit. Nothing, for most modalities."""
        return array

    def encode(self, value: object) -> Array:
        """One raw value -> one array as `spec` says: only what a tensor graph cannot do."""
        return self.finish(self.read(value))

    def picture(self, array: Array) -> str | None:
        """An encoded value as a small picture for people, a data: URL; None where there is nothing to see."""
        return None

    def collate(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Encoded values -> the tensors of one batch, by name suffix ("" for the value itself)."""
        return {"": np.stack(arrays)}

    @abstractmethod
    def module(self) -> nn.Module:
        """The part that is exported with the network: (batch, *spec.shape) -> (batch, *gives.shape)."""


def collate(preprocessors: Mapping[str, Preprocessor], encoded: Mapping[str, Sequence[Array]]) -> dict[str, Array]:
    """Encoded values by input name -> the tensors of one batch by graph input name."""
    return {name + suffix: tensor for name, preprocessor in preprocessors.items() for suffix, tensor in preprocessor.collate(encoded[name]).items()}
