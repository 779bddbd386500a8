"""``--set path=value``: on the resolved form, with the path checked on the way."""

from __future__ import annotations

import pytest

from flambeau.document import Tree, flatten
from flambeau.errors import RecipeError
from flambeau.recipe import apply, get, parse

TREE: Tree = parse(
    {
        "inputs": {"image": {"type": "image", "size": [28, 28]}, "my photo.jpg": {"type": "image"}},
        "task": {"target": "label"},
        "network": [{"conv_block": 32}, "relu", {"residual": [{"conv_block": 8}]}],
    }
).to_tree()


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("training.optimizer.adamw.lr=1e-3", ("training", "optimizer", "adamw", "lr"), 1e-3),
        ("training.epochs=5", ("training", "epochs"), 5),
        ("training.epochs = 5", ("training", "epochs"), 5),
        ("network[0].conv_block.channels=64", ("network", 0, "conv_block", "channels"), 64),
        ("network[2].residual.layers[0].conv_block.channels=64", ("network", 2, "residual", "layers", 0, "conv_block", "channels"), 64),
        ("network[2].residual[0].conv_block.channels=64", ("network", 2, "residual", "layers", 0, "conv_block", "channels"), 64),
        ("network[1]={conv_block: 16}", ("network", 1, "conv_block"), 16),
        ("network=small_resnet", ("network",), "small_resnet"),
        ("inputs.image.size=[64,64]", ("inputs", "image", "size"), [64, 64]),
        ("inputs.image.size[1]=32", ("inputs", "image", "size", 1), 32),
        ('inputs."my photo.jpg".grayscale=true', ("inputs", "my photo.jpg", "grayscale"), True),
        ("training.optimizer={sgd: 0.1}", ("training", "optimizer"), {"sgd": 0.1}),
        ("training.optimizer.sgd.lr=0.1", ("training", "optimizer"), {"sgd": {"lr": 0.1}}),
        ("training.optimizer.sgd=0.1", ("training", "optimizer"), {"sgd": 0.1}),
        ("training.optimizer=muon", ("training", "optimizer"), "muon"),
        ("training.stop_early=null", ("training", "stop_early"), None),
        ("training.stop_early=", ("training", "stop_early"), None),
        ("task.target=010", ("task", "target"), "010"),
        ("data.exclude_classes=[1, no]", ("data", "exclude_classes"), ["1", "no"]),
        ("task.class_weights={0: 2}", ("task", "class_weights"), {"0": 2}),
        ("task.class_weights.cat=2", ("task", "class_weights"), {"cat": 2}),
        ("test.min.accuracy=0.9", ("test", "min"), {"accuracy": 0.9}),
        ("data.folder=a=b", ("data", "folder"), "a=b"),
        ("data.folder=2024", ("data", "folder"), "2024"),
        ("export=[onnx]", ("export",), ["onnx"]),
    ],
)
def test_a_setting(setting: str, path: tuple[str | int, ...], value: Tree) -> None:
    before = flatten(TREE)
    changed = apply(TREE, [setting])
    assert get(changed, path) == value
    assert flatten(TREE) == before, "the given tree stays as it is"
    parse(changed)


def test_settings_are_applied_in_order() -> None:
    changed = apply(TREE, ["training.optimizer.sgd.lr=0.1", "training.optimizer.sgd.momentum=0.5", "training.epochs=1", "training.epochs=2"])
    assert get(changed, ("training", "optimizer")) == {"sgd": {"lr": 0.1, "momentum": 0.5}}
    assert get(changed, ("training", "epochs")) == 2


def test_a_room_that_nobody_has_spoken_of() -> None:
    assert apply({}, ["training.optimizer.adamw.lr=1e-3"]) == {"training": {"optimizer": {"adamw": {"lr": 1e-3}}}}
    assert apply({"task": None}, ["task.target=label"]) == {"task": {"target": "label"}}


@pytest.mark.parametrize(
    ("setting", "code", "says"),
    [
        ("training.epoch=5", "set-path-unknown", "did you mean 'training.epochs'?"),
        ("trainin.epochs=5", "set-path-unknown", "did you mean 'training'?"),
        ("training.optimizer.admw.lr=5", "set-path-unknown", "did you mean 'training.optimizer.adamw'?"),
        ("training.optimizer.adamw.lrr=5", "set-path-unknown", "use one of lr, weight_decay"),
        ("training.epochs.x=5", "set-path-unknown", "no key 'x' in training.epochs"),
        ("network[0].conv_block.chanels=5", "set-path-unknown", "did you mean 'network[0].conv_block.channels'?"),
        ("network[0].conv_blok.channels=5", "set-path-unknown", "did you mean 'network[0].conv_block'?"),
        ("network[3].conv_block=5", "set-index", "network has 3 entries"),
        ("network.conv_block=5", "set-index", "network has 3 entries"),
        ("training[0]=5", "set-path-unknown", "no key '[0]' in training"),
        ("inputs.image.sise=5", "set-path-unknown", "did you mean 'inputs.image.size'?"),
        ("zzz=5", "set-path-unknown", "data, inputs, task, network"),
        ("network[0].linear.features=10", "set-other-entry", "is 'conv_block'"),
        ("training.epochs", "set-form", "path=value"),
        ("=5", "set-form", "path=value"),
        ("a..b=5", "set-form", "path=value"),
        ("training.epochs=[1", "yaml-unclosed", "not closed"),
        ("training.epochs=!!python/name:os.system x", "yaml-tag", "not allowed"),
        ("training.epochs={a: 1, a: 2}", "yaml-key-twice", "'a'"),
        ("training.epochs=.inf", "yaml-number", "finite"),
    ],
)
def test_a_setting_that_cannot_be(setting: str, code: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        apply(TREE, [setting])
    assert caught.value.code == code
    assert says in str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.startswith(f"--set {setting}")
    assert caught.value.exit_code == 2


def test_a_value_of_the_wrong_kind_is_told_by_its_address() -> None:
    with pytest.raises(RecipeError) as caught:
        parse(apply(TREE, ["training.epochs=many"]))
    assert caught.value.where == "training.epochs"


def test_every_leaf_of_a_resolved_recipe_can_be_set() -> None:
    import json

    for path, value in flatten(TREE).items():
        assert apply(TREE, [f"{path}={json.dumps(value)}"]) == TREE, path
