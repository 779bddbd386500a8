"""Classes of the user: only where allowed, with control flow that depends on the data, and failures told with their place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from flambeau.errors import CheckFailed, RecipeError, ShapeError
from flambeau.network.build import Network, build, parameter_groups
from flambeau.network.contract import check_layer
from flambeau.network.custom import Custom
from flambeau.network.layer import FEATURES, SEQUENCE, Shape
from flambeau.network.layer import IMAGE as IMAGE_AXES
from flambeau.network.spec import CustomNetwork, LayerList, names_code
from flambeau.network.table import layer_table, total
from flambeau.types import TensorSpec

SPECS = {"image": TensorSpec(("channels", "height", "width"), (3, 8, 8), "float32")}
IMAGE = "channels 3 x height 8 x width 8"
CODE = '''
import torch
from torch import nn
from flambeau.network.padding import OverTime, flow, parts, zeroed

class Twisted(nn.Module):
    """Looks at its numbers, which tensors without memory do not have."""
    def __init__(self, width=4, **rest):
        super().__init__()
        if rest: raise ValueError("no such argument:\\x1b[31m " + ", ".join(rest))
        self.conv = nn.Conv2d(3, width, 3)
        self.scale = torch.ones(1)  # neither a parameter nor a buffer
    def forward(self, x):
        y = self.conv(x) * self.scale
        return y if float(y.detach().sum()) > 0 else -y

class Features(nn.Module):
    def __init__(self): super().__init__(); self.linear = nn.Linear(192, 7)
    def forward(self, x): return self.linear(x.flatten(1))

class Times(nn.Module):
    def forward(self, x): return x[:, 0]

class Pair(nn.Module):
    def forward(self, x): return x, x

class Mean(nn.Module):
    def forward(self, x): return x.mean(0)

class Counts(nn.Module):
    def forward(self, x): return x.flatten(1).argmax(1, keepdim=True)

class Broken(nn.Module):
    def forward(self, x): return x @ x[:, :, :3]

class Gate(nn.Module):
    """Lets a learned share of each channel (or feature) through; looks at its numbers."""
    def __init__(self, width): super().__init__(); self.share = nn.Parameter(torch.rand(width))
    def forward(self, x):
        if not float(self.share.detach().sum()) > 0: raise ValueError("it draws shares above 0")
        return x * (self.share[:, None, None] if x.ndim == 4 else self.share)

class Scaled(nn.Module):
    """The same, without looking."""
    def __init__(self, width): super().__init__(); self.share = nn.Parameter(torch.rand(width))
    def forward(self, x): return x * (self.share[:, None, None] if x.ndim == 4 else self.share)

class Halves(nn.Module):
    def forward(self, x): return x[:, ::2]

class Total(OverTime):
    """All real times so far, added up."""
    def forward(self, x):
        values, mask = parts(x)
        return flow(zeroed(values, mask).cumsum(1), mask)

class Every(OverTime):
    """Every second time."""
    def forward(self, x):
        values, mask = parts(x)
        return flow(values[:, ::2], None if mask is None else mask[:, ::2])

not_a_class = 3
'''


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "users_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("users_code", None)


def made(name: str, *, allow_code: bool = True, **arguments: object) -> Network:
    spec = CustomNetwork(target=f"users_code:{name}", arguments=arguments)
    return build(spec, SPECS, {"image": nn.Identity()}, 5, nn.Softmax(-1), 3, allow_code=allow_code)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "Twisted",
            [
                ("image", IMAGE),
                ("custom", "channels 4 x height 6 x width 6"),
                ("global_avg_pool", "features 4"),
                ("head", "features 5"),
            ],
        ),
        ("Features", [("image", IMAGE), ("custom", "features 7"), ("head", "features 5")]),
        (
            "Times",
            [
                ("image", IMAGE),
                ("custom", "time 8 x features 8"),
                ("global_avg_pool", "features 8"),
                ("head", "features 5"),
            ],
        ),
    ],
)
def test_any_module_can_be_the_body(name: str, rows: list[tuple[str, str]]) -> None:
    network = made(name)
    assert network(torch.rand(2, 3, 8, 8)).shape == (2, 5)
    table = layer_table(network, SPECS)
    assert [(row.name, row.output) for row in table] == rows
    assert total(table).parameters == sum(parameter.numel() for parameter in network.parameters())


def test_arguments_and_seed() -> None:
    one, other = made("Twisted", width=6), made("Twisted", width=6)
    assert one.body.get_parameter("0_custom.conv.weight").shape == (6, 3, 3, 3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert len(parameter_groups(one)) == 1


def test_code_runs_only_where_it_is_allowed() -> None:
    with pytest.raises(RecipeError) as caught:
        made("Features", allow_code=False)
    assert caught.value.code == "code-not-allowed"
    assert "users_code" not in sys.modules


@pytest.mark.parametrize(
    ("name", "code", "place"),
    [
        ("Nothing", "code-not-found", "target"),
        ("not_a_class", "code-kind", "target"),
        ("Broken", "custom-fails", "target"),
        ("Pair", "custom-result", "target"),
        ("Mean", "custom-result", "target"),
        ("Counts", "custom-result", "target"),
    ],
)
def test_failures_have_a_place(name: str, code: str, place: str) -> None:
    with pytest.raises(RecipeError) as caught:
        made(name)
    assert (caught.value.code, caught.value.path) == (code, ("network", "custom", place))
    assert f"users_code:{name}" in str(caught.value)


def test_a_class_that_cannot_be_made_says_why_without_moving_the_cursor() -> None:
    with pytest.raises(RecipeError) as caught:
        made("Twisted", height=3)
    assert caught.value.path == ("network", "custom", "arguments")
    assert "ValueError: no such argument:" in caught.value.what and "height" in caught.value.what
    assert "\x1b" not in caught.value.what


def test_a_package_that_is_not_there() -> None:
    with pytest.raises(RecipeError, match="code-not-found"):
        build(CustomNetwork(target="no_such_package.at_all:Class"), SPECS, {"image": nn.Identity()}, 5, nn.Softmax(-1), 0, allow_code=True)


# One layer of a list.

LISTED = LayerList.model_validate(
    {"layers": [{"conv2d": 4}, {"residual": [{"custom": {"target": "users_code:Gate", "arguments": {"width": 4}}}]}, "global_avg_pool"]}
)
VARYING = Shape(SEQUENCE, (None, 6))


def listed(layers: LayerList, *, allow_code: bool = True) -> Network:
    return build(layers, SPECS, {"image": nn.Identity()}, 5, nn.Softmax(-1), 3, allow_code=allow_code)


@pytest.mark.parametrize(
    "around",
    [
        lambda gate: gate,
        lambda gate: {"residual": [gate]},
        lambda gate: {"residual": [gate, {"conv2d": 7}]},
        lambda gate: {"parallel": [[gate], []]},
        lambda gate: {"repeat": {"times": 2, "layers": [gate]}},
        lambda gate: {"repeat": {"times": 2, "layers": [gate], "tied": True}},
        lambda gate: {"sequential": [{"residual": [{"residual": [gate]}]}]},
    ],
)
def test_a_layer_in_a_list(around: Callable[[object], object]) -> None:
    gate = {"custom": {"target": "users_code:Gate", "arguments": {"width": 4}}}
    layers = LayerList.model_validate({"layers": [{"conv2d": 4}, around(gate), "global_avg_pool"]})
    assert names_code(layers)
    network = listed(layers)
    assert network(torch.rand(2, 3, 8, 8)).shape == (2, 5)
    table = layer_table(network, SPECS)
    assert total(table).parameters == sum(parameter.numel() for parameter in network.parameters())
    shares = [parameter for name, parameter in network.named_parameters() if name.endswith("share")]
    assert len(shares) in (1, 2) and all(share.shape == (4,) for share in shares)
    again = listed(layers)
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), again.parameters(), strict=True))


def test_the_answer_is_that_of_torch_by_hand() -> None:
    network = listed(LISTED).eval()
    picture = torch.rand(2, 3, 8, 8)
    weights = network.state_dict()
    hidden = nn.functional.conv2d(picture, weights["body.0_conv2d.weight"], weights["body.0_conv2d.bias"], padding=1)
    share = weights["body.1_residual.branch.0_custom.share"]
    by_hand = (hidden * share[:, None, None] + hidden).mean((2, 3)) @ weights["head.weight"].T + weights["head.bias"]
    assert torch.allclose(network(picture), by_hand.softmax(-1), atol=1e-6)


def test_a_layer_in_a_list_needs_permission_too() -> None:
    with pytest.raises(RecipeError) as caught:
        listed(LISTED, allow_code=False)
    assert (caught.value.code, caught.value.path) == ("code-not-allowed", ("network", 1, "residual", "layers", 0, "custom", "target"))
    assert "users_code" not in sys.modules


@pytest.mark.parametrize(
    ("layer", "code", "place"),
    [
        ({"target": "users_code:Gate", "arguments": {"width": 5}}, "custom-fails", "target"),
        ({"target": "users_code:Gate", "arguments": {"depth": 5}}, "code-fails", "arguments"),
        ({"target": "users_code:Gate"}, "code-fails", "arguments"),
        ({"target": "users_code:Pair"}, "custom-result", "target"),
        ({"target": "users_code:not_a_class"}, "code-kind", "target"),
        ({"target": "users_code:Nothing"}, "code-not-found", "target"),
    ],
)
def test_failures_are_told_at_their_place_in_the_list(layer: dict[str, object], code: str, place: str) -> None:
    with pytest.raises(RecipeError) as caught:
        listed(LayerList.model_validate({"layers": [{"conv2d": 4}, "relu", {"custom": layer}]}))
    assert (caught.value.code, caught.value.path) == (code, ("network", 2, "custom", place))


def test_what_stands_behind_is_checked_against_what_it_gives() -> None:
    with pytest.raises(ShapeError) as caught:
        listed(LayerList.model_validate({"layers": [{"custom": "users_code:Features"}, {"conv2d": 4}]}))
    assert (caught.value.code, caught.value.path[:2]) == ("shape-lost", ("network", 1))


def test_a_giant_beside_it_is_refused_before_it_is_made() -> None:
    with pytest.raises(RecipeError, match="parameters-too-many"):
        listed(LayerList.model_validate({"layers": [{"custom": "users_code:Features"}, {"linear": 1_000_000}, {"linear": 1_000_000}]}))


@pytest.mark.parametrize("name", ["Total", "Every"])
def test_over_times_that_vary(name: str) -> None:
    check_layer(Custom(f"users_code:{name}"), VARYING, allow_code=True)


@pytest.mark.parametrize("shape", [Shape(IMAGE_AXES, (4, 5, 6)), Shape(FEATURES, (4,)), Shape(SEQUENCE, (None, 4)), Shape(SEQUENCE, (7, 4))], ids=str)
def test_a_layer_of_the_user_keeps_the_contract(shape: Shape) -> None:
    check_layer(Custom("users_code:Scaled", {"width": 4}), shape, allow_code=True)


def test_the_contract_finds_a_layer_that_no_graph_can_hold() -> None:
    with pytest.raises(CheckFailed) as caught:
        check_layer(Custom("users_code:Gate", {"width": 4}), Shape(FEATURES, (4,)), allow_code=True)
    assert caught.value.code == "export-impossible"


def test_the_contract_finds_a_layer_that_pays_no_heed_to_the_mask() -> None:
    with pytest.raises(ShapeError) as caught:
        check_layer(Custom("users_code:Halves"), VARYING, allow_code=True)
    assert caught.value.code == "custom-time"
    with pytest.raises(RecipeError, match="code-not-allowed"):
        check_layer(Custom("users_code:Gate", {"width": 4}), VARYING)
