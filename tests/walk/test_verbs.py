"""What comes after `fit`: test, export, show, check, layers, schema, doctor, demo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import flambeau as fb
from flambeau.errors import CheckFailed, DataError, UsageError
from flambeau.exporting.onnx import Onnx

Verb = Callable[..., Any]


def test_the_test_can_fail(flambeau: Verb, finished: Path) -> None:
    value = fb.load(finished).test["accuracy"]["value"]
    assert flambeau("test", finished, "--min", f"accuracy={value - 0.01}", "--json").code == 0
    outcome = flambeau("test", finished, "--min", f"accuracy={value + 0.01}", "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "score-too-low")
    assert "accuracy" in outcome.error["message"]
    for wrong in ("accuracy", "accuracy=high", "acuracy=0.5", "accuracy=nan", "log_loss=10"):
        outcome = flambeau("test", finished, "--min", wrong, "--json")
        assert outcome.code == 2, outcome.out
    with pytest.raises(CheckFailed):
        fb.test(finished, minimum={"accuracy": 1.0, "macro_recall": 1.0}, show=fb.silent)
    with pytest.raises(UsageError) as caught:
        fb.test(finished, minimum={"acuracy": 0.5}, show=fb.silent)
    assert caught.value.code == "metric-unknown"


def test_the_test_shows_the_score(flambeau: Verb, finished: Path) -> None:
    outcome = flambeau("test", finished)
    assert outcome.code == 0
    assert outcome.out.startswith("Test   accuracy ")
    assert outcome.err == ""


def test_other_labelled_data(flambeau: Verb, finished: Path, digits_folder: Path, few_digits: Path, tmp_path: Path) -> None:
    assert flambeau("test", finished, few_digits, "--json").json["test"]["accuracy"]["n"] == 120
    outcome = flambeau("test", finished, digits_folder, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "class-unknown")
    for label in "01":
        shutil.copytree(few_digits / label, tmp_path / "two" / label)
    two = flambeau("test", finished, tmp_path / "two", "--json").json
    assert two["test"]["accuracy"]["n"] == 60
    assert two["run"] == str(finished)
    assert flambeau("test", finished, tmp_path / "nothing", "--json").error["code"] == "data-not-found"
    table = tmp_path / "table.csv"
    lines = [f"{few_digits}/{label}/00{number}.png,{label}" for label in "0123" for number in range(5)]
    table.write_text("image,label\n" + "\n".join(lines), encoding="utf-8")
    assert flambeau("test", finished, table, "--json").json["test"]["accuracy"]["n"] == 20


@pytest.fixture
def own_data(finished: Path, few_digits: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A run, and its data in a place where both can be changed."""
    data = Path(shutil.copytree(few_digits, tmp_path / "data"))
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    recipe = run / "recipe.resolved.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace(str(few_digits), str(data)), encoding="utf-8")
    return run, data


def test_data_that_is_gone_or_changed(flambeau: Verb, own_data: tuple[Path, Path]) -> None:
    import csv

    run, data = own_data
    assert flambeau("test", run, "--json").json["test"] == fb.load(run).test
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        tested = next(row["path"] for row in csv.DictReader(file) if row["split"] == "test")
    content = (data / tested).read_bytes()
    (data / tested).write_bytes(next(data.glob("3/*.png")).read_bytes())
    outcome = flambeau("test", run, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "test-data-altered")
    assert tested in outcome.error["message"]
    (data / tested).write_bytes(content)
    shutil.copy(data / tested, data / "0/new.png")
    assert flambeau("test", run, "--json").error["code"] == "test-data-changed"
    data.rename(data.parent / "moved")
    assert flambeau("test", run, "--json").error["code"] == "data-not-found"
    (data.parent / "moved" / "0" / "new.png").unlink()
    assert flambeau("test", run, data.parent / "moved", "--json").json["test"]["accuracy"]["n"] == 120


def test_an_artifact_away_from_its_run(flambeau: Verb, finished: Path, few_digits: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished / "model.flambeau", tmp_path / "anywhere")
    outcome = flambeau("test", copy, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "test-data-missing")
    tested = flambeau("test", copy, few_digits, "--json").json
    assert tested["run"] is None
    assert tested["artifact"] == str(copy)


