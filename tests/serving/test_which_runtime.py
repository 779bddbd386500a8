"""What answers after an export that was found to be quicker, what /model says about it, and the way back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import flambeau as fb
from flambeau import artifact
from flambeau.demo import write_digits
from flambeau.runfolder import find_run
from flambeau.runtimes import RECORD
from flambeau.testing import own_test_split

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three digits, exported in lower precision."""
    folder = tmp_path_factory.mktemp("runtimes")
    fb.fit(
        write_digits(folder / "digits", classes=3, limit=60), run=folder / "run", epochs=3, settings=("data.near_duplicates=ignore",), show=fb.silent
    )
    return folder / "run"


def export(run: Path, precision: Any, **changes: Any) -> dict[str, Any]:
    """Exports; the export serves, however quick it is. Gives what serving.json says."""
    exported = fb.export(run, "openvino", precision=precision, show=fb.silent)
    record = {**exported.serving, "target": "openvino", **changes}
    artifact.add(run / "model.flambeau", {RECORD: json.dumps(record).encode()})
    return record


@contextmanager
def serving(run: Path, *words: str) -> Iterator[tuple[str, str]]:
    """`flambeau serve` in a process of its own: its address, and the runtime of its line."""
    command = [sys.executable, "-m", "flambeau", "serve", str(run), "--port", "0", "--json", *words]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(child.stdout.readline())
        yield ready["url"], ready["runtime"]
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        child.stdout.close()


def test_the_record_has_the_scores_of_the_export(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers made plainly worse, so that the two cannot be mistaken for each other."""
    monkeypatch.setattr("flambeau.exports.demand_score", lambda *words: None)
    monkeypatch.setattr(
        "flambeau.exporting.openvino.OpenVinoRunner.__call__",
        lambda self, inputs: np.tile(np.float32([1, 0, 0]), (len(inputs["image"]), 1)),
    )
    exported = fb.export(run, "openvino", precision="bf16", show=fb.silent)
    metric, tested = exported.score["metric"], artifact.load(run / "model.flambeau").signature["test"]
    told = exported.serving["test"]
    assert told[metric]["value"] == exported.score["exported"] < exported.score["tested"] == tested[metric]["value"]
    assert told.keys() == tested.keys() and told["accuracy"].keys() == tested["accuracy"].keys()


def test_equal_answers_keep_the_tested_scores(run: Path) -> None:
    assert export(run, "fp32")["test"] is None
    folder = run / "model.flambeau"
    assert artifact.load(folder, serving=True).signature == artifact.load(folder).signature


def test_the_model_page_tells_the_score_of_what_answers(run: Path) -> None:
    """Every raw test file is sent to the server, and what it gets right is counted here."""
    pytest.importorskip("nncf")
    export(run, "int8")
    with serving(run) as (url, runtime):
        about = httpx.get(f"{url}/model").json()
        examples, labels = own_test_split(find_run(run))
        right = 0
        for example, label in zip(examples, labels, strict=True):
            content = Path(str(example["image"])).read_bytes()
            reply = httpx.post(f"{url}/predict", content=content, headers={"content-type": "application/octet-stream"}).json()
            right += reply["predictions"][0]["label"] == label
    assert runtime.startswith("openvino ") and runtime.endswith(" int8")
    assert about["runtime"] == runtime
    assert about["test"]["accuracy"]["n"] == len(examples)
    assert about["test"]["accuracy"]["value"] == pytest.approx(right / len(examples))


def test_a_person_can_go_back_to_the_tested_runtime(run: Path) -> None:
    record = export(run, "bf16")
    marked = {**record["test"], "accuracy": {**record["test"]["accuracy"], "value": 0.125}}
    export(run, "bf16", test=marked)
    tested = json.loads((run / "model.flambeau" / "signature.json").read_bytes())["test"]
    for words, name, scores in (
        ((), "openvino ", marked),
        (("--runtime", "fastest"), "openvino ", marked),
        (("--runtime", "tested"), "onnx", tested),
    ):
        with serving(run, *words) as (url, runtime):
            about = httpx.get(f"{url}/model").json()
            assert runtime.startswith(name) and about["runtime"] == runtime
            assert about["test"] == scores
