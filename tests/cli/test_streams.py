"""Standard streams that take nothing: a reader that has gone, a disk that is full."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from flambeau import cli
from flambeau.demo import write_digits
from flambeau.errors import DeviceError

QUICK = ["--set", "network=[flatten]", "--set", "training.stop_early=null", "--set", "training.precision=fp32"]


def started(*words: object, out: int | IO[str] = subprocess.PIPE, err: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "flambeau", *map(str, words)], stdout=out, stderr=err, text=True)


def on_a_full_disk(*words: object) -> tuple[int, str]:
    """Exit code and standard error of a command whose standard output goes to a full disk."""
    with Path("/dev/full").open("w", encoding="utf-8") as full, started(*words, out=full) as process:
        _, err = process.communicate(timeout=120)
    return process.returncode, err


def status(run: Path) -> str:
    return str(json.loads((run / "run.json").read_bytes())["status"])


def is_about_standard_output(err: str) -> bool:
    last = [line for line in err.splitlines() if "error[" in line]
    return len(last) == 1 and last[0].startswith("error[output-lost]") and "standard output" in last[0] and "Traceback" not in err


def test_answers_on_a_full_disk(small_run: Path, picture: Path) -> None:
    for words in (["show", small_run], ["predict", small_run, picture], ["predict", small_run, picture, "--json"], ["--help"]):
        code, err = on_a_full_disk(*words)
        assert code == 4
        assert is_about_standard_output(err)
        assert len(err.splitlines()) == 2, "what happened, and what to do"


def test_an_error_on_a_full_disk(tmp_path: Path) -> None:
    """The exit code stays that of the error."""
    code, err = on_a_full_disk("show", tmp_path / "none", "--json")
    assert code == 3
    assert is_about_standard_output(err)
    code, err = on_a_full_disk("show", tmp_path / "none")
    assert (code, err.count("error[")) == (3, 1)


def test_a_training_whose_transcript_finds_a_full_disk(few_digits: Path, tmp_path: Path) -> None:
    """Hours of work are not lost with a few lines."""
    code, err = on_a_full_disk("fit", few_digits, "--run", tmp_path / "run", "--epochs", 1, *QUICK)
    assert (code, status(tmp_path / "run")) == (4, "finished")
    assert is_about_standard_output(err)


def test_a_training_whose_reader_goes_away(few_digits: Path, tmp_path: Path) -> None:
    """`flambeau fit DATA 2>&1 | head -1` trains to the end."""
    with started("fit", few_digits, "--run", tmp_path / "run", "--epochs", 2, *QUICK, err=subprocess.STDOUT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(120) == 0
    assert status(tmp_path / "run") == "finished"


def test_streams_stay_what_they_are() -> None:
    """Encoding, order of lines, and what is written as bytes."""
    code = "import sys; from flambeau.cli.output import open_streams; open_streams(); print('准确率 \\udcff'); sys.stdout.buffer.write(b'x\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    )
    assert sorted(done.stdout.splitlines()) == sorted(["准确率 \\udcff".encode(), b"x"])
    assert done.stderr == b""


def test_a_broken_pipe_elsewhere_is_no_reader_that_went_away(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def gone(**words: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("flambeau.pipeline.check", gone)
    assert cli.run(["check", "x", "--json"]) == 70
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "bug"


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "disk-full"), (errno.EROFS, "cannot-write"), (errno.ENOTDIR, "cannot-write")])
def test_digits_on_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, code: str) -> None:
    from PIL import Image

    def full(self: Image.Image, file: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(DeviceError) as caught:
        write_digits(tmp_path / "digits")
    assert (caught.value.code, caught.value.where) == (code, str(tmp_path / "digits"))
    assert str(tmp_path) in caught.value.fix


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_a_training_without_streams(few_digits: Path, tmp_path: Path, closed: str) -> None:
    """As some schedulers start their jobs. Files must not get the numbers of the streams."""
    words = [sys.executable, "-m", "flambeau", "fit", few_digits, "--run", tmp_path / "run", "--epochs", 1, *QUICK]
    done = subprocess.run(["sh", "-c", f"exec {shlex.join(map(str, words))} {closed}"], check=False, capture_output=True, timeout=120)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert status(tmp_path / "run") == "finished"
