"""Pictures and files that the tests of the image input share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A colour picture of 60 x 48 with structure at all scales."""
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")[100:340, 100:400]).resize((60, 48))


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """(picture, format, save options) -> the bytes of a file."""

    def encode(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture(scope="session")
def damaged() -> Callable[[bytes, int], Iterator[bytes]]:
    """(a file, how many) -> as many files with a few bytes changed behind the first two, nearly a third of them cut off."""

    def damage(data: bytes, number: int) -> Iterator[bytes]:
        generator = np.random.default_rng(7)
        for _ in range(number):
            changed = bytearray(data)
            for place in generator.integers(2, len(data), generator.integers(1, 4)):
                changed[place] = generator.integers(256)
            yield bytes(changed[: generator.integers(3, len(data))] if generator.random() < 0.3 else changed)

    return damage


@pytest.fixture(scope="session")
def signs() -> list[Path]:
    """Photos of hand signs, sorted by class and number."""
    folder = SHARED / "sign_digits"
    if not folder.exists():
        pytest.skip("needs the photos of hand signs")
    return sorted(folder.glob("*/*"))
