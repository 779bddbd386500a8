"""Which runner serves: timed against the tested one at export, chosen only if it is quicker, and written down with its reason."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from pydantic import TypeAdapter

from flambeau.config import Config
from flambeau.errors import DataError, UsageError
from flambeau.exporting.onnx import Onnx
from flambeau.exporting.union import exporter_named
from flambeau.exporting.verify import TOLERANCE
from flambeau.members import parsed, read_json
from flambeau.types import Array, Runner

RECORD = "serving.json"
GAIN = 1.05
"""So much quicker another runner must be than the tested one to serve in its place."""
ROUNDS = 15
SECONDS = 6.0
"""For the whole trial."""
DOUBT = 2.0
"""Another processor may round int8 otherwise: so many times the difference that was proven is still taken for the same model."""


class Chosen(Config):
    """What serving.json says."""

    target: str
    """Name of the exporter; "onnx" is the tested runner itself."""
    precision: str
    difference: float
    """Largest difference of an answer from the tested one, over the test examples."""
    milliseconds: dict[str, dict[str, float]]
    """By runner, by size of the batch, for one example, at its quickest."""
    threads: int
    speedup: float
    """Of the other runner over the tested one."""
    needed: float = GAIN
    """Below it the tested one serves."""
    test: dict[str, Any] | None
    """The other runner's scores of the test, in the form of the signature's. None where its answers are the tested ones, and so are its scores."""


@dataclass(frozen=True)
class Served:
    """A loaded runner for the server."""

    runner: Runner
    runtime: str
    """"openvino 2026.4.1 int8"."""
    tolerance: float
    """How far its answers may be from the tested ones."""
    test: Mapping[str, Any] | None = None
    """Its own scores of the test; None where the tested ones hold for it."""


def compare(runners: Mapping[str, Runner], batches: Sequence[Mapping[str, Array]]) -> dict[str, dict[str, float]]:
    """Runners, timed in turns on batches of several sizes -> milliseconds for one example, by runner, by size."""
    best: dict[str, dict[str, float]] = {name: {} for name in runners}
    end = time.perf_counter() + SECONDS
    for batch in batches:
        size = len(next(iter(batch.values())))
        for runner in runners.values():
            runner(batch)
        for round_number in range(ROUNDS):
            if round_number >= 3 and time.perf_counter() > end:
                break
            for name, runner in runners.items():
                begin = time.perf_counter()
                runner(batch)
                spent = (time.perf_counter() - begin) * 1000 / size
                best[name][str(size)] = min(spent, best[name].get(str(size), spent))
    return best


def speedup(times: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """Milliseconds by size -> how many times quicker than the reference, over all sizes alike."""
    return geometric_mean([reference[size] / times[size] for size in reference])


def load_served(folder: Path, threads: int | None) -> Served | None:
    """The runner that was chosen for an artifact whose files have been verified; None where the tested one serves.

    Raises:
        ExtraMissing: its runtime is not installed.
        DataError: the record or the file is damaged.
    """
    record = folder / RECORD
    chosen: Chosen = parsed(TypeAdapter(Chosen), read_json(record), record)
    if chosen.target == Onnx.name:
        return None
    try:
        exporter = exporter_named(chosen.target)
    except UsageError as error:
        raise DataError("artifact-member", where=str(record), reason=f"target: {chosen.target}"[:200]) from error
    runner = exporter.load(folder / "exports" / exporter.file, threads)
    runtime = f"{exporter.runtime} {version(exporter.runtime)} {chosen.precision}"
    return Served(runner, runtime, max(TOLERANCE, DOUBT * chosen.difference), chosen.test)
