"""What all tests share: real data that packages bring, and data of a neighbouring folder where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("FLAMBEAU_LANG", "en")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a cache folder of its own: none sees what another encoded, none touches the user's."""
    monkeypatch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def sign_digits() -> Path:
    folder = SHARED / "sign_digits"
    if not folder.is_dir():
        pytest.skip("the sign digits are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's 1,797 handwritten digits as 8x8 PNG files, one folder for each class."""
    from flambeau.demo import write_digits

    return write_digits(tmp_path_factory.mktemp("data") / "digits")


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 30 digits of the classes 0 to 3, for what has to be quick."""
    from flambeau.demo import write_digits

    return write_digits(tmp_path_factory.mktemp("data") / "few", classes=4, limit=30)


@pytest.fixture
def picture(digits_folder: Path) -> Path:
    return sorted((digits_folder / "3").iterdir())[0]


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image)
