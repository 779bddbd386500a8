"""A recipe from YAML, from Python and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from flambeau.document import read
from flambeau.errors import RecipeError
from flambeau.exporting.exporter import Exporter
from flambeau.network.combine import LAYERS
from flambeau.network.spec import PRESETS, TimmNetwork, read_preset
from flambeau.recipe import Recipe, parse, read_recipe
from flambeau.recipe.recipe import Format
from flambeau.tasks.classification import Classification
from flambeau.tasks.union import TASKS

TEXT = """\
data: {folder: garments, split: {train: 0.7, valid: 0.15, test: 0.15, seed: 7}}
inputs:
  picture: {type: image, size: [28, 28], grayscale: true, denoise: median, augment: [{rotate: 10}, {scale: 0.1}, flip]}
task: {type: classification, target: label}
network:
  - conv_block: 32
  - residual: [{conv_block: 32}, {conv_block: 32}]
  - max_pool: 2
  - conv_block: 64
  - global_avg_pool
training: {optimizer: {adamw: 0.003}, batch_size: 128, epochs: 20, stop_early: 5}
export: [onnx]
"""


def test_the_recipe_of_the_handbook(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(TEXT, encoding="utf-8")
    recipe = read_recipe(file)
    assert recipe.data.folder == tmp_path / "garments"
    assert recipe.task == Classification(target="label")
    assert recipe.training.epochs == 20
    assert list(recipe.inputs) == ["picture"]
    again = read(recipe.to_yaml())
    assert parse(again.tree, again.marks) == recipe


def test_nothing_said_is_everything_open() -> None:
    for tree in (None, {}):
        recipe = parse(tree)
        assert recipe == Recipe()
        assert (recipe.inputs, recipe.task, recipe.network, recipe.export) == ({}, None, "auto", ("onnx",))
    again = read(Recipe().to_yaml())
    assert parse(again.tree) == Recipe()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_read_back(name: str) -> None:
    recipe = parse({"network": read_preset(name).network})  # type: ignore[arg-type]
    again = read(recipe.to_yaml())
    assert parse(again.tree, again.marks) == recipe
    assert parse({"network": name}).network == name


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer.name not in ("residual", "parallel")], ids=lambda layer: layer.name)
def test_every_layer_is_read_back(layer: type) -> None:
    for node in (layer.name, {layer.name: 3}, {layer.name: {}}):  # type: ignore[attr-defined]
        try:
            recipe = parse({"network": [node]})
        except RecipeError:
            continue
        again = read(recipe.to_yaml())
        assert parse(again.tree, again.marks) == recipe


def test_yaml_and_python_are_the_same() -> None:
    document = read(TEXT.replace("garments", "/data/garments"))
    assert isinstance(document.tree, dict)
    by_hand = parse({**document.tree, "data": {"folder": Path("/data/garments"), "split": {"seed": 7}}})
    assert by_hand == parse(document.tree, document.marks)


def test_locations_are_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)
    for said, found in (("photos", tmp_path / "deep" / "photos"), ("/data/photos", Path("/data/photos")), ("~/photos", Path.home() / "photos")):
        Path("deep/r.yaml").write_text(f"data: {{folder: {said}}}\n", encoding="utf-8")
        assert read_recipe("deep/r.yaml").data.folder == found
    assert parse({"data": {"table": "a.csv"}}).data.table == tmp_path / "a.csv"
    assert parse({"data": {"folder": "../2024"}}).data.folder == tmp_path / ".." / "2024"


def test_weights_are_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As data is; and where they lie is no part of the work, and does not leave the machine."""
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)
    kept = {None: None, "hub": "hub", "/w/r.pt": "/w/r.pt", "~/r.pt": str(Path.home() / "r.pt"), "w/r.pt": str(tmp_path / "deep/w/r.pt")}
    hashes = []
    for said, found in kept.items():
        Path("deep/r.yaml").write_text(f"network: {{timm: {{name: resnet18, weights: {said or 'null'}}}}}\n", encoding="utf-8")
        recipe = read_recipe("deep/r.yaml")
        assert isinstance(recipe.network, TimmNetwork)
        assert recipe.network.weights == found
        assert parse(read(recipe.to_yaml()).tree).network == recipe.network, "what is resolved stays where it is"
        assert not found or "/" not in recipe.without_places().network.weights  # type: ignore[operator, union-attr]
        hashes.append(recipe.hash)
    assert len(set(hashes[2:])) == 1 and len(set(hashes)) == 3


def test_the_schema_says_what_is_text() -> None:
    document = read("data: {folder: 2024, exclude_classes: [1, no, 1e3, true, 010]}\ntask: {target: 010, class_weights: {0: 2, 1e3: 0.5}}\n")
    recipe = parse(document.tree, document.marks, Path("/r/recipe.yaml"))
    assert recipe.data.folder == Path("/r/2024")
    assert recipe.data.exclude_classes == ("1", "no", "1e3", "true", "010")
    assert recipe.task is not None
    assert recipe.task.target == "010"
    assert recipe.task.class_weights == {"0": 2.0, "1e3": 0.5}


def test_json_is_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(Recipe(training={"epochs": 3}).model_dump_json(indent=2), encoding="utf-8")  # type: ignore[arg-type]
    assert read_recipe(file).training.epochs == 3


def test_the_hash_is_of_the_work_not_of_its_spelling(tmp_path: Path) -> None:
    one = parse(read(TEXT).tree)
    other = parse(read(TEXT.replace("garments", "elsewhere").replace("{adamw: 0.003}", "{adamw: {lr: 3e-3}}")).tree)
    assert one.hash == other.hash
    assert len(one.hash) == 64
    assert one.hash != parse(read(TEXT.replace("epochs: 20", "epochs: 21")).tree).hash


def test_code_of_the_user_is_seen() -> None:
    assert parse({"network": {"custom": "mine:Net"}}).names_code
    assert not parse({"network": {"timm": "resnet18"}}).names_code


def test_the_type_stands_first() -> None:
    tree = parse({"task": {"target": "label"}}).to_tree()["task"]
    assert isinstance(tree, dict)
    assert next(iter(tree)) == "type"


def test_exports_are_named_as_the_exporters() -> None:
    import flambeau.exporting.union  # noqa: F401

    assert set(get_args(Format)) == {exporter.name for exporter in Exporter.__subclasses__()}


def test_tasks_are_told_apart_by_type() -> None:
    assert [task.model_fields["type"].default for task in TASKS] == ["multi_label", "regression", "ordinal", "classification"]


def test_reading_a_recipe_needs_no_torch() -> None:
    code = "import sys; from flambeau.recipe import parse; parse({'network': ['relu']}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0
