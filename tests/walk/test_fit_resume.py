"""A fit that is stopped, at any moment and in any way, goes on to exactly what it would have come to."""

from __future__ import annotations

import gc
import hashlib
import json
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import GeneratorType
from typing import Any

import pytest
import torch

import flambeau as fb
from flambeau import events
from flambeau.errors import FlambeauError, Interrupted, Notice
from flambeau.events import Planned, Progress, Started
from flambeau.storage import locked
from flambeau.types import Epoch

Spawn = Callable[..., subprocess.Popen[str]]
LONG: dict[str, Any] = {
    "inputs": {"image": {"type": "image"}},
    "network": [{"conv2d": 8}, {"batch_norm": {}}, "relu", {"dropout": 0.2}, "flatten"],
    "training": {"epochs": 40, "stop_early": None, "threads": 1, "checkpoint_seconds": 0.02},
}
"""Everything that has a state: augmentation, running statistics, dropout, momentum, the best weights."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "recipe.yaml"
    path.write_text(json.dumps(LONG), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    fb.fit(few_digits, recipe=recipe, run=folder, show=fb.silent)
    return folder


def outcome_of(run: Path) -> dict[str, Any]:
    """All that must not depend on interruptions."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return {
        "weights": hashlib.sha256((run / "model.flambeau/weights.safetensors").read_bytes()).hexdigest(),
        "test": json.loads((run / "run.json").read_bytes())["test"],
        "metrics": [{name: value for name, value in line.items() if name != "seconds"} for line in lines],
        "split": (run / "split.csv").read_text(encoding="utf-8"),
    }


def epochs_of(run: Path) -> int:
    try:
        return (run / "metrics.jsonl").read_text(encoding="utf-8").count("\n")
    except FileNotFoundError:
        return 0


