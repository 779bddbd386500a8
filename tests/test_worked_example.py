"""The worked example, as a reader would do it: every command of the page, in order, nothing made smaller."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from docs_blocks import ROOT, Block, blocks, commands
from docs_sandbox import Sandbox, on_one_core

EXAMPLE = ROOT / "examples" / "noisy_photos"
PAGE = ROOT / "docs" / "en" / "worked-example.md"


@pytest.mark.slow
def test_the_seven_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    on_one_core(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))
    sandbox = Sandbox(tmp_path, monkeypatch, smaller=False)
    try:
        for block in blocks(PAGE):
            sandbox.run(block)
        _look_at(tmp_path / "runs")
    finally:
        sandbox.close()
        if before is not None:
            os.sched_setaffinity(0, before)


def _look_at(runs: Path) -> None:
    first, adjusted = (json.loads((runs / name / "run.json").read_bytes()) for name in ("first", "adjusted"))
    assert first["test"]["accuracy"]["n"] == 90
    assert first["test"]["accuracy"]["low"] > first["baseline"]["accuracy"]["high"]
    assert adjusted["test"]["accuracy"]["value"] > 0.8
    with (runs / "first" / "metrics.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    assert len(epochs) == 8
    assert float(epochs[-1]["train_loss"]) < float(epochs[0]["train_loss"])
    proof = json.loads((runs / "adjusted" / "model.flambeau" / "verification.json").read_bytes())["onnx"]
    assert proof["passed"]
    assert proof["num_same"] == proof["num_examples"] == 90


def test_the_page_shows_the_recipe_that_ships() -> None:
    [shown] = [block for block in blocks(PAGE) if block.language == "yaml"]
    assert yaml.safe_load(shown.content) == yaml.safe_load((EXAMPLE / "recipe.yaml").read_text(encoding="utf-8"))


def test_every_step_has_a_command() -> None:
    ran = [line for block in blocks(PAGE) if block.language == "bash" for line in commands(block)]
    assert [line.split()[1] for line in ran if line.startswith("flambeau")] == ["check", "fit", "fit", "test", "fit", "fit", "export", "serve"]


def test_the_photos_are_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    from make_photos import write_photos

    once, again, other = (write_photos(tmp_path / str(turn), classes=2, each=3, seed=turn // 2) for turn in range(3))
    files = [sorted(folder.rglob("*.jpg")) for folder in (once, again, other)]
    assert len(files[0]) == 6
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert [file.read_bytes() for file in files[0]] != [file.read_bytes() for file in files[2]]


def test_a_block_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(tmp_path, monkeypatch)
    for language, content in (
        ("bash", "flambeau fit nowhere\n"),
        ("bash", "false\n"),
        ("python", "1 / 0\n"),
        ("yaml", "trainig: {}\n"),
        ("json", "{\n"),
    ):
        with pytest.raises(Exception):  # noqa: B017  whatever it is, it must not pass
            sandbox.run(Block(language, content, 1, ""))
