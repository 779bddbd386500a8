"""What the tests of ejected files share: they are run as a user runs them, and compared with PyTorch inside this package."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flambeau.artifact import load
from flambeau.exporting.torch import TorchRunner
from flambeau.predictor import plain
from flambeau.restoring import restore_network

SHORT = {"epochs": 1, "stop_early": None, "threads": 1}


def run_alone(folder: Path, script: str, *arguments: object) -> str:
    """A script of the folder as a user runs it, on one thread, with nothing of ours on the path."""
    environment = {**{key: value for key, value in os.environ.items() if key != "PYTHONPATH"}, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def in_torch(artifact: Path, values: Sequence[object]) -> list[dict[str, Any]]:
    """What PyTorch itself answers inside this package, as JSON has it."""
    predictor = load(artifact).predictor
    runner = TorchRunner(restore_network(artifact, predictor.inputs, predictor.target, allow_code=False))
    predictor = replace(predictor, runner=runner)
    told: list[dict[str, Any]] = json.loads(json.dumps([plain(one) for one in predictor.predict(predictor.as_examples(values))]))
    return told


def answered(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run_alone(folder, "predict.py", *arguments).splitlines()]


def imports(folder: Path) -> set[str]:
    found = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names
