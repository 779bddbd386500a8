"""The contract of an export target, executable: for our own members and for everybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flambeau.errors import CheckFailed, DataError
from flambeau.exporting.exporter import Exporter
from flambeau.exporting.torch import TorchRunner
from flambeau.exporting.verify import TOLERANCE, largest_difference
from flambeau.types import Array

if TYPE_CHECKING:
    from flambeau.network.build import Network


def check_exporter(exporter: Exporter, network: Network, inputs: Mapping[str, Array], folder: Path) -> None:
    """Exports `network` into `folder` and holds the file's answers against PyTorch's, at several batch sizes.

    Args:
        inputs: encoded examples by input name, three or more, batch axis first.

    Raises:
        CheckFailed: a promise of `Exporter` is broken; the message says which.
    """
    path = folder / exporter.file
    reference = TorchRunner(network)
    exporter.export(network, {name: array[:2] for name, array in inputs.items()}, path, {"key": "value"})
    _promise(path.is_file(), exporter, "export writes its file")
    names = sorted((exporter.file, *exporter.more))
    _promise(sorted(entry.name for entry in folder.iterdir()) == names, exporter, "export writes what it names and nothing else")
    runner = exporter.load(path, threads=1)
    size = len(next(iter(inputs.values())))
    for number in (1, 2, size):
        batch = {name: array[:number] for name, array in inputs.items()}
        got, want = runner(batch), reference(batch)
        _promise(got.dtype == np.float32 and got.shape == want.shape, exporter, f"answers to {number} examples are {want.shape} float32")
        _promise(largest_difference(got, want) <= TOLERANCE, exporter, f"answers to {number} examples are PyTorch's")
    _promise(np.array_equal(exporter.load(path)(batch), exporter.load(path)(batch)), exporter, "the same file gives the same answers")
    for damaged in (b"", b"text", path.read_bytes()[: path.stat().st_size // 2]):
        path.write_bytes(damaged)
        try:
            exporter.load(path)
        except DataError:
            continue
        raise CheckFailed("contract-broken", member=type(exporter).__name__, rule="a damaged file is refused with DataError")


def _promise(kept: bool, member: Exporter, rule: str) -> None:
    if not kept:
        raise CheckFailed("contract-broken", member=type(member).__name__, rule=rule)
