"""Fashion-MNIST from its Debian package, as arrays and as the .npz file that `flambeau fit` reads. NumPy alone, for every peer's interpreter.

apt-get install dataset-fashion-mnist
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

FOLDER = Path("/usr/share/datasets/fashion-mnist")
VALID = 5_000
"""Training pictures that are set aside: what a recipe is chosen by. The official test set is never looked at for that."""


def arrays() -> dict[str, np.ndarray]:
    """image_train (55,000, 28, 28) uint8, label_train, image_valid, ..., label_test; the validation pictures always the same ones."""
    pictures, labels = _idx("train-images-idx3-ubyte.gz"), _idx("train-labels-idx1-ubyte.gz")
    order = np.random.default_rng(0).permutation(len(labels))
    parts = {"train": order[VALID:], "valid": order[:VALID]}
    split = {f"{column}_{name}": source[rows] for name, rows in parts.items() for column, source in (("image", pictures), ("label", labels))}
    return {**split, "image_test": _idx("t10k-images-idx3-ubyte.gz"), "label_test": _idx("t10k-labels-idx1-ubyte.gz")}


def write(path: Path) -> Path:
    """The arrays as one .npz file, with the splits that they have."""
    np.savez(path, **arrays())
    return path


def _idx(name: str) -> np.ndarray:
    """An IDX file: two zero bytes, the type (8: uint8), the number of axes, their sizes as big-endian int32, the numbers."""
    content = gzip.decompress((FOLDER / name).read_bytes())
    assert content[:3] == b"\0\0\x08", f"{name} does not hold unsigned bytes"
    sizes = np.frombuffer(content, ">i4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(sizes)
