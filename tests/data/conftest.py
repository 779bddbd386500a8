"""What the tests of the data room share: small inputs that count their readings, and folders of real handwritten digits."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from flambeau.errors import DataError
from flambeau.inputs.input import Input, Preprocessor
from flambeau.types import Array, TensorSpec

if TYPE_CHECKING:
    from torch import nn


class Raw(Preprocessor):
    """Hands arrays on as they are."""

    type: Literal["raw"] = "raw"
    axes: tuple[str, ...]
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(self.axes, self.shape, self.dtype)

    @property
    def gives(self) -> TensorSpec:
        return self.spec

    def read(self, value: object) -> Array:
        return np.asarray(value)

    def module(self) -> nn.Module:
        from torch import nn

        return nn.Identity()


class Pixels(Input):
    """Grey pictures of a fixed size. `log` counts what is really decoded."""

    type: Literal["pixels"] = "pixels"
    side: int = 8
    log: ClassVar[list[object]] = []

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        return True

    def resolve(self, values: Sequence[object]) -> Pixels:
        return self

    def read(self, value: object) -> Array:
        self.log.append(value)
        if isinstance(value, np.ndarray):
            return value.astype(np.uint8).reshape(1, self.side, self.side)
        assert isinstance(value, bytes)
        try:
            with Image.open(io.BytesIO(value)) as image:
                return np.asarray(image.convert("L").resize((self.side, self.side)))[None]
        except (UnidentifiedImageError, OSError) as error:
            raise DataError("image-truncated", size=np.int64(len(value))) from error

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(("channels", "height", "width"), (1, self.side, self.side), "uint8")

    def fit(self, arrays: Iterable[Array]) -> Preprocessor:
        return Raw(axes=self.spec.axes, shape=self.spec.shape, dtype="uint8")

    def reading_key(self) -> str:
        return f"pixels {self.side}"

    def fingerprint(self, array: Array) -> int | None:
        return int.from_bytes(np.packbits(array.ravel()[:64] > array.mean()).tobytes(), "big")

    def is_alike(self, one: Array, other: Array) -> bool:
        return float(np.abs(one.astype(float) - other.astype(float)).mean()) < 4

    def is_blank(self, array: Array) -> bool:
        return bool(array.min() == array.max())


class Letters(Input):
    """Text as code points: rows of differing length."""

    type: Literal["letters"] = "letters"

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        return all(isinstance(value, str) for value in values)

    def resolve(self, values: Sequence[object]) -> Letters:
        return self

    def read(self, value: object) -> Array:
        return np.array([ord(letter) for letter in str(value)], np.int32)

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(("time",), (None,), "int32")

    def fit(self, arrays: Iterable[Array]) -> Preprocessor:
        return Raw(axes=("time",), shape=(None,), dtype="int32")

    def reading_key(self) -> str:
        return "letters"


@pytest.fixture
def pixels() -> type[Pixels]:
    Pixels.log.clear()
    return Pixels


@pytest.fixture
def letters() -> type[Letters]:
    return Letters


@pytest.fixture
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits: (1797, 8, 8) uint8 in 0 to 255, (1797,) labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * 15.9).astype(np.uint8), data.target


@pytest.fixture
def write_pngs(digits: tuple[np.ndarray, np.ndarray]) -> Callable[..., list[Path]]:
    """Writes the first digits of each class as PNG files, root/LABEL/NUMBER.png."""

    def write(root: Path, per_class: int = 5, classes: Iterable[int] = range(3)) -> list[Path]:
        paths = []
        for label in classes:
            (root / str(label)).mkdir(parents=True, exist_ok=True)
            for number in np.flatnonzero(digits[1] == label)[:per_class]:
                paths.append(root / str(label) / f"{number}.png")
                Image.fromarray(digits[0][number]).save(paths[-1])
        return paths

    return write
