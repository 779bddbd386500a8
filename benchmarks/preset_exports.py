"""Every preset in every export: how far its answers are from those of the trained network, on raw test examples.

python benchmarks/preset_exports.py [NAME ...]

Each preset trains for one epoch on everything that it takes: scikit-learn's digits as PNG files, as series of different lengths and as a
table, and texts (which of two packages of Python's standard library a line of documentation is from). `flambeau export` and `flambeau
eject` then compare on all test examples, through the whole road from the raw value on; an export that is not the same is refused, and
ends this. Needs openvino for its column.
"""

from __future__ import annotations

import argparse
import ast
import csv
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import numpy as np
from measuring import flambeau, record
from PIL import Image
from sklearn.datasets import load_digits

from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, SEQUENCE, Axes
from flambeau.network.spec import PRESETS, read_preset

EXPORTS = ("onnx", "openvino")
PACKAGES = ("asyncio", "email")
EXAMPLES = 400


def pictures(folder: Path) -> Path:
    """A folder for each digit."""
    data = load_digits()
    for number, (picture, label) in enumerate(zip(data.images[:EXAMPLES], data.target[:EXAMPLES], strict=True)):
        place = folder / "pictures" / str(label) / f"{number:04d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture * 15).astype(np.uint8)).save(place)
    return folder / "pictures"


def series(folder: Path) -> Path:
    """The rows of each digit, from above; some of them end early (NaN)."""
    data = load_digits()
    values = data.images[:EXAMPLES].astype(np.float32)
    for row, length in enumerate(np.random.default_rng(0).integers(5, 9, EXAMPLES)):
        values[row, length:] = np.nan
    np.savez(folder / "series.npz", x=values, y=data.target[:EXAMPLES])
    return folder / "series.npz"


def table(folder: Path) -> Path:
    """One column for each of 16 pixels."""
    data = load_digits()
    columns = slice(18, 34)
    return _written(folder / "table.csv", [f"pixel{place}" for place in range(16)], data.data[:EXAMPLES, columns].tolist(), data.target[:EXAMPLES])


def texts(folder: Path) -> Path:
    """Lines of documentation and the package that they are from."""
    lines = {name: _documentation(name) for name in PACKAGES}
    rows = [([line], name) for name, found in lines.items() for line in found[: EXAMPLES // 2]]
    return _written(folder / "texts.csv", ["text"], [row for row, _ in rows], [name for _, name in rows])


def _documentation(package: str) -> list[str]:
    """Different lines of some length out of all documentation strings of a package, in order."""
    files = sorted(Path(str(import_module(package).__file__)).parent.glob("*.py"))
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_bytes())))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    lines = (line for node in nodes if isinstance(node, documented) for line in (ast.get_docstring(node) or "").splitlines())
    return list(dict.fromkeys(line.strip() for line in lines if len(line.split()) > 3))


def _written(path: Path, columns: list[str], rows: list, labels: object) -> Path:
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerows([[*columns, "label"], *([*row, label] for row, label in zip(rows, labels, strict=True))])
    return path


KINDS: Mapping[Axes, tuple[str, Callable[[Path], Path], tuple[str, ...]]] = MappingProxyType(
    {
        IMAGE: ("pictures", pictures, ()),
        SEQUENCE: ("series", series, ()),
        IDS: ("texts", texts, ("--target", "label")),
        COLUMNS: ("table", table, ("--target", "label")),
    }
)
"""What is taken -> its name, its data, and what to say of them."""


def measure(preset: str, axes: Axes, scratch: Path) -> None:
    """One row: the largest difference of each export, and the answers that are the same."""
    kind, make, words = KINDS[axes]
    data, run = make(scratch), scratch / f"{preset}-{kind}"
    flambeau("fit", str(data), *words, "--set", f"network={preset}", "--epochs", "1", "--run", str(run), FLAMBEAU_CACHE=str(scratch / "cache"))
    proofs = {to: flambeau("export", str(run), "--to", to)["verification"] for to in EXPORTS}
    checked = flambeau("eject", str(run), str(scratch / f"{preset}-{kind}-plain"))["checked"]
    told = ", ".join(f"{to} {proof['largest_difference']:.1e} ({proof['num_same']} the same)" for to, proof in proofs.items())
    record(
        f"{preset} on {kind}: largest difference of an export",
        f"{told}, ejected 0 ({checked} checked to the bit)",
        proofs["onnx"]["num_examples"],
        "-",
        "python benchmarks/preset_exports.py",
    )


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("presets", nargs="*", default=PRESETS)
    with tempfile.TemporaryDirectory() as scratch:
        for preset in words.parse_args().presets:
            for axes in read_preset(preset).takes:
                if axes != FEATURES:  # a table's columns come as COLUMNS
                    measure(preset, axes, Path(scratch))


if __name__ == "__main__":
    main()
