"""A recipe while its open choices are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from flambeau.data.config import DataConfig
from flambeau.errors import RecipeError
from flambeau.inputs.image import ImageInput
from flambeau.network.spec import LayerList, read_preset
from flambeau.recipe import Draft, Recipe, parse


def test_from_nothing_to_a_recipe(tmp_path: Path) -> None:
    draft = Draft.open(None, ["training.epochs=3", "inputs.image.grayscale=true", "network[0].conv_block.channels=7", "data.split.seed=5"])
    assert (draft.given, draft.target, draft.network_is_open, draft.inputs()) == ("", None, True, {})
    draft = draft.placing_data({"folder": tmp_path})
    data = draft.room("data", DataConfig)
    assert (data.folder, data.split.seed) == (tmp_path, 5)
    draft = draft.setting("data", data).naming_target("label")
    assert draft.target == "label"
    draft = draft.setting("inputs", {"image": ImageInput.model_validate({"size": 8})})
    assert draft.inputs()["image"].model_dump()["grayscale"] is True
    draft = draft.setting("task", draft.task())
    draft = draft.with_network("cnn")
    assert (draft.network_is_open, draft.network_name) == (False, "cnn")
    draft = draft.setting("network", draft.network(expanded=True))
    assert draft.training_tree() == {"epochs": 3}
    recipe = draft.recipe()
    assert recipe.training.epochs == 3
    assert isinstance(recipe.network, LayerList)
    assert recipe.network.layers[0].channels == 7  # type: ignore[attr-defined]
    assert recipe.network.layers[1:] == read_preset("cnn").network.layers[1:]
    assert parse(recipe.to_tree()) == recipe


def test_a_file_keeps_its_text_and_its_places(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("# mine\nnetwork: [relu, {linear: 3}]\ntask: {target: 010}\n", encoding="utf-8")
    draft = Draft.open(file)
    assert draft.given.startswith("# mine\n")
    assert draft.target == "010"
    assert draft.naming_target("label").target == "010"
    assert draft.network_name == "2 layers"
    error = draft.located(RecipeError("layer-unknown", path=("network", 1), layer="linear", guess=""))
    assert error.where == f"{file}:2:18"


def test_the_command_line_names_the_data(tmp_path: Path) -> None:
    draft = Draft.open({"data": {"table": "a.csv", "max_bad": 0.5}}).placing_data({"folder": tmp_path})
    assert draft.room("data", DataConfig) == DataConfig(folder=tmp_path, max_bad=0.5)


def test_a_choice_that_depends_on_another_follows_a_setting() -> None:
    recipe = Draft.open(None, ["training.optimizer=lbfgs"]).recipe()
    assert recipe.training.batch_size == "all"


@pytest.mark.parametrize(
    ("spec", "name"), [({"timm": "resnet18"}, "resnet18"), ({"custom": "mine:Net"}, "mine:Net"), ("mlp", "mlp"), ("auto", "auto")]
)
def test_the_name_of_a_network(spec: object, name: str) -> None:
    assert Draft.open({"network": spec}).network_name == name


def test_a_whole_recipe_is_a_draft_with_nothing_open() -> None:
    recipe = parse({"network": "mlp", "training": {"epochs": 3}})
    draft = Draft.open(recipe)
    assert draft.recipe() == recipe
    assert "epochs: 3" in draft.given


def test_faults_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("training: {epochs: 0}\ntest: {topk: 1}\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Draft.open(file, ["training.epoch=1"])
    assert len(caught.value.problems) == 2
    with pytest.raises(RecipeError) as caught:
        Draft.open(Recipe(), ["training.epochs=0"])
    assert caught.value.where == "training.epochs"
    with pytest.raises(RecipeError) as caught:
        Draft.open(None, ["inputs.image.sise=1"]).setting("inputs", {"image": ImageInput()})
    assert caught.value.why == "did you mean 'inputs.image.size'?"
    with pytest.raises(RecipeError) as caught:
        Draft.open(None, ["nothing"])
    assert caught.value.code == "set-form"
