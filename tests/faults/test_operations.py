"""What happens to a run from outside: signals, a second fit, another number of cores, little shared memory, another language."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import flambeau as fb
from flambeau import pipeline
from flambeau.messages import columns
from flambeau.runfolder import RunFolder
from flambeau.types import Epoch

Command = Callable[..., tuple[int, dict[str, Any]]]
Process = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def slow_recipe(tmp_path: Path) -> Path:
    """A training that is not over before it is stopped."""
    path = tmp_path / "slow.yaml"
    network = [{"conv2d": 64}, "relu", {"conv2d": 64}, "relu", "flatten"]
    training = {"epochs": 2_000, "stop_early": None, "threads": 1, "checkpoint_seconds": 3600, "precision": "fp32"}
    path.write_text(json.dumps({"network": network, "training": training}), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """A shell starts jobs in the background with SIGINT ignored, and what they start inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_for(process: subprocess.Popen[str], run: Path, epochs: int) -> None:
    limit = time.monotonic() + 120
    lines = run / "metrics.jsonl"
    while not lines.exists() or lines.read_text(encoding="utf-8").count("\n") < epochs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)


SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])


def is_said_to_be_interrupted(fit: subprocess.Popen[str], run: Path, code: int) -> str:
    """The code of the one object on standard output of a run that was stopped; whatever it is, all else is as promised."""
    out, err = fit.communicate(timeout=60)
    assert (fit.returncode, err, out.count("\n")) == (code, "", 1)
    assert json.loads((run / "run.json").read_bytes())["status"] == "interrupted"
    assert not [*run.glob(".*.tmp"), *run.glob("checkpoints/.*")]
    error = json.loads(out)["error"]
    assert error["where"] == str(run) and f"--resume {run}" in error["fix"]
    return str(error["code"])


@SIGNALS
def test_a_signal_before_the_first_epoch(process: Process, slow_recipe: Path, few_digits: Path, tmp_path: Path, number: int, code: int) -> None:
    """Nothing is trained yet: no loop is there that would wait for the end of its step."""
    run = tmp_path / "run"
    fit = process("fit", few_digits, "--recipe", slow_recipe, "--run", run, "--json")
    limit = time.monotonic() + 120
    while not (run / "run.json").exists():
        assert fit.poll() is None and time.monotonic() < limit
        time.sleep(0.001)
    fit.send_signal(number)
    assert is_said_to_be_interrupted(fit, run, code) in ("run-interrupted", "run-stopped-at-once")


@SIGNALS
@pytest.mark.parametrize("again", [0, 1])
def test_a_signal_or_two_while_it_trains(
    process: Process, slow_recipe: Path, few_digits: Path, tmp_path: Path, number: int, code: int, again: int
) -> None:
    """The first one lets the running step end and saves; whoever cannot wait for that sends another one."""
    run = tmp_path / "run"
    fit = process("fit", few_digits, "--recipe", slow_recipe, "--run", run, "--json")
    wait_for(fit, run, 1)
    for _ in range(1 + again):
        fit.send_signal(number)
        time.sleep(0.001)
    assert is_said_to_be_interrupted(fit, run, code) in ("run-interrupted", "run-stopped-at-once")[: 1 + again]


@SIGNALS
def test_many_signals_break_no_file(process: Process, slow_recipe: Path, few_digits: Path, tmp_path: Path, number: int, code: int) -> None:
    """Those that come when the run is over, while it says good-bye, may end the process before it has."""
    run = tmp_path / "run"
    fit = process("fit", few_digits, "--recipe", slow_recipe, "--run", run, "--json")
    wait_for(fit, run, 1)
    for _ in range(200):
        fit.send_signal(number)
        if fit.poll() is not None:
            break
        time.sleep(0.001)
    fit.communicate(timeout=30)
    assert fit.returncode in (code, -number)
    assert not list(run.glob(".*.tmp")) + list((run / "checkpoints").glob(".*"))
    assert RunFolder(run).read()["status"] in ("running", "interrupted")


def test_what_is_lost_by_a_second_signal_is_said(few_digits: Path, small_recipe: Path, tmp_path: Path) -> None:
    from flambeau.errors import Interrupted

    def twice(event: object) -> None:
        if isinstance(event, Epoch):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as caught:
        fb.fit(few_digits, recipe=small_recipe, run=tmp_path / "run", show=twice)
    assert (caught.value.code, caught.value.exit_code) == ("run-stopped-at-once", 143)
    assert "lost" in caught.value.what and str(tmp_path / "run") in caught.value.fix
    assert fb.fit(resume=tmp_path / "run", show=fb.silent).test


def test_the_lock_of_a_killed_process_blocks_nobody(process: Process, command: Command, slow_recipe: Path, few_digits: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit = process("fit", few_digits, "--recipe", slow_recipe, "--run", run)
    wait_for(fit, run, 1)
    for arguments in (["--resume", run], [few_digits, "--recipe", slow_recipe, "--run", run, "--force"]):
        code, error = command("fit", *arguments)
        assert (code, error["code"]) == (2, "run-busy")
    fit.kill()
    fit.communicate(timeout=30)
    assert (run / ".lock").exists()
    done = (run / "metrics.jsonl").read_text(encoding="utf-8").count("\n")
    resumed = process("fit", "--resume", run)
    wait_for(resumed, run, done + 1)
    resumed.send_signal(signal.SIGTERM)
    resumed.communicate(timeout=60)
    assert resumed.returncode == 143
    assert (run / "run.json").read_text(encoding="utf-8").count("interrupted") == 1


def test_fitting_needs_no_shared_memory(few_digits: Path, small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is handed from process to process, so a small /dev/shm (64 MB in a container) is no limit."""
    import multiprocessing.shared_memory as shared

    import torch.multiprocessing as processes

    monkeypatch.setattr(shared.SharedMemory, "__init__", lambda *arguments, **options: pytest.fail("shared memory"))
    monkeypatch.setattr(processes, "spawn", lambda *arguments, **options: pytest.fail("a process"))
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process"))
    before = set(Path("/dev/shm").glob("torch_*"))
    assert fb.fit(few_digits, recipe=small_recipe, run=tmp_path / "run", show=fb.silent).test
    assert set(Path("/dev/shm").glob("torch_*")) <= before


def test_tables_are_aligned_in_chinese(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", "zh")
    lines = pipeline.show(done).to_text().splitlines()
    assert any("一" <= character <= "鿿" for character in lines[0])
    assert len({columns(line) for line in lines}) == 1


def test_one_is_not_many(done: Path) -> None:
    from io import StringIO

    from flambeau.events import Surveyed
    from flambeau.transcript import Transcript

    told = StringIO()
    Transcript(told, told)(Surveyed("x", {"image": "image"}, "label", {"a": 1}, 1, 1, None))
    assert "1 example ·" in told.getvalue() and "1 unusable file skipped" in told.getvalue() and "1 near-duplicate kept" in told.getvalue()
