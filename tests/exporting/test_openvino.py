"""OpenVINO as a target: its precisions, what passes the gate, and which runner serves."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau import artifact, model
from flambeau.demo import write_digits
from flambeau.errors import CheckFailed, DataError, ExtraMissing, UsageError
from flambeau.exporting.gate import demand_score, gate
from flambeau.exporting.openvino import OpenVino
from flambeau.exports import TRIAL_SIZES
from flambeau.runtimes import GAIN, RECORD, compare, speedup

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three digits, from files."""
    folder = tmp_path_factory.mktemp("openvino")
    fb.fit(
        write_digits(folder / "digits", classes=3, limit=60), run=folder / "run", epochs=3, settings=("data.near_duplicates=ignore",), show=fb.silent
    )
    return folder / "run"


def served(run: Path, **changes: Any) -> None:
    """Changes what serving.json says."""
    folder = run / "model.flambeau"
    record = json.loads((folder / RECORD).read_bytes())
    artifact.add(folder, {RECORD: json.dumps({**record, **changes}).encode()})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_answers_as_the_tested_model(run: Path, precision: Any) -> None:
    exported = fb.export(run, "openvino", precision=precision, show=fb.silent)
    assert exported.verification["passed"] and exported.verification["num_same"] == exported.verification["num_examples"]
    assert (exported.score is None) == (precision == "fp32")
    proofs = json.loads((run / "model.flambeau" / "verification.json").read_bytes())
    assert proofs["openvino"]["precision"] == precision
    assert proofs["onnx"]["passed"], "the proof of the tested runner stays"
    assert set(exported.serving["milliseconds"]) == {"onnxruntime", f"openvino {precision}"}


def test_int8_is_gated_on_the_test_score(run: Path) -> None:
    pytest.importorskip("nncf")
    exported = fb.export(run, "openvino", precision="int8", show=fb.silent)
    assert exported.verification["largest_difference"] > 1e-4, "these are other numbers indeed"
    assert exported.score["exported"] >= exported.score["tested"] - exported.score["allowed"]
    content = (run / "model.flambeau" / "exports" / "model.xml").read_text(encoding="utf-8")
    assert "FakeQuantize" in content


