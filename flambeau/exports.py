"""`flambeau export`: a finished model in another format, proven on raw test files before anybody sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from flambeau import artifact
from flambeau.artifact import Artifact
from flambeau.data.examples import TRAIN
from flambeau.errors import DataError, UsageError
from flambeau.evaluation.answering import answer_by_each
from flambeau.events import Exported, Show, silent
from flambeau.exporting.exporter import Exporter
from flambeau.exporting.gate import Gate, demand_score, gate
from flambeau.exporting.onnx import Onnx
from flambeau.exporting.openvino import OpenVino, Precision
from flambeau.exporting.torch import TorchRunner
from flambeau.exporting.union import exporter_named
from flambeau.exporting.verify import Verification, demand, latency, verify
from flambeau.extras import need
from flambeau.finishing import counting, test
from flambeau.goldens import read_goldens
from flambeau.inputs.input import collate
from flambeau.machine import available_threads
from flambeau.members import read_json, to_json
from flambeau.model import load, runtime
from flambeau.restoring import restore_network
from flambeau.runfolder import find_run
from flambeau.runtimes import GAIN, RECORD, Chosen, compare, speedup
from flambeau.storage import writing
from flambeau.testing import own_test_split, recipe_of
from flambeau.types import Array, Example, Runner

MOST_CALIBRATION = 300
"""Training examples that int8 takes the ranges of its numbers from; more hardly change them."""
TRIAL_SIZES = (1, 16)
"""Examples answered together when runners are timed: one client, and many."""


def export_model(model: Path, to: str, precision: Precision, allow_code: bool, show: Show) -> Exported:
    """Writes a model as `to` into the artifact's exports/, compares it with the trained network on the raw test files (on the
    goldens where the run's data is not at hand), and keeps it only if it answers the same; in lower precision, if it scores the same.
    The quicker one of it and the tested runner will serve.

    Raises:
        UsageError: no such format, or not in this precision.
        CheckFailed: it answers differently, or cannot be written in this format.
    """
    loaded = load(model, allow_code=allow_code).artifact
    predictor = loaded.predictor
    exporter = _exporter(to, precision, loaded, model)
    network = restore_network(loaded.path, predictor.inputs, predictor.target, allow_code)
    reference = TorchRunner(network)
    examples = _examples(model, loaded)
    if not examples:
        raise DataError("export-unproven", where=str(model))
    sample = _encoded(loaded, (examples * 2)[:2])
    file = loaded.path / "exports" / exporter.file
    with writing(file.parent), TemporaryDirectory() as scratch:
        building = Path(scratch) / exporter.file
        exporter.export(network, sample, building, {"flambeau": to_json(dict(loaded.signature)).decode()})
        runner = exporter.load(building)
        answers, wanted = answer_by_each(predictor, (runner, reference), examples, counting(show))
        verification = verify(to, answers, wanted, predictor.target)
        score = scores = None
        if precision == "fp32":
            demand(verification, str(file))
        else:
            score, scores = _score(loaded, runner, model)
            demand_score(score, str(file), to)
            verification = replace(verification, tolerance=None, passed=True)
        speed = {"pytorch": _milliseconds(reference, sample), exporter.runtime: _milliseconds(exporter.load(building, threads=1), sample)}
        members = {f"exports/{name}": (Path(scratch) / name).read_bytes() for name in (exporter.file, *exporter.more)}
    proof = {**verification.to_json(), "precision": precision, "score": score.to_json() if score else None}
    chosen = None if to == Onnx.name else _chosen(loaded, exporter, runner, precision, examples, verification, scores)
    if chosen is not None:
        members[RECORD] = to_json(chosen.model_dump(mode="json"))
    proofs = {**read_json(loaded.path / "verification.json", missing={}), to: proof}
    artifact.add(loaded.path, {**members, "verification.json": to_json(proofs)})
    size = sum(len(content) for name, content in members.items() if name != RECORD)
    serving = chosen.model_dump(mode="json") if chosen else None
    exported = Exported(to, file, size, verification.to_json(), speed, precision, score.to_json() if score else None, serving)
    show(exported)
    return exported


def _exporter(to: str, precision: Precision, loaded: Artifact, model: Path) -> Exporter:
    exporter = exporter_named(to)
    if precision == "fp32":
        return exporter
    if to != OpenVino.name:
        raise UsageError("precision-unknown", where="--precision", precision=precision, target=to)
    return OpenVino(precision, _calibration(loaded, model) if precision == "int8" else ())


def _calibration(loaded: Artifact, model: Path) -> list[dict[str, Array]]:
    """Encoded training examples, spread evenly over the split, as batches of one."""
    need("int8", "export --precision int8")
    examples, _ = own_test_split(find_run(model), TRAIN)
    step = max(1, len(examples) // MOST_CALIBRATION)
    return [_encoded(loaded, [example]) for example in examples[::step][:MOST_CALIBRATION]]


def _score(loaded: Artifact, runner: Runner, model: Path) -> tuple[Gate, dict[str, Any]]:
    """What the metric that training watched is on the raw test split, tested and exported; and all scores of the export."""
    examples, labels = own_test_split(find_run(model))
    predictor = replace(loaded.predictor, runner=runner)
    truths = np.stack([predictor.target.truth(label) for label in labels])
    tested = loaded.signature["test"]
    metric = predictor.target.monitor if predictor.target.monitor in tested else next(iter(tested))
    exported = test(predictor, examples, truths, recipe_of(loaded).test, silent).headlines
    return gate(metric, tested[metric]["value"], exported[metric]["value"], len(examples), bool(predictor.target.labels)), exported


def _chosen(
    loaded: Artifact,
    exporter: Exporter,
    runner: Runner,
    precision: str,
    examples: list[Example],
    verification: Verification,
    scores: dict[str, Any] | None,
) -> Chosen:
    """Both runners timed on the threads that a server would have -> the record of which one serves, with the export's own scores."""
    many = (examples * TRIAL_SIZES[-1])[: TRIAL_SIZES[-1]]
    batches = [_encoded(loaded, many[:size]) for size in TRIAL_SIZES]
    tested, other = runtime(loaded).split()[0], f"{exporter.runtime} {precision}"
    times = compare({tested: loaded.predictor.runner, other: runner}, batches)
    gain = speedup(times[other], times[tested])
    return Chosen(
        target=exporter.name if gain >= GAIN else Onnx.name,
        precision=precision,
        difference=verification.largest_difference,
        milliseconds=times,
        threads=available_threads(),
        speedup=gain,
        test=scores,
    )


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
