"""The contract of a modality: `Input` is what a recipe says, `Preprocessor` is what was fitted. Both are frozen.

The road from a raw value to what the network sees has three stretches, each in one place only:

    raw value --Input.read--> array --Preprocessor.finish--> array --Preprocessor.module--> tensor
              decode, resize         what needs the fit      in the exported graph
              (cached on disk)       (ids of words, ...)     (grayscale, denoise, standardise, ...)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from flambeau.config import Config
from flambeau.errors import Notice
from flambeau.types import MASK, Array, Example, SeenImages, SeenTexts, TensorSpec

if TYPE_CHECKING:
    from torch import nn

    from flambeau.inputs.augment import Augmentation


SentAs: TypeAlias = Literal["file", "text", "json"]


class _Reader(Config):
    """What both sides know: which columns of an example the modality reads."""

    type: str = "custom"
    """Which modality it is."""

    def fields(self, name: str) -> tuple[str, ...]:
        """The columns that the input called `name` reads: the one of its name, for most."""
        return (name,)

    def take(self, example: Example, name: str) -> object:
        """The raw value of an example that `read` takes."""
        return example[name]


class Input(_Reader, ABC):
    """Recipe side of one modality. Fields that are None are chosen by looking at the data."""

    file_ending: ClassVar[str] = ".csv"
    """Of a file that holds values of this modality alone; of a table with a column for each input otherwise."""
    gathers: ClassVar[bool] = False
    """Whether one input reads all columns that it recognises, instead of one each."""
    passes: ClassVar[float] = 1.0
    """How often training should see an example, relative to most kinds."""
    averages_from: ClassVar[float] = inf
    """Training examples from which a running mean of the weights does better than the weights."""

    @classmethod
    def kind(cls) -> str:
        """The word of a recipe for this modality."""
        return str(cls.model_fields["type"].default)

    @classmethod
    def over(cls, columns: Mapping[str, Sequence[object]]) -> Self:
        """The input for columns that it recognised, with a sample of values of each; more than one only where it `gathers`."""
        return cls.model_validate({})

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether a column with these values (a sample) is of this modality; one that is always named need not know."""
        return False

    def beside_chosen_network(self) -> Self:
        """The same where the network is chosen for it too: what suits that network is settled here."""
        return self

    def beside_pretrained(self, seen: SeenImages | SeenTexts) -> Self:
        """The same in front of a pretrained network: what is left open follows the examples that the network has seen.

        Raises:
            RecipeError: the network cannot work with what is not left open; `path` begins at a field.
        """
        return self

    def resolve(self, values: Sequence[object]) -> Self:
        """The same input with every open choice made, by looking at `values` (a sample of raw values)."""
        return self

    @abstractmethod
    def read(self, value: object) -> Array:
        """One raw value -> its array: the part of the work that needs no fit. Only a resolved input can read. Arrays may differ in
        the size of their first axis, where `spec` leaves it open.

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
        return self.model_dump_json()

    def fingerprint(self, array: Array) -> int | None:
        """64 bits that are close (Hamming) for values that look alike; None where likeness has no meaning."""
        return None

    def is_alike(self, one: Array, other: Array) -> bool:
        """Whether two values with close fingerprints are near-duplicates indeed."""
        return bool(np.array_equal(one, other))

    def is_blank(self, array: Array) -> bool:
        """Whether there is nothing to learn from this value: one colour, silence, no words."""
        return False

    def read_together(self, values: Sequence[object]) -> Array | None:
        """Several values -> what `read` gives for each, stacked, where that is quicker than one by one; None where it is not, or where one
        of them may not be readable.
        """
        return None

    def marks(self, arrays: Sequence[Array]) -> list[tuple[bool, int | None]]:
        """`is_blank` and `fingerprint` of each array; a modality that works on many at once does it quicker."""
        return [(self.is_blank(array), self.fingerprint(array)) for array in arrays]

    def alike(self, ones: Sequence[Array], others: Sequence[Array]) -> npt.NDArray[np.bool_]:
        """`is_alike` of each pair; likewise."""
        return np.array([self.is_alike(one, other) for one, other in zip(ones, others, strict=True)], np.bool_)

    def starting_vectors(self, fitted: Preprocessor) -> tuple[npt.NDArray[np.float32], Notice] | None:
        """Pretrained vectors with which an embedding of `fitted`'s ids starts, (ids, features), and what was found; None without any."""
        return None

    def describe(self) -> list[str]:
        """How values are prepared, a few words each, for the plan; of a resolved input, and nothing where it is the usual way."""
        return []

    def without_places(self) -> Self:
        """The same with the mere names of its files: what may leave this machine."""
        return self

    def variations(self) -> list[str]:
        """What varies the training examples, a few words each, for the plan."""
        return []

    def augmentation(self, spec: TensorSpec) -> Augmentation | None:
        """What varies the training examples, or None."""
        return None


