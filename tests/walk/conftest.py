"""Small runs through the real entry points. One is trained once and read by many tests; who wants to change it takes a copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from flambeau import cli

TINY = {
    "inputs": {"image": {"type": "image", "augment": []}},
    "network": [{"conv2d": 8}, "relu", "flatten"],
    "training": {"epochs": 2, "batch_size": 32, "stop_early": None},
}
"""A recipe whose training takes a tenth of a second."""


@dataclass(frozen=True)
class Outcome:
    """What one command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        content = json.loads(lines[0])
        assert isinstance(content, dict)
        return content

    @property
    def error(self) -> dict[str, Any]:
        """The error object, which has exactly the promised keys."""
        error = self.json["error"]
        assert set(error) - {"problems"} == {"code", "message", "where", "fix"}
        assert error["message"]
        return error


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def flambeau(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs one command in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TINY as a file."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(json.dumps(TINY), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, few_digits: Path, tiny: Path) -> Path:
    """The folder of a finished run on the few digits. Read only."""
    import flambeau as fb

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        fb.fit(few_digits, recipe=tiny, run=folder, show=fb.silent)
    return folder


@pytest.fixture
def run_copy(finished: Path, tmp_path: Path) -> Path:
    """A finished run that may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def command(arguments: Sequence[object]) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "flambeau", *map(str, arguments)]


@pytest.fixture
def spawn() -> Callable[..., subprocess.Popen[str]]:
    """Starts one command as a process of its own, on one thread."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(command(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    return start
