"""Classes of the user: only where allowed, with control flow that depends on the data, and failures told with their place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from flambeau.errors import RecipeError
from flambeau.network.build import Network, build, parameter_groups
from flambeau.network.spec import CustomNetwork
from flambeau.network.table import layer_table, total
from flambeau.types import TensorSpec

SPECS = {"image": TensorSpec(("channels", "height", "width"), (3, 8, 8), "float32")}
IMAGE = "channels 3 x height 8 x width 8"
CODE = '''
import torch
from torch import nn

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
        ("not_a_class", "code-not-module", "target"),
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
