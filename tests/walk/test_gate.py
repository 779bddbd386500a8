"""A recipe's gate holds for `fit` as for `test`, and programs get the scores with the error."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau.errors import CheckFailed, FlambeauError

RECIPE = {"network": ["column_embedding"], "training": {"epochs": 1, "stop_early": None}, "test": {"min": {"accuracy": 0.999}}}
DICE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gate") / "noise.csv"
    rows = [f"{DICE.normal():.3f},{'ab'[DICE.integers(2)]}" for _ in range(100)]
    file.write_text("\n".join(["x,label", *rows]), encoding="utf-8")
    return file


def test_fit_fails_and_leaves_the_run(noise: Path, tmp_path: Path, flambeau: Callable[..., Any]) -> None:
    run = tmp_path / "run"
    with pytest.raises(CheckFailed, match="score-too-low"):
        fb.fit(noise, target="label", recipe=RECIPE, run=run, show=fb.silent)
    assert json.loads((run / "run.json").read_bytes())["status"] == "finished"
    assert 0 < fb.load(run).test["accuracy"]["value"] < 0.999
    told = flambeau("test", run, "--json")
    assert told.code == 1
    assert told.json["error"]["code"] == "score-too-low"
    assert told.json["test"]["accuracy"] == fb.load(run).test["accuracy"]
    assert told.json["verdict"] in ("better", "undecided", "worse")


@pytest.mark.parametrize(
    ("bound", "code"), [("test.min.r2=0.5", "metric-elsewhere"), ("test.max.mae=1", "metric-elsewhere"), ("test.min.accuracy=95", "bound-never")]
)
def test_a_gate_that_nothing_can_pass_is_a_mistake(noise: Path, bound: str, code: str) -> None:
    with pytest.raises(FlambeauError, match=code):
        fb.check(noise, target="label", settings=[bound], show=fb.silent)
    fb.check(noise, target="label", settings=["test.min.top_3_accuracy=0.5", "test.max.log_loss=2"], show=fb.silent)


def test_a_preset_fits_data_whose_columns_are_called_otherwise(few_digits: Path, tmp_path: Path) -> None:
    pictures, digits = DICE.integers(0, 255, (60, 12, 12), np.uint8), [f"d{place % 3}" for place in range(60)]
    np.savez(tmp_path / "some.npz", x=pictures, y=np.array(digits))
    preview = fb.check(tmp_path / "some.npz", recipe="quick_images", settings=["inputs.image.augment=[]"], show=fb.silent)
    assert preview.recipe.inputs["x"].augment == ()
    assert preview.recipe.task.target == "y"


def test_a_terminal_that_goes_lets_the_training_end(noise: Path, tmp_path: Path, spawn: Callable[..., Any]) -> None:
    run = tmp_path / "run"
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup, and a child inherits that
    process = spawn("fit", noise, "--target", "label", "--run", run, "--epochs", "3000", "--set", "training.stop_early=null", "--json")
    signal.signal(signal.SIGHUP, before)
    metrics = run / "metrics.jsonl"
    try:
        until = time.monotonic() + 60
        while not (metrics.is_file() and metrics.read_bytes().count(b"\n") > 2):
            assert time.monotonic() < until
            time.sleep(0.05)
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 129
    assert json.loads(out)["error"]["code"] == "run-interrupted"
    assert json.loads((run / "run.json").read_bytes())["status"] == "interrupted"