def test_export(flambeau: Verb, run_copy: Path, few_digits: Path) -> None:
    outcome = flambeau("export", run_copy, "--to", "onnx", "--json")
    assert outcome.code == 0
    result = outcome.json
    assert set(result) >= {"target", "path", "bytes", "verification", "latency_ms"}
    path = Path(result["path"])
    assert path == run_copy / "model.flambeau/exports/model.onnx"
    assert path.stat().st_size == result["bytes"]
    assert result["verification"]["num_examples"] == result["verification"]["num_same"] == 18
    assert result["verification"]["largest_difference"] <= result["verification"]["tolerance"] == 1e-4
    assert set(result["latency_ms"]) == {"pytorch", "onnxruntime"}
    assert all(milliseconds > 0 for milliseconds in result["latency_ms"].values())
    proofs = json.loads((run_copy / "model.flambeau/verification.json").read_bytes())
    assert result["verification"].items() <= proofs["onnx"].items()
    picture = next(few_digits.rglob("*.png"))
    model = fb.load(run_copy)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    encoded = model.artifact.predictor.inputs["image"].encode(picture)
    assert session.run(None, {"image": encoded[None]})[0][0].max() == pytest.approx(model.predict([picture])[0].confidence, abs=1e-5)
    again = flambeau("export", run_copy)
    assert again.code == 0
    assert "PASS" in again.out
    assert again.out.startswith("ONNX")
    assert fb.load(run_copy).labels


def test_an_export_from_a_copy_is_proven_on_the_goldens(flambeau: Verb, finished: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished / "model.flambeau", tmp_path / "copy.flambeau")
    result = flambeau("export", copy, "--json").json
    assert result["verification"]["num_examples"] == 8
    assert Path(result["path"]).is_relative_to(copy)
    assert fb.load(copy).labels


def test_a_run_whose_data_is_gone_is_proven_on_the_goldens(flambeau: Verb, own_data: tuple[Path, Path]) -> None:
    run, data = own_data
    shutil.rmtree(data)
    assert flambeau("export", run, "--json").json["verification"]["num_examples"] == 8


