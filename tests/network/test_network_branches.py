"""Several inputs: a branch for each, joined, with a trunk behind; from the recipe to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from flambeau.errors import RecipeError
from flambeau.exporting.onnx import Onnx
from flambeau.network import Branches, LayerList, NetworkSpec
from flambeau.network.build import Network, build, parameter_groups
from flambeau.network.choose import choose
from flambeau.network.contract import padded_examples
from flambeau.network.layer import COLUMNS, IDS, IMAGE, Shape
from flambeau.network.spec import expanded, name_of, names_code, networks_in
from flambeau.network.table import layer_table, total
from flambeau.network.vectors import start_embedding
from flambeau.recipe import parse
from flambeau.types import TensorSpec

SPEC: TypeAdapter[Any] = TypeAdapter(NetworkSpec)
SPECS = {
    "picture": TensorSpec(IMAGE, (3, 12, 12), "float32"),
    "caption": TensorSpec(IDS, (None,), "int64", 30),
    "facts": TensorSpec(COLUMNS, (3,), "float32", (0, 4, 0)),
}
AXES = {name: spec.axes for name, spec in SPECS.items()}
TREE = {
    "branches": {"picture": [{"conv_block": 8}, "global_avg_pool"], "caption": "gru", "facts": ["column_embedding", {"linear": 16}, "relu"]},
    "trunk": [{"linear": 24}, "relu"],
}


class Pair(nn.Module):
    def forward(self, *tensors: torch.Tensor) -> Any:
        return tensors if len(tensors) > 1 else tensors[0]


def made(spec: object) -> Network:
    return build(SPEC.validate_python(spec), SPECS, {name: Pair() for name in SPECS}, 3, nn.Softmax(-1), 0)


def tensors(lengths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    words, mask = padded_examples(Shape.of(SPECS["caption"]), lengths)
    facts = torch.stack([torch.randn(len(lengths)), torch.randint(0, 4, (len(lengths),)).float(), torch.randn(len(lengths))], 1)
    return {"picture": torch.rand(len(lengths), 3, 12, 12), "caption": words, "caption.mask": mask, "facts": facts}


@pytest.mark.parametrize("join", ["concatenate", "sum", "attention"])
def test_branches_learn(join: str) -> None:
    torch.manual_seed(0)
    network = made({**TREE, "join": join})
    assert network.tensor_names == ("picture", "caption", "caption.mask", "facts")
    assert network.input_names == ("picture", "caption", "facts")
    inputs, answers = tensors((5, 9, 2, 7)), torch.tensor([0, 1, 2, 0])
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network.logits(inputs), answers)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_branches_export_with_any_batch_size_and_any_length(tmp_path: Path) -> None:
    network = made({**TREE, "join": "attention"}).eval()
    Onnx().export(network, {name: tensor.numpy() for name, tensor in tensors((1, 1)).items()}, tmp_path / "model.onnx", {})
    runner = Onnx().load(tmp_path / "model.onnx", threads=1)
    for lengths in ((4,), (3, 20, 11)):
        batch = tensors(lengths)
        with torch.inference_mode():
            want = network(*batch.values()).numpy()
        np.testing.assert_allclose(runner({name: tensor.numpy() for name, tensor in batch.items()}), want, rtol=1e-4, atol=1e-5)


def test_the_table_names_the_branches_and_counts_everything() -> None:
    network = made({**TREE, "join": "sum"})
    rows = layer_table(network, SPECS)
    names = [row.name for row in rows]
    assert names[:3] == ["picture", "picture: conv_block", "picture: global_avg_pool"]
    assert names[3:5] == ["caption", "caption: embedding"]
    assert names[-4:] == ["join", "linear", "relu", "head"]
    assert total(rows).parameters == sum(parameter.numel() for parameter in network.parameters())
    assert rows[names.index("join")].output == "features 384"


def test_the_same_seed_gives_the_same_weights_and_branches_differ() -> None:
    twins = {"branches": {"picture": "cnn", "caption": ["embedding", "global_avg_pool"], "facts": "mlp"}}
    twins["branches"]["caption"] = [{"embedding": 8}, "global_avg_pool"]
    first, second = made(twins).state_dict(), made(twins).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(
        first["body.branches.0.0_conv_block.0_conv2d.weight"].flatten()[:32], first["body.branches.1.0_embedding.weight"].flatten()[:32]
    )


def test_a_spec_of_branches_is_read_and_written_in_a_recipe() -> None:
    recipe = parse({"network": TREE})
    assert isinstance(recipe.network, Branches)
    assert recipe.network.trunk == LayerList.model_validate({"layers": SPEC.validate_python(TREE["trunk"]).layers})
    assert parse(recipe.to_tree()) == recipe
    assert name_of(recipe.network) == "picture: layers + caption: gru + facts: layers"
    assert list(networks_in(recipe.network)) == ["picture", "caption", "facts", "trunk"]
    full = expanded(recipe.network, AXES)
    assert isinstance(full, Branches)
    assert [next(iter(layer.name for layer in branch.layers)) for branch in full.branches.values() if isinstance(branch, LayerList)] == [
        "conv_block",
        "embedding",
        "column_embedding",
    ]
    assert not names_code(recipe.network)
    assert names_code(SPEC.validate_python({"branches": {"picture": {"custom": "a:B"}}}))


@pytest.mark.parametrize(
    ("tree", "code", "path"),
    [
        (
            {"branches": {"picture": "cnn", "caption": "gru", "facts": [{"linear": 3}]}},
            "shape-mismatch",
            ("network", "branches", "facts", 0, "linear"),
        ),
        ({"branches": {"picture": "gru", "caption": "gru", "facts": "mlp"}}, "preset-axes", ("network", "branches", "picture")),
        ({**TREE, "trunk": [{"conv2d": 3}]}, "shape-lost", ("network", "trunk", 0, "conv2d")),
        ({"branches": {"picture": "cnn"}}, "branches-inputs", ("network", "branches")),
    ],
)
def test_what_does_not_fit_is_told_with_its_branch(tree: object, code: str, path: tuple[str | int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError) as caught:
        made(tree)
    assert (caught.value.code, caught.value.path) == (code, path)
    for lang in ("en", "zh"):
        monkeypatch.setenv("FLAMBEAU_LANG", lang)
        assert caught.value.what and caught.value.fix


@pytest.mark.parametrize(
    ("tree", "code", "path"),
    [
        ({"network": {"branches": {"a": ["nothing"]}}}, "layer-unknown", ("network", "branches", "a", 0)),
        ({"network": {"branches": {"a": [{"conv2d": {"chanels": 3}}]}}}, "layer-field-unknown", ("network", "branches", "a", 0, "conv2d", "chanels")),
        ({"network": {"branches": {"a": "no_such"}}}, "network-unknown", ("network", "branches", "a")),
        ({"network": {"branches": {"a": "cnn"}, "joint": "sum"}}, "layer-field-unknown", ("network", "joint")),
    ],
)
def test_a_fault_of_the_recipe_has_its_place(tree: dict[str, Any], code: str, path: tuple[str | int, ...]) -> None:
    with pytest.raises((RecipeError, ValidationError)) as caught:
        parse(tree)
    assert isinstance(caught.value, RecipeError)
    assert caught.value.path == path
    assert caught.value.what


def test_the_choice_for_several_inputs_is_a_branch_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = choose(SPECS, 500, 3)
    assert isinstance(choice.spec, Branches)
    assert choice.spec.branches == {"picture": "cnn", "caption": "fast_text", "facts": "mlp"}
    network = build(choice.spec, SPECS, {name: Pair() for name in SPECS}, 3, nn.Softmax(-1), 0)
    assert network.eval()(*tensors((3, 5)).values()).shape == (2, 3)
    [group] = parameter_groups(network)
    assert group["lr_scale"] == 1.0
    for lang in ("en", "zh"):
        monkeypatch.setenv("FLAMBEAU_LANG", lang)
        assert "caption fast_text" in choice.reason


def test_vectors_are_the_start_of_the_embedding_of_their_input() -> None:
    network = made(TREE)
    vectors = np.random.default_rng(0).normal(size=(30, 128)).astype(np.float32)
    start_embedding(network, "caption", vectors)
    assert torch.equal(network.state_dict()["body.branches.1.0_embedding.weight"], torch.from_numpy(vectors))
    for name, given, code in (("picture", vectors, "vectors-unused"), ("caption", vectors[:, :50], "vectors-width")):
        with pytest.raises(RecipeError, match=code):
            start_embedding(network, name, given)
