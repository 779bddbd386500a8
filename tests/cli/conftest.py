"""The command line in this process, and a run for commands that need one, trained once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flambeau import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, few_digits: Path) -> Path:
    """Read only."""
    import flambeau as fb

    torch.set_num_threads(1)
    recipe = {"inputs": {"image": {"type": "image", "augment": []}}, "network": ["flatten"], "training": {"epochs": 1, "stop_early": None}}
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        fb.fit(few_digits, recipe=recipe, run=folder, show=fb.silent)
    return folder