class Preprocessor(_Reader, ABC):
    """Fitted side of one modality: the preprocessing itself, the same in training, test, export and server."""

    finishes: ClassVar[bool] = False
    """Whether `finish` changes anything."""
    sent_as: ClassVar[SentAs] = "file"
    """How a value of a modality of others comes over HTTP: the bytes of a file, a text, or any JSON."""

    @property
    @abstractmethod
    def spec(self) -> TensorSpec:
        """What `encode` returns: the input of the exported graph. A first axis of None is padded, and has its mask beside it."""

    @property
    @abstractmethod
    def gives(self) -> TensorSpec:
        """What `module` hands to the network."""

    @abstractmethod
    def read(self, value: object) -> Array:
        """As Input.read."""

    def finish(self, array: Array) -> Array:
        """What was read -> what is encoded: the part that needs the fit. Nothing, for most modalities. The training data are finished
        once, before the first epoch.
        """
        return array

    def finish_all(self, arrays: Sequence[Array]) -> Sequence[Array]:
        """What was read of many values -> what is encoded of each; quicker than one by one, where a modality can do it together."""
        return [self.finish(array) for array in arrays]

    def encode(self, value: object) -> Array:
        """One raw value -> one array as `spec` says: only what a tensor graph cannot do."""
        return self.finish(self.read(value))

    @property
    def longest(self) -> int | None:
        """The most that the first axis of an encoded value ever has where `spec` leaves it open; None where nothing bounds it."""
        return None

    def accepts(self, array: Array) -> bool:
        """Whether an array that is as `spec` says may be an encoded value: no longer than any, and of ids that the network knows."""
        ids = self.spec.categories
        is_short = self.longest is None or len(array) <= self.longest
        return is_short and (not isinstance(ids, int) or not array.size or bool(array.min() >= 0 and array.max() < ids))

    def picture(self, array: Array) -> str | None:
        """An encoded value as a small picture for people, a data: URL; None where there is nothing to see."""
        return None

    def excerpt(self, array: Array) -> str | None:
        """An encoded value in a few words for people; None where words say nothing."""
        return None

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the tensors of this input are called behind its name: "" for the values, and MASK where they are padded."""
        return ("", MASK) if None in self.spec.shape else ("",)

    def collate(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Encoded values -> the tensors of one batch, by suffix. Values of different lengths are padded with zeros behind their end."""
        if None in self.spec.shape:
            return padded(arrays)
        return {"": arrays if isinstance(arrays, np.ndarray) else np.stack(arrays)}

    @abstractmethod
    def module(self) -> nn.Module:
        """The part that is exported with the network: (batch, *spec.shape) -> (batch, *gives.shape). Where `spec` leaves the first
        axis open it takes the mask too, and where `gives` does it gives a pair: the values and their mask.
        """


def fits(array: Array, spec: TensorSpec) -> bool:
    """Whether an array is as a spec says."""
    same_shape = array.ndim == len(spec.shape) and all(want in (None, size) for want, size in zip(spec.shape, array.shape, strict=True))
    return same_shape and str(array.dtype) == spec.dtype


def padded(arrays: Sequence[Array]) -> dict[str, Array]:
    """Arrays (time, ...) of different lengths -> (batch, longest, ...) with zeros behind their end, and the mask of what is real."""
    lengths = np.array([len(array) for array in arrays])
    values = np.zeros((len(arrays), max(lengths.max(), 1), *arrays[0].shape[1:]), arrays[0].dtype)
    for place, array in enumerate(arrays):
        values[place, : len(array)] = array
    return {"": values, MASK: np.arange(values.shape[1]) < lengths[:, None]}


def tensor_names(preprocessors: Mapping[str, Preprocessor]) -> dict[str, str]:
    """The tensors of a batch in the order of the graph's inputs -> the input that each belongs to."""
    return {name + suffix: name for name, chosen in preprocessors.items() for suffix in chosen.suffixes}


def collate(preprocessors: Mapping[str, Preprocessor], encoded: Mapping[str, Sequence[Array]]) -> dict[str, Array]:
    """Encoded values by input name -> the tensors of one batch by graph input name."""
    return {name + suffix: tensor for name, preprocessor in preprocessors.items() for suffix, tensor in preprocessor.collate(encoded[name]).items()}
