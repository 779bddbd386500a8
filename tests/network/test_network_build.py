"""Networks: their weights, their sizes, presets from training to ONNX, the table, the choice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from flambeau.errors import FlambeauError, RecipeError, ShapeError
from flambeau.network import NetworkSpec
from flambeau.network.build import Network, build, parameter_groups
from flambeau.network.choose import choose
from flambeau.network.initialisation import initialised
from flambeau.network.table import layer_table, total
from flambeau.types import TensorSpec

SPEC: TypeAdapter[Any] = TypeAdapter(NetworkSpec)


def image(channels: int, height: int, width: int | None = None) -> dict[str, TensorSpec]:
    return {"a picture.": TensorSpec(("channels", "height", "width"), (channels, height, width or height), "float32")}


def features(count: int) -> dict[str, TensorSpec]:
    return {"row": TensorSpec(("features",), (count,), "float32")}


def made(spec: object, specs: dict[str, TensorSpec], seed: int = 0, out: int = 10) -> Network:
    return build(SPEC.validate_python(spec), specs, {name: nn.Identity() for name in specs}, out, nn.Softmax(-1), seed)


# The network


def test_logits_and_answers() -> None:
    network = made([{"conv2d": 4}, "relu"], image(3, 8), out=5).eval()
    x = torch.rand(2, 3, 8, 8)
    logits = network.logits({"a picture.": x})
    assert logits.shape == (2, 5)
    assert torch.equal(network(x), logits.softmax(-1))
    assert [name for name, _ in network.body.named_children()] == ["0_conv2d", "1_relu", "2_global_avg_pool"]
    assert network.input_names == ("a picture.",)


def test_same_seed_same_weights_whatever_was_drawn_before() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = made("small_resnet", image(3, 16), seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(11)
    second = made("small_resnet", image(3, 16), seed=3).state_dict()
    assert list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)
    other = made("small_resnet", image(3, 16), seed=4).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert not torch.equal(first["body.0_conv2d.weight"], other["body.0_conv2d.weight"])


@pytest.mark.parametrize(
    ("method", "std"), [("kaiming", (2 / 400) ** 0.5), ("xavier", (2 / 1000) ** 0.5), ("normal", 0.02), ("default", (1 / 1200) ** 0.5)]
)
def test_initial_weights_have_the_deviation_of_their_method(method: Any, std: float) -> None:
    torch.manual_seed(0)
    linear = initialised(nn.Linear(400, 600), method)
    assert float(linear.weight.detach().std()) == pytest.approx(std, rel=0.01)
    assert float(linear.bias.detach().abs().sum() > 0) == (method == "default")


def test_orthogonal_weights_are_orthogonal() -> None:
    weight = initialised(nn.Linear(8, 6, bias=False), "orthogonal").weight
    assert torch.allclose(weight @ weight.T, torch.eye(6), atol=1e-5)


def test_the_networks_initialisation_reaches_nested_layers() -> None:
    spec = {
        "layers": [{"residual": [{"conv_block": 4}, {"conv_block": {"channels": 4, "activation": "none"}}]}],
        "initialise": {"zero_residual": True},
    }
    network = made(spec, image(4, 6))
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [float(norm.weight.detach().sum()) for norm in norms] == [4.0, 0.0]


# What is refused


@pytest.mark.parametrize(
    ("spec", "code", "path"),
    [
        ([{"repeat": {"times": 1000, "layers": [{"repeat": {"times": 1000, "layers": ["relu"]}}]}}], "layers-too-many", ("network",)),
        (["relu"] * 10_000, "layers-too-many", ("network",)),
        (["flatten", {"linear": 1_000_000}, {"linear": 1_000_000}], "parameters-too-many", ("network",)),
        ([{"conv2d": 1_000_000}], "activation-too-large", ("network", 0, "conv2d")),
        ([{"repeat": {"times": 300, "layers": [{"conv2d": {"channels": 1000, "kernel": 1}}]}}], "memory-too-large", ("network",)),
        ([{"conv2d": 4}, {"linear": 4}], "shape-mismatch", ("network", 1, "linear")),
        ([{"conv2d": {"channels": 4, "groups": 2}}], "groups-do-not-divide", ("network", 0, "conv2d", "groups")),
        ("mlp", "preset-axes", ("network",)),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_place(
    spec: object, code: str, path: tuple[str | int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError) as caught:
        made(spec, image(3, 64))
    assert (caught.value.code, caught.value.path) == (code, path)
    for lang in ("en", "zh"):
        monkeypatch.setenv("FLAMBEAU_LANG", lang)
        assert caught.value.what and caught.value.fix


def test_other_refusals() -> None:
    with pytest.raises(RecipeError, match="parameters-too-many"):
        made(["flatten"], image(3, 64), out=10**6)
    with pytest.raises(RecipeError, match="network-unknown"):
        build("nothing", image(3, 8), {"a picture.": nn.Identity()}, 2, nn.Identity(), 0)
    both = {**image(3, 8), **features(3)}
    with pytest.raises(RecipeError) as caught:
        made(["flatten"], both)
    assert (caught.value.code, caught.value.path) == ("inputs-several", ("network",))
    with pytest.raises(ShapeError, match="head-needs-features"):
        made(["relu"], {"volume": TensorSpec(("depth", "height", "width"), (3, 3, 3), "float32")})


def test_an_empty_list_is_a_linear_model() -> None:
    assert [row.name for row in layer_table(made([], features(4)), features(4))] == ["row", "head"]
    assert [row.name for row in layer_table(made([], image(3, 4)), image(3, 4))] == ["a picture.", "global_avg_pool", "head"]


# The table


def test_the_table_agrees_with_a_count_by_hand() -> None:
    specs = image(3, 8)
    network = made([{"conv2d": {"channels": 4, "stride": 2}}, "relu", "flatten", {"linear": 6}], specs, out=5)
    rows = layer_table(network, specs)
    assert [(row.name, row.output) for row in rows] == [
        ("a picture.", "channels 3 x height 8 x width 8"),
        ("conv2d", "channels 4 x height 4 x width 4"),
        ("relu", "channels 4 x height 4 x width 4"),
        ("flatten", "features 64"),
        ("linear", "features 6"),
        ("head", "features 5"),
    ]
    assert [row.parameters for row in rows] == [0, 3 * 4 * 9 + 4, 0, 0, 64 * 6 + 6, 6 * 5 + 5]
    assert [row.flops for row in rows] == [0, 2 * 27 * 4 * 16, 0, 0, 2 * 64 * 6, 2 * 6 * 5]
    assert [row.memory_bytes for row in rows] == [0, 256, 256, 256, 24, 20]
    assert total(rows).parameters == sum(parameter.numel() for parameter in network.parameters())
    assert (total(rows).name, total(rows).output) == ("total", "features 5")


def test_the_table_leaves_the_network_as_it_was() -> None:
    specs = image(3, 16)
    network = made("small_resnet", specs)
    network.body.eval()
    was = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    assert layer_table(network, specs)[-1].name == "head"
    assert all(torch.equal(was[name], tensor) for name, tensor in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())


# The choice


@pytest.mark.parametrize(
    ("specs", "name", "code"),
    [
        (image(1, 8), "cnn", "chosen-tiny"),
        (image(3, 16, 90), "cnn", "chosen-tiny"),
        (image(1, 28), "fast_cnn", "chosen-small"),
        (image(3, 40), "fast_cnn", "chosen-small"),
        (image(3, 41), "small_resnet", "chosen-large"),
        (image(3, 28, 200), "small_resnet", "chosen-large"),
        (features(30), "mlp", "chosen-features"),
    ],
)
def test_choice_by_axes_and_size(specs: dict[str, TensorSpec], name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = choose(specs, 1000, 7)
    assert (choice.spec, choice.code) == (name, code)
    assert name in {alternative.spec for alternative in choice.alternatives}
    assert all(one.flops <= other.flops for one, other in pairwise(choice.alternatives))
    for lang in ("en", "zh"):
        monkeypatch.setenv("FLAMBEAU_LANG", lang)
        assert choice.reason.startswith(name)
    [cost] = [alternative for alternative in choice.alternatives if alternative.spec == name]
    whole = total(layer_table(made(name, specs, out=7), specs))
    assert (cost.parameters, cost.flops) == (whole.parameters, whole.flops)


def test_no_choice() -> None:
    with pytest.raises(RecipeError, match="network-none-fits"):
        choose({"volume": TensorSpec(("depth", "height"), (3, 3), "float32")}, 10, 2)


def test_one_group_of_parameters_without_a_backbone() -> None:
    network = made("cnn", image(3, 8))
    [group] = parameter_groups(network)
    assert group["lr_scale"] == 1.0
    assert len(group["params"]) == len(list(network.parameters()))


def test_every_message_has_both_languages() -> None:
    from string import Formatter

    from flambeau.messages import LANGUAGES, catalogue

    english, chinese = (catalogue(lang) for lang in LANGUAGES)
    for code in ("shape-mismatch", "weights-in-part", "custom-result", "contract-export", "chosen-tiny"):
        for part, text in english[code].items():
            names = [{name for _, name, _, _ in Formatter().parse(one) if name} for one in (text, chinese[code][part])]
            assert names[0] == names[1]
    assert issubclass(ShapeError, FlambeauError)