def wait(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_at_any_moment(whole: Path, recipe: Path, few_digits: Path, tmp_path: Path, spawn: Spawn) -> None:
    """Killed again and again: in the first epochs, at a random later one, and while the model is exported."""
    run = tmp_path / "run"
    chance = random.Random(time.time_ns())
    later = chance.randint(8, 38)
    moments: list[Callable[[], bool]] = [
        lambda: epochs_of(run) >= 2,
        lambda: epochs_of(run) >= later,
        lambda: epochs_of(run) == 40,
    ]
    arguments: tuple[object, ...] = (few_digits, "--recipe", recipe, "--run", run)
    for moment, window in zip(moments, (0.03, 0.03, 1.0), strict=True):
        process = spawn("fit", *arguments)
        wait(process, moment)
        time.sleep(chance.random() * window)
        process.kill()
        process.communicate(timeout=30)
        arguments = ("--resume", run)
    fb.fit(resume=run, show=fb.silent)
    assert outcome_of(run) == outcome_of(whole), f"killed in epoch {later}"
    assert fb.load(run).predict([next(few_digits.rglob("*.png"))])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(
    number: int, code: int, whole: Path, recipe: Path, few_digits: Path, tmp_path: Path, spawn: Spawn, flambeau: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    process = spawn("fit", few_digits, "--recipe", recipe, "--run", run, "--set", "training.checkpoint_seconds=1000", "--json")
    wait(process, lambda: epochs_of(run) >= 3)
    busy = flambeau("fit", "--resume", run, "--json")
    assert (busy.code, busy.error["code"]) == (2, "run-busy")
    busy = flambeau("fit", few_digits, "--recipe", recipe, "--run", run, "--force", "--json")
    assert (busy.code, busy.error["code"]) == (2, "run-busy"), "nobody pulls the floor from under a running fit"
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    error = json.loads(out)["error"]
    assert error["code"] == "run-interrupted"
    assert error["fix"] == f"flambeau fit --resume {run}"
    assert json.loads((run / "run.json").read_bytes())["status"] == "interrupted"
    unfinished = flambeau("predict", run, "x.png", "--json")
    assert (unfinished.code, unfinished.error["code"]) == (3, "run-unfinished")
    assert 3 <= epochs_of(run) < 40
    fb.fit(resume=run, show=fb.silent)
    assert outcome_of(run) == outcome_of(whole)


class Stop:
    """A person who presses Ctrl-C when something is shown for the n-th time."""

    def __init__(self, kind: type[object], count: int = 1) -> None:
        self._kind = kind
        self._left = count

    def __call__(self, event: object) -> None:
        self._left -= isinstance(event, self._kind)
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [(Planned,), (Epoch, 5), (events.Tested,)], ids=lambda stop: stop[0].__name__)
def test_interrupted_in_every_stage(stop: tuple[Any, ...], whole: Path, recipe: Path, few_digits: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        fb.fit(few_digits, recipe=recipe, run=run, show=Stop(*stop))
    assert caught.value.code == "run-interrupted"
    assert caught.value.exit_code == 130
    assert str(run) in caught.value.fix
    fb.fit(resume=run, show=fb.silent)
    assert outcome_of(run) == outcome_of(whole)


class StopInTraining(Stop):
    """A person who presses Ctrl-C while a warning of the training itself is shown."""

    def __call__(self, event: object) -> None:
        if isinstance(event, Notice) and event.code == "stopped":
            raise KeyboardInterrupt


def waiting() -> list[GeneratorType[Any, Any, Any]]:
    """The generators of a training that have neither ended nor been closed."""
    generators = [entry for entry in gc.get_objects() if type(entry) is GeneratorType and entry.gi_frame is not None]
    return [entry for entry in generators if "/flambeau/training/" in entry.gi_code.co_filename]


@pytest.mark.parametrize("stop", [Stop(Epoch, 2), StopInTraining(Epoch)], ids=["epoch", "warning"])
def test_an_interrupt_leaves_nothing_running(stop: Stop, recipe: Path, few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even while somebody holds the exception, as a notebook does: nothing may wake up later, in the middle of something else."""
    monkeypatch.setattr("flambeau.training.loop.notices", lambda history: [Notice("stopped")])
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threads = torch.get_num_threads()
    earlier = waiting()  # of other tests, which may hold an exception of theirs
    with pytest.raises(Interrupted) as caught:
        fb.fit(few_digits, recipe=recipe, run=tmp_path / "run", show=stop, settings=["training.threads=2"])
    assert {number: signal.getsignal(number) for number in before} == before
    assert torch.get_num_threads() == threads
    assert [entry.__name__ for entry in waiting() if all(entry is not other for other in earlier)] == []
    assert caught.value.exit_code == 130


def test_interrupted_before_there_is_a_run(flambeau: Callable[..., Any], few_digits: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flambeau.cli.fit.shown", lambda as_json: Stop(Started))
    outcome = flambeau("fit", few_digits, "--json")
    assert (outcome.code, outcome.error["code"]) == (130, "stopped")
    assert not (tmp_path / "runs").exists()


def test_refit_is_resumed_too(recipe: Path, few_digits: Path, tmp_path: Path) -> None:
    plain = fb.fit(few_digits, recipe=recipe, run=tmp_path / "plain", epochs=4, refit=True, show=fb.silent)

    class InRefit(Stop):
        def __call__(self, event: object) -> None:
            if getattr(event, "code", "") == "refitting":
                raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        fb.fit(few_digits, recipe=recipe, run=tmp_path / "run", epochs=4, refit=True, show=InRefit(Progress))
    again = fb.fit(resume=tmp_path / "run", show=fb.silent)
    assert plain.path is not None
    assert again.path is not None
    assert outcome_of(again.path) == outcome_of(plain.path)


def test_a_finished_run_stays_what_it_is(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    fb.export(run, show=fb.silent)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "log.txt"}
    again = fb.fit(resume=run, show=fb.silent)
    assert again.test == json.loads((whole / "run.json").read_bytes())["test"]
    assert {path: path.read_bytes() for path in before} == before


def interrupted(whole: Path, folder: Path) -> Path:
    """A copy of the run as if it had been stopped just before the end."""
    run = Path(shutil.copytree(whole, folder))
    record = json.loads((run / "run.json").read_bytes())
    (run / "run.json").write_text(json.dumps({**record, "status": "interrupted"}), encoding="utf-8")
    return run


def test_a_damaged_checkpoint_costs_an_epoch_not_the_run(whole: Path, tmp_path: Path) -> None:
    run = interrupted(whole, tmp_path / "run")
    newest = max((run / "checkpoints").glob("*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    shown: list[object] = []
    fb.fit(resume=run, show=shown.append)
    assert "checkpoint-damaged" in [getattr(event, "code", "") for event in shown]
    assert outcome_of(run) == outcome_of(whole)


def test_no_checkpoint_is_whole(whole: Path, tmp_path: Path, flambeau: Callable[..., Any]) -> None:
    run = interrupted(whole, tmp_path / "run")
    for file in (run / "checkpoints").iterdir():
        file.write_bytes(b"{}")
    outcome = flambeau("fit", "--resume", run, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "checkpoints-damaged")
    assert (run / "model.flambeau/model.onnx").exists(), "a failed resume leaves what was there"


def test_data_that_changed_meanwhile(few_digits: Path, recipe: Path, tmp_path: Path, flambeau: Callable[..., Any]) -> None:
    data = Path(shutil.copytree(few_digits, tmp_path / "data"))
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        fb.fit(data, recipe=recipe, run=run, show=Stop(Epoch, 2))
    shutil.copy(data / "0/000.png", data / "0/001.png")
    outcome = flambeau("fit", "--resume", run, "--json")
    assert (outcome.code, outcome.error["code"]) == (2, "data-changed")
    shutil.rmtree(data)
    outcome = flambeau("fit", "--resume", run, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "data-not-found")
    assert epochs_of(run) == 2


def test_a_resumed_run_stays_as_it_began(whole: Path, flambeau: Callable[..., Any], recipe: Path, tmp_path: Path) -> None:
    for arguments in (["--epochs", "50"], ["--recipe", recipe], ["--target", "label"], ["--set", "training.epochs=50"], ["--seed", "1"]):
        outcome = flambeau("fit", "--resume", whole, *arguments, "--json")
        assert (outcome.code, outcome.error["code"]) == (2, "resume-alone")
    outcome = flambeau("fit", "--resume", tmp_path, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "run-missing")


def test_a_run_from_memory_needs_its_arrays(tmp_path: Path) -> None:
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=2)
    arrays = {"x": (digits.images[:60] * 15).astype(np.uint8), "y": digits.target[:60]}
    small = {**LONG, "inputs": {}, "training": {"epochs": 3, "stop_early": None}}
    whole = fb.fit(arrays, recipe=small, run=tmp_path / "whole", show=fb.silent)
    with pytest.raises(Interrupted):
        fb.fit(arrays, recipe=small, run=tmp_path / "run", show=Stop(Epoch, 2))
    with pytest.raises(FlambeauError) as caught:
        fb.fit(resume=tmp_path / "run", show=fb.silent)
    assert caught.value.code == "data-in-memory"
    again = fb.fit(arrays, resume=tmp_path / "run", show=fb.silent)
    assert dict(again.test) == dict(whole.test)


def test_one_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(FlambeauError) as caught, locked(tmp_path):
        pytest.fail("two at once")
    assert caught.value.code == "run-busy"
    with locked(tmp_path):
        pass