def test_serving_takes_the_chosen_runner_if_it_answers_as_proven(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    fb.export(run, "openvino", show=fb.silent)
    served(run, target="openvino")
    folder = run / "model.flambeau"
    chosen, tested = artifact.load(folder, serving=True), artifact.load(folder)
    assert chosen.runtime.startswith("openvino ") and chosen.runtime.endswith("fp32") and tested.runtime == ""
    example = [next((run.parent / "digits" / "1").iterdir())]
    both = [one.predictor.predict(one.predictor.as_examples(example))[0] for one in (chosen, tested)]
    assert both[0].label == both[1].label and both[0].confidence == pytest.approx(both[1].confidence, abs=1e-5)
    served(run, target="onnx")
    assert artifact.load(folder, serving=True).runtime == ""
    assert not [record for record in caplog.records if record.name.startswith("flambeau")]


@pytest.mark.parametrize(
    ("target", "altered", "starts"), [("openvino", "model.onnx", True), ("onnx", "model.onnx", False), ("onnx", "weights.safetensors", True)]
)
def test_a_server_verifies_of_graph_and_weights_what_runs(run: Path, tmp_path: Path, target: str, altered: str, starts: bool) -> None:
    fb.export(run, "openvino", show=fb.silent)
    served(run, target=target)
    folder = Path(shutil.copytree(run / "model.flambeau", tmp_path / "model.flambeau"))
    with (folder / altered).open("ab") as file:
        file.write(b"0")
    if starts:
        assert artifact.load(folder, serving=True).runtime.startswith("openvino ") == (target == "openvino")
    else:
        with pytest.raises(DataError, match=r"artifact-altered"):
            artifact.load(folder, serving=True)
    with pytest.raises(DataError, match="artifact-altered"):
        artifact.load(folder)
    (folder / altered).unlink()
    with pytest.raises(DataError, match="artifact-incomplete"):
        artifact.load(folder, serving=True)


def test_inputs_are_shared_and_answers_kept(run: Path) -> None:
    fb.export(run, "openvino", show=fb.silent)
    runner = OpenVino().load(run / "model.flambeau" / "exports" / "model.xml", 1)
    name, spec = next((name, one.spec) for name, one in artifact.load(run / "model.flambeau").predictor.inputs.items())
    pictures = np.random.default_rng(0).integers(0, 256, (4, *map(int, spec.shape)), np.uint8)
    first = runner({name: pictures})
    kept, before = first.copy(), pictures.copy()
    frozen = pictures.copy()
    frozen.flags.writeable = False
    spread = np.repeat(pictures, 2, axis=0)[::2]

    assert not np.array_equal(runner({name: pictures[::-1]}), kept)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(pictures, before)
    for same in (frozen, spread, pictures):
        np.testing.assert_array_equal(runner({name: same}), kept)


def test_a_server_imports_no_converter_of_foreign_models(run: Path) -> None:
    fb.export(run, "openvino", show=fb.silent)
    served(run, target="openvino")
    program = """if True:
        import sys
        from pathlib import Path
        from flambeau import artifact
        assert artifact.load(Path(sys.argv[1]), serving=True).runtime.startswith("openvino ")
        assert not [name for name in sys.modules if name.startswith("openvino.tools.ovc")]
        import openvino.tools.ovc"""
    assert subprocess.run([sys.executable, "-c", program, str(run / "model.flambeau")]).returncode == 0


@pytest.mark.parametrize("fault", ["not installed", "another answer", "unknown target"])
def test_what_does_not_run_here_leaves_the_tested_runner(run: Path, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    fb.export(run, "openvino", show=fb.silent)
    served(run, target="tensorrt" if fault == "unknown target" else "openvino")
    if fault == "not installed":
        monkeypatch.setattr("flambeau.extras.find_spec", lambda name: None)
    if fault == "another answer":
        monkeypatch.setattr(
            "flambeau.exporting.openvino.OpenVinoRunner.__call__", lambda self, inputs: np.full((len(inputs["image"]), 3), 1 / 3, np.float32)
        )
    with pytest.raises(ExtraMissing if fault == "not installed" else DataError):
        artifact.load(run / "model.flambeau", serving=True)
    with caplog.at_level(logging.WARNING, "flambeau.serving"):
        loaded = model._for_serving(run / "model.flambeau", 1, False)
    assert loaded.runtime == "" and model.runtime(loaded).startswith("onnxruntime ")
    assert "the tested one serves" in caplog.text


def test_a_worse_score_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = artifact.read_manifest(run / "model.flambeau")
    monkeypatch.setattr(
        "flambeau.exporting.openvino.OpenVinoRunner.__call__", lambda self, inputs: np.full((len(inputs["image"]), 3), 1 / 3, np.float32)
    )
    with pytest.raises(CheckFailed, match="export-worse"):
        fb.export(run, "openvino", precision="bf16", show=fb.silent)
    assert artifact.read_manifest(run / "model.flambeau") == before


def test_onnx_has_one_precision(run: Path) -> None:
    with pytest.raises(UsageError, match="precision-unknown"):
        fb.export(run, "onnx", precision="int8", show=fb.silent)


@pytest.mark.parametrize(
    ("tested", "exported", "n", "is_share", "passes"),
    [
        (0.95, 0.95, 1000, True, True),
        (0.95, 0.941, 1000, True, True),
        (0.95, 0.939, 1000, True, False),
        (0.95, 0.90, 20, True, True),  # one example of twenty
        (0.95, 0.85, 20, True, False),
        (0.90, 1.00, 1000, True, True),  # better is no fault
        (200.0, 201.9, 1000, False, True),  # an error in the unit of the data
        (200.0, 202.1, 1000, False, False),
        (200.0, 190.0, 1000, False, False),
    ],
)
def test_the_gate(tested: float, exported: float, n: int, is_share: bool, passes: bool) -> None:
    found = gate("score", tested, exported, n, is_share)
    assert found.passed is passes
    if not passes:
        with pytest.raises(CheckFailed, match="export-worse"):
            demand_score(found, "here", "openvino")


@pytest.mark.parametrize(
    ("single", "many", "target"),
    [
        (1.0, 1.0, "onnx"),
        (1 / 1.06, 1 / 1.06, "openvino"),
        (1 / GAIN, 1 / GAIN, "openvino"),  # just as much as is needed
        (1 / 1.049, 1 / 1.049, "onnx"),
        (0.5, 2.0, "onnx"),  # what one client gains, many lose
        (0.5, 1.5, "openvino"),  # the mean of both is what counts
        (2.0, 2.0, "onnx"),
    ],
)
def test_the_quicker_runner_will_serve(run: Path, monkeypatch: pytest.MonkeyPatch, single: float, many: float, target: str) -> None:
    def timed(runners: Mapping[str, Any], batches: Sequence[Mapping[str, np.ndarray]]) -> dict[str, dict[str, float]]:
        tested, other = runners
        assert (tested, other) == ("onnxruntime", "openvino fp32")
        sizes = [str(len(batch["image"])) for batch in batches]
        return {tested: dict.fromkeys(sizes, 1.0), other: dict(zip(sizes, (single, many), strict=True))}

    monkeypatch.setattr("flambeau.exports.compare", timed)
    exported = fb.export(run, "openvino", show=fb.silent)
    record = json.loads((run / "model.flambeau" / RECORD).read_bytes())
    assert record == exported.serving
    assert (record["target"], record["needed"]) == (target, GAIN)
    assert record["speedup"] == pytest.approx((single * many) ** -0.5)
    assert set(record["milliseconds"]["onnxruntime"]) == set(map(str, TRIAL_SIZES))
    runtime = artifact.load(run / "model.flambeau", serving=True).runtime
    assert runtime.startswith("openvino ") if target == "openvino" else runtime == ""


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_wrong_runner_never_serves_however_quick(run: Path, precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fb.export(run, "openvino", show=fb.silent)
    folder = run / "model.flambeau"
    before = (folder / RECORD).read_bytes(), (folder / "exports" / "model.xml").read_bytes()
    asked: list[object] = []
    monkeypatch.setattr("flambeau.exports.compare", lambda *given: asked.append(given))
    monkeypatch.setattr(
        "flambeau.exporting.openvino.OpenVinoRunner.__call__", lambda self, inputs: np.full((len(inputs["image"]), 3), 1 / 3, np.float32)
    )
    with pytest.raises(CheckFailed, match="export-differs" if precision == "fp32" else "export-worse"):
        fb.export(run, "openvino", precision=precision, show=fb.silent)
    assert not asked, "what is wrong is not even timed"
    assert before == ((folder / RECORD).read_bytes(), (folder / "exports" / "model.xml").read_bytes())


def test_runners_are_timed_in_turns() -> None:
    calls: list[str] = []

    def runner(name: str, seconds: float) -> Any:
        import time

        def run(batch: Any) -> np.ndarray:
            calls.append(name)
            time.sleep(seconds * len(batch["x"]))
            return np.zeros((1, 1), np.float32)

        return run

    times = compare({"slow": runner("slow", 0.004), "quick": runner("quick", 0.001)}, [{"x": np.zeros((size, 1))} for size in (1, 4)])
    assert set(times["slow"]) == set(times["quick"]) == {"1", "4"}
    assert calls[2:8] == ["slow", "quick"] * 3
    assert 2 < speedup(times["quick"], times["slow"]) < 5
    assert speedup(times["slow"], times["slow"]) == pytest.approx(1)