def test_an_export_that_nothing_proves(flambeau: Verb, few_digits: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos too large for goldens, on a machine without the data."""
    monkeypatch.setattr("flambeau.finishing.GOLDEN_BYTES", 10)
    run = fb.fit(few_digits, recipe=tiny, run=tmp_path / "run", epochs=1, show=fb.silent)
    assert flambeau("export", tmp_path / "run", "--json").json["verification"]["num_examples"] == 18
    copy = shutil.copytree(run.artifact, tmp_path / "copy.flambeau")
    assert fb.load(copy).labels
    outcome = flambeau("export", copy, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "export-unproven")


class Wrong:
    """A runner that gives wrong answers."""

    def __init__(self, runner: Any, how: str) -> None:
        self._runner = runner
        self._how = how
        self.input_names = runner.input_names

    def __call__(self, inputs: Mapping[str, Any]) -> Any:
        answers = self._runner(inputs)
        if self._how == "turned":
            return answers[:, ::-1]
        if self._how == "nan":
            return np.where(np.arange(answers.shape[1]) == 0, np.nan, answers)
        return answers + np.float32(0.01)


@pytest.mark.parametrize("how", ["turned", "nan", "shifted"])
def test_a_wrong_export_is_refused(flambeau: Verb, run_copy: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    before = {path: path.read_bytes() for path in (run_copy / "model.flambeau").rglob("*") if path.is_file()}
    real = Onnx.load

    def load(self: Onnx, path: Path, threads: int | None = None) -> Any:
        runner = real(self, path, threads)
        return runner if path.is_relative_to(run_copy) else Wrong(runner, how)  # an export is made aside

    monkeypatch.setattr(Onnx, "load", load)
    outcome = flambeau("export", run_copy, "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "export-differs")
    assert {path: path.read_bytes() for path in (run_copy / "model.flambeau").rglob("*") if path.is_file()} == before


def test_a_fit_whose_export_differs_ships_nothing(few_digits: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Onnx.load
    monkeypatch.setattr(Onnx, "load", lambda self, path, threads=None: Wrong(real(self, path, threads), "shifted"))
    with pytest.raises(CheckFailed) as caught:
        fb.fit(few_digits, recipe=tiny, run=tmp_path / "run", epochs=1, show=fb.silent)
    assert caught.value.code == "export-differs"
    assert not (tmp_path / "run/model.flambeau").exists()
    assert not (tmp_path / "run/.model.onnx").exists()
    assert json.loads((tmp_path / "run/run.json").read_bytes())["status"] == "failed"


def test_an_unknown_format(flambeau: Verb, finished: Path) -> None:
    assert flambeau("export", finished, "--to", "keras", "--json").code == 2
    with pytest.raises(UsageError) as caught:
        fb.export(finished, "keras", show=fb.silent)
    assert caught.value.code == "format-unknown"
    assert "onnx" in caught.value.fix or "onnx" in caught.value.what


def test_show(flambeau: Verb, finished: Path, few_digits: Path, tiny: Path) -> None:
    of_model = flambeau("show", finished, "--json").json
    assert list(of_model) == ["network", "layers", "total", "weights"]
    assert [layer["name"] for layer in of_model["layers"]]
    assert of_model["total"]["parameters"] == sum(layer["parameters"] for layer in of_model["layers"]) == 8 * 9 + 8 + 8 * 64 * 4 + 4
    of_plan = flambeau("show", few_digits, "--recipe", tiny, "--json").json
    assert of_plan["layers"] == of_model["layers"]
    shown = flambeau("show", few_digits)
    assert shown.code == 0
    assert shown.out.splitlines()[0].split()[:2] == ["layer", "output"]
    assert len({len(line.rstrip()) for line in shown.out.splitlines()[1:] if line}) >= 1
    assert flambeau("show", finished / "nothing", "--json").code == 3


def test_check(flambeau: Verb, few_digits: Path, tmp_path: Path) -> None:
    result = flambeau("check", few_digits, "--json").json
    assert list(result) == ["ok", "data", "split", "plan", "recipe"]
    assert result["plan"]["network"] == "cnn"
    assert result["plan"]["reason"]
    assert result["plan"]["seconds"] is None
    assert flambeau("check", few_digits).out == "Check passed: recipe, data and network fit together.\n"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("training: {epoch: 3}\ntest: {top_k: none}\nnetwork:\n  - maxpol: 2\n", encoding="utf-8")
    outcome = flambeau("check", few_digits, "--recipe", recipe, "--json")
    assert outcome.code == 2
    problems = outcome.error["problems"]
    assert {problem["code"] for problem in problems} == {"recipe-key-unknown", "recipe-type", "layer-unknown"}
    assert [problem["where"].rpartition("recipe.yaml:")[2] for problem in problems] == ["1:12", "2:15", "4:5"]
    recipe.write_text("network:\n  - {conv2d: 4}\n  - {linear: 10}\n", encoding="utf-8")
    outcome = flambeau("check", few_digits, "--recipe", recipe, "--json")
    assert (outcome.code, outcome.error["code"]) == (2, "shape-mismatch")
    assert outcome.error["where"].rpartition(":")[0].endswith("recipe.yaml:3")
    recipe.write_text("network:\n  - {linear: 1000000000000}\n", encoding="utf-8")
    assert flambeau("check", few_digits, "--recipe", recipe, "--json").code == 2


def test_layers_and_schema(flambeau: Verb) -> None:
    layers = flambeau("layers", "--json").json["layers"]
    assert {"conv2d", "linear", "max_pool", "residual"} <= {layer["name"] for layer in layers}
    assert all(layer["summary"] for layer in layers)
    [one] = flambeau("layers", "conv2d", "--json").json["layers"]
    assert "channels" in [field["name"] for field in one["fields"]]
    assert "channels" in flambeau("layers", "conv2d").out
    assert flambeau("layers").out.count("\n") == len(layers)
    outcome = flambeau("layers", "conv_2d", "--json")
    assert (outcome.code, outcome.error["code"]) == (2, "layer-name-unknown")
    outcome = flambeau("schema")
    schema = json.loads(outcome.out)
    assert set(schema["properties"]) == {"data", "inputs", "task", "network", "training", "test", "export"}
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_doctor(flambeau: Verb) -> None:
    findings = flambeau("doctor", "--json").json
    assert findings["ok"] is True
    assert findings["trial"]["ok"] is True
    assert 0 <= findings["trial"]["difference"] <= 1e-4
    assert findings["extras"]["train"]["torch"]
    assert findings["threads"] >= 1
    assert findings["disk_free_gb"] > 0


def test_doctor_for_people(flambeau: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    from flambeau import doctor

    def fail(*arguments: object, **words: object) -> None:
        raise DataError("data-empty", where="here")

    monkeypatch.setattr(doctor, "_trial", lambda: {"ok": True, "seconds": 1.5, "fit_seconds": 0.5, "difference": 1e-7})
    assert "1.0e-07" in flambeau("doctor").out
    monkeypatch.undo()
    monkeypatch.setattr("flambeau.pipeline.fit", fail)
    outcome = flambeau("doctor")
    assert outcome.code == 4
    assert "[data-empty]" in outcome.out
    monkeypatch.setattr(doctor, "_version", lambda package: None if package == "torch" else "1")
    outcome = flambeau("doctor", "--json")
    assert outcome.code == 0, "a machine that only serves is in order"
    assert "PyTorch" in outcome.json["trial"]["error"]
    assert outcome.json["device"] is None


@pytest.mark.slow
def test_demo(flambeau: Verb, tmp_path: Path) -> None:
    result = flambeau("demo", "--folder", tmp_path / "demo", "--json").json
    assert list(result) == ["run", "artifact", "test", "baseline", "verdict", "seconds", "export", "served"]
    assert result["test"]["accuracy"]["value"] > 0.95
    assert result["test"]["accuracy"]["low"] > result["baseline"]["accuracy"]["value"]
    assert result["served"]["largest_difference"] <= 1e-4
    assert result["export"]["passed"] is True
    assert sum(1 for _ in (tmp_path / "demo/digits").rglob("*.png")) == 1797


def test_the_demo_compares_what_is_served(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from flambeau import demo
    from flambeau.run import read_run
    from flambeau.runfolder import RunFolder

    run = read_run(RunFolder(finished))
    monkeypatch.setattr("flambeau.pipeline.fit", lambda *arguments, **words: run)
    monkeypatch.setattr("flambeau.pipeline.export", lambda *arguments, **words: None)
    monkeypatch.setattr(demo, "_server", lambda artifact: nullcontext("http://nowhere:1"))
    answer = {"label": "3", "confidence": 0.5, "probabilities": dict.fromkeys("0123", 0.25)}
    monkeypatch.setattr(demo, "_post", lambda url, body: {"predictions": [answer]})
    with pytest.raises(CheckFailed) as caught:
        demo.run_demo(tmp_path, fb.silent, say=lambda line: None)
    assert caught.value.code == "demo-differs"


@pytest.mark.parametrize("content", [b"[]", b"{", b"null"])
def test_a_damaged_proof_says_so(finished: Path, tmp_path: Path, content: bytes) -> None:
    from flambeau.run import read_run
    from flambeau.runfolder import RunFolder

    run = RunFolder(tmp_path)
    run.artifact.mkdir()
    run.record.write_bytes(RunFolder(finished).record.read_bytes())
    (run.artifact / "verification.json").write_bytes(content)
    with pytest.raises(DataError, match="artifact-member"):
        read_run(run)


def test_the_demo_needs_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from flambeau.demo import write_digits

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(fb.FlambeauError) as caught:
        write_digits(tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("extra-missing", 5)
    assert caught.value.fix == 'pip install "flambeau[demo]"'


def test_a_server_that_does_not_start(tmp_path: Path) -> None:
    from flambeau import demo

    with pytest.raises(fb.FlambeauError) as caught, demo._server(tmp_path):
        pytest.fail("nothing is served")
    assert caught.value.code == "server-silent"


def test_training_verbs_without_torch(flambeau: Verb, finished: Path, few_digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr("flambeau.extras.find_spec", lambda name: None if name == "torch" else real(name))
    for arguments in (["fit", few_digits], ["check", few_digits], ["show", finished], ["export", finished], ["fit", few_digits, "--dry-run"]):
        outcome = flambeau(*arguments, "--json")
        assert (outcome.code, outcome.error["code"]) == (5, "extra-missing")
        assert outcome.error["fix"] == 'pip install "flambeau[train]"'
    assert flambeau("test", finished, "--json").code == 0


def test_values_come_as_a_list_an_array_or_one_after_the_other(finished: Path) -> None:
    model = fb.load(finished)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    assert model.predict(pictures) == model.predict(list(pictures)) == model.predict(iter(pictures)) == model.predict(tuple(pictures))  # type: ignore[arg-type]


def test_the_network_itself_answers_in_torch(finished: Path, few_digits: Path) -> None:
    model = fb.load(finished)
    files = sorted((few_digits / "3").iterdir())[:5]
    network = model.network()
    assert not network.training
    with torch.inference_mode():
        answers = network(*map(torch.from_numpy, model.encode(files).values()))
    told = [[one.probabilities[label] for label in model.labels] for one in model.predict(files)]  # type: ignore[union-attr]
    assert np.allclose(answers.numpy(), told, atol=1e-6)
    assert repr(model) == f"Model({str(finished / 'model.flambeau')!r})"
