"""`flambeau export`: a finished model in another format, proven on raw test files before anybody sees it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from flambeau import artifact
from flambeau.artifact import Artifact
from flambeau.errors import DataError, UsageError
from flambeau.events import Exported, Show
from flambeau.exporting.exporter import Exporter
from flambeau.exporting.onnx import Onnx
from flambeau.exporting.torch import TorchRunner
from flambeau.exporting.verify import demand, latency, verify
from flambeau.goldens import read_goldens
from flambeau.inputs.input import collate
from flambeau.members import read_json, to_json
from flambeau.model import load
from flambeau.restoring import restore_network
from flambeau.runfolder import find_run
from flambeau.storage import writing
from flambeau.testing import own_test_split
from flambeau.types import Array, Example, Runner

EXPORTERS: tuple[Exporter, ...] = (Onnx(),)


def export_model(model: Path, to: str, allow_code: bool, show: Show) -> Exported:
    """Writes a model as `to` into the artifact's exports/, compares it with the trained network on the raw test files (on the
    goldens where the run's data is not at hand), and keeps it only if it answers the same.

    Raises:
        UsageError: no such format.
        CheckFailed: it answers differently, or cannot be written in this format.
    """
    exporter = next((exporter for exporter in EXPORTERS if exporter.name == to), None)
    if exporter is None:
        raise UsageError("format-unknown", where=to, format=to, formats=", ".join(exporter.name for exporter in EXPORTERS))
    loaded = load(model, allow_code=allow_code).artifact
    predictor = loaded.predictor
    network = restore_network(loaded.path, predictor.inputs, predictor.target, allow_code)
    reference = TorchRunner(network)
    examples = _examples(model, loaded)
    if not examples:
        raise DataError("export-unproven", where=str(model))
    sample = _encoded(loaded, (examples * 2)[:2])
    file = loaded.path / "exports" / exporter.file
    building = file.with_name(f".{file.name}.building")
    with writing(file.parent):
        building.parent.mkdir(exist_ok=True)
        try:
            exporter.export(network, sample, building, {"flambeau": to_json(dict(loaded.signature)).decode()})
            runner = exporter.load(building)
            verification = verify(to, runner, reference, predictor, examples)
            demand(verification, str(file))
            content = building.read_bytes()
            speed = {"pytorch": _milliseconds(reference, sample), exporter.runtime: _milliseconds(exporter.load(building, threads=1), sample)}
        finally:
            with suppress(OSError):
                building.unlink(missing_ok=True)
    proofs = {**read_json(loaded.path / "verification.json", missing={}), to: verification.to_json()}
    artifact.add(loaded.path, {f"exports/{exporter.file}": content, "verification.json": to_json(proofs)})
    exported = Exported(to, file, len(content), verification.to_json(), speed)
    show(exported)
    return exported


def _examples(model: Path, loaded: Artifact) -> list[Example]:
    """The raw test split of the run; the goldens where that is not at hand."""
    try:
        return own_test_split(find_run(model))[0]
    except DataError:
        return read_goldens(loaded.path, loaded.manifest["files"])[0]


def _encoded(loaded: Artifact, examples: list[Example]) -> dict[str, Array]:
    encoded = [loaded.predictor.encode(example) for example in examples]
    return collate(loaded.predictor.inputs, {name: [example[name] for example in encoded] for name in loaded.predictor.inputs})


def _milliseconds(runner: Runner, sample: dict[str, Array]) -> float:
    """Latency of one example on one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return latency(runner, {name: np.ascontiguousarray(array[:1]) for name, array in sample.items()})
    finally:
        torch.set_num_threads(threads)
