"""A small finished run to be stopped, copied and damaged, and the injector of faults."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

SMALL: dict[str, Any] = {
    "inputs": {"image": {"type": "image", "augment": []}},
    "network": [{"conv2d": 4}, "relu", "flatten"],
    "training": {"epochs": 2, "batch_size": 64, "stop_early": None, "threads": 1},
}


@pytest.fixture(scope="session")
def injector() -> ModuleType:
    """The module of the injector."""
    spec = importlib.util.spec_from_file_location("injector", Path(__file__).with_name("injector.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["injector"] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(json.dumps(SMALL), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, few_digits: Path, small_recipe: Path) -> Path:
    """The folder of a finished run. Read only."""
    import flambeau as fb

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "done"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        fb.fit(few_digits, recipe=small_recipe, run=folder, show=fb.silent)
    return folder


@pytest.fixture
def copied(done: Path, tmp_path: Path) -> Path:
    """A finished run that may be changed."""
    return Path(shutil.copytree(done, tmp_path / "run"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs one command with --json in this process -> its exit code and its object."""
    from flambeau import cli

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = cli.run([*map(str, arguments), "--json"])
        told = json.loads(capsys.readouterr().out)
        return code, told.get("error", told)

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[str]]:
    """Starts one command as a process of its own."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "flambeau", *map(str, arguments)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start
