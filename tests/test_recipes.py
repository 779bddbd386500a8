"""Every recipe that ships is valid under the published schema and trains, exports and tests on a few photos."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

import flambeau as fb
from flambeau.errors import RecipeError
from flambeau.recipe import json_schema, presets

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {str(path.relative_to(ROOT / "examples")): path for path in sorted((ROOT / "examples").glob("*/*.yaml"))}
RECIPES |= {name: presets.FOLDER / f"{name}.yaml" for name in presets.names()}
SMALLER = ("inputs.image.size=32", "training.batch_size=32", "training.threads=1")


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(ROOT / "examples" / "noisy_photos"))
    from make_photos import write_photos

    return write_photos(tmp_path_factory.mktemp("recipes") / "photos", classes=3, each=20)


@pytest.fixture(scope="module")
def few_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(ROOT / "examples" / "texts"))
    from make_reviews import write_reviews

    return write_reviews(tmp_path_factory.mktemp("recipes") / "reviews.csv")


@pytest.mark.parametrize("place", RECIPES)
def test_a_recipe_is_valid_under_the_schema(place: str) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(RECIPES[place].read_text(encoding="utf-8")), schema, jsonschema.Draft202012Validator)


def test_a_resolved_recipe_is_valid_under_the_schema() -> None:
    for tree in (fb.Recipe().to_tree(), fb.Recipe(network="cnn", training={"optimizer": "lbfgs"}).to_tree()):
        jsonschema.validate(tree, json_schema(), jsonschema.Draft202012Validator)


def test_the_schema_refuses_what_is_wrong() -> None:
    for wrong in ({"trainig": {}}, {"training": {"epochs": 0}}, {"network": [{"conv_block": {"channels": 8, "kernal": 3}}]}, {"export": ["pickle"]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, json_schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("place", RECIPES)
def test_a_recipe_trains(place: str, few_photos: Path, few_texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = Path(place) if place in presets.names() else RECIPES[place]
    if place.startswith("pretrained"):
        recipe = Path(shutil.copy(recipe, tmp_path))
        _write_weights(tmp_path / "weights" / "resnet18.safetensors")
    said: list[object] = []
    of_texts = "texts" in place
    data, settings = (few_texts, SMALLER[1:]) if of_texts else (few_photos, SMALLER)
    run = fb.fit(data, recipe=recipe, epochs=1, settings=settings, run="run", show=said.append)
    assert run.test["accuracy"]["n"] == (11 if of_texts else 9)
    assert run.verification is not None and run.verification["passed"]
    assert (tmp_path / "run" / "report.html").is_file()


def test_recipes_that_come_along_are_called_by_name(few_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"first_images", "quick_images", "best_images", "best_texts"} <= set(presets.names())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError) as unknown:
        fb.fit(few_photos, recipe="quick_image", run="run", show=fb.silent)
    assert unknown.value.code == "recipe-preset-unknown" and unknown.value.facts["guess"] == "quick_images"
    Path("quick_images").write_text("training: {epochs: 3}\n", encoding="utf-8")
    assert presets.found(Path("quick_images")).read_text(encoding="utf-8") == "training: {epochs: 3}\n"
    with pytest.raises(RecipeError, match="recipe-not-found"):
        fb.fit(few_photos, recipe="quick_images.yaml", run="run", show=fb.silent)


def _write_weights(file: Path) -> None:
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    file.parent.mkdir()
    save_file(timm.create_model("resnet18", pretrained=False).state_dict(), file)
