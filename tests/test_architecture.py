"""The house keeps its shape: imports point down only, no cycles, small files and functions, no torch in the base."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "flambeau"
ROWS = """
    __main__
    cli | sklearn | plugins
    demo | doctor
    pipeline
    views | reporting
    learning | exports | ejecting
    testing
    journal
    finishing
    preparation | run | features
    planning | model | card
    recognition
    recipe
    tuning | serving | interop | cluster | transcript | catalogue
    runfolder
    artifact
    fitted
    restoring | goldens | runtimes
    members
    exporting | explanation
    training
    evaluation
    predictor
    data
    inputs | tasks | network
    code | document | storage | extras | events
    types | errors
    choice
    config
    docstrings | messages | randomness | naming | machine | cells
    version | garbage
    __init__
"""
RANK = {room.strip(): -row for row, rooms in enumerate(ROWS.strip().splitlines()) for room in rooms.split("|")}
FILES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

TORCH_FREE = [
    *("types", "errors", "messages", "config", "randomness", "storage", "document", "predictor", "artifact", "recipe", "runfolder"),
    *("transcript", "model", "cli", "journal", "inputs.image", "inputs.union", "tasks.union", "network.spec", "data.source"),
    *("data.cache", "data.cleaning", "data.split", "evaluation.scores", "evaluation.report", "training.config", "training.advice"),
    *("exporting.onnx", "exporting.openvino", "runtimes", "serving.app", "serving.server"),
]


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    parts = ["flambeau", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").exists() or path.is_dir()


def imported(tree: ast.AST) -> list[tuple[str, int]]:
    """Every module of ours that is imported anywhere in the file, inside functions too."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names if alias.name.startswith("flambeau.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flambeau":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name if is_module(name) else str(node.module), node.lineno) for name in names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    here = room(path)
    assert here in RANK, f"{here} has no place in the house: give it one in ROWS"
    wrong = []
    for name, line in imported(TREES[path]):
        there = name.split(".")[1] if "." in name else "__init__"
        if here != "__init__" and there != here and RANK[there] >= RANK[here]:
            wrong.append(f"{path.relative_to(ROOT)}:{line} {here} must not import {there}")
    assert not wrong, "\n".join(wrong)


def test_no_import_cycle() -> None:
    """Not even a lazy one."""
    graph = {module(path): {name for name, _ in imported(TREES[path])} - {module(path)} for path in FILES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for below in sorted(graph.get(name, ())):
                visit(below, (*trail, name))
            done.add(name)

    for name in sorted(set(graph) - {"flambeau"}):
        visit(name, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 350, f"{lines} lines: which two ideas live here?"
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


def test_functions_are_short() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[int(len(lengths) * 0.9)] < 30


@pytest.mark.parametrize("name", TORCH_FREE)
def test_base_needs_no_torch(name: str) -> None:
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {{"torch", "torchvision", "timm", "onnx", "onnxscript", "sklearn", "scipy"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import flambeau.{name}
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_nothing_unsafe_is_loaded() -> None:
    words = ("import pickle", "pickle.load", "allow_pickle=True", "weights_only=False", "yaml.load(", "import joblib")
    wrong = [
        f"{path.relative_to(ROOT)}:{number} {word}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in words
        if word in line
    ]
    assert not wrong, "\n".join(wrong)
