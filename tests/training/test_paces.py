"""What is frozen stays as it is, what waits begins as it should, and `check` refuses what `fit` would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import flambeau as fb
from flambeau.errors import RecipeError
from flambeau.training.config import TrainingConfig
from flambeau.training.learner import optimizer_of
from flambeau.training.optimizers_adaptive import Rprop
from flambeau.training.parameters import Group, Paces, parameter_groups

Begin = Callable[..., Any]


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(network: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name.split(".")[0] for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("affine", [True, False])
def test_swa_measures_no_batch_norm_that_is_frozen(begin: Begin, small_net: Any, affine: bool) -> None:
    network = small_net()
    network.conv = nn.Sequential(network.conv, nn.BatchNorm2d(4, affine=affine))
    network.conv.requires_grad_(False)
    network.conv[1].running_mean.uniform_(-0.3, 0.3)
    before = state(network)
    begin(network=network, swa=1.0, schedule="constant", epochs=2).finish()
    assert changed(network, before) == {"norm", "conv2", "dense", "head"}


@pytest.mark.parametrize("how", ["group", "unfreeze"])
def test_rprop_leaves_alone_what_has_no_learning_rate(begin: Begin, small_net: Any, how: str) -> None:
    network = small_net()
    before = state(network)
    frozen = [*network.conv.parameters(), *network.conv2.parameters()]
    settings = {"groups": [Group(frozen, 0.0)]} if how == "group" else {"unfreeze": 2}
    begin(network=network, optimizer="rprop", batch_size=None, epochs=2, keep_best=False, **settings).finish()
    assert {"conv", "conv2"}.isdisjoint(changed(network, before)) and "head" in changed(network, before)


def test_rprop_begins_with_its_learning_rate_whenever_that_is() -> None:
    """The block that joins late goes as torch's Rprop over it alone goes from there."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    theirs = nn.Parameter(model[0].weight.detach().clone())
    before = model[0].weight.detach().clone()
    optimizer = Rprop(lr=0.02).build(parameter_groups(model, paces=Paces(unfreeze=1)))
    referee = torch.optim.Rprop([theirs], 0.02)

    def steps(num: int, learns: bool) -> Iterator[None]:
        for _ in range(num):
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] if learns or not group["starts"] else 0.0
            gradient = torch.randn(4, 3)

            def closure(gradient: torch.Tensor = gradient) -> torch.Tensor:
                for parameter in model.parameters():
                    parameter.grad = torch.ones_like(parameter)
                model[0].weight.grad = gradient.clone()
                return torch.zeros(())

            optimizer.step(closure)
            theirs.grad = gradient
            yield

    for _ in steps(3, learns=False):
        assert torch.equal(model[0].weight, before)
    for _ in steps(4, learns=True):
        referee.step()
        torch.testing.assert_close(model[0].weight, theirs)


@pytest.mark.parametrize("settings", [{"schedule": "cosine"}, {"schedule": {"constant": {"warmup": 0.1}}}])
def test_rprop_takes_no_schedule(begin: Begin, settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        begin(optimizer="rprop", batch_size=None, **settings).finish()
    assert caught.value.code == "rprop-schedule" and caught.value.path == ("training", "schedule")


def test_rprop_has_one_learning_rate(small_net: Any) -> None:
    network, config = small_net(), TrainingConfig(optimizer="rprop")  # type: ignore[arg-type]
    for groups, paces in (([Group([*network.conv.parameters()], 0.1)], {}), ((), {"layer_decay": 0.5})):
        with pytest.raises(RecipeError) as caught:
            optimizer_of(network, config.model_copy(update=paces), groups)
        assert caught.value.code == "rprop-lr-scale" and caught.value.path == ("training", "optimizer", "rprop")


@pytest.mark.parametrize(
    ("training", "code"),
    [
        ({"optimizer": "lbfgs", "unfreeze": 1}, "lbfgs-lr-scale"),
        ({"optimizer": "lbfgs", "layer_decay": 0.5}, "lbfgs-lr-scale"),
        ({"optimizer": "rprop", "layer_decay": 0.5}, "rprop-lr-scale"),
        ({"optimizer": "rprop", "schedule": "cosine"}, "rprop-schedule"),
        ({"groups": [{"match": "nope*", "lr_scale": 0.1}]}, "group-empty"),
    ],
)
def test_check_refuses_what_fit_refuses(tmp_path: Path, training: dict[str, Any], code: str) -> None:
    rows = ["a,b,label", *(f"{i % 7},{i % 5},{'yes' if i % 7 > 2 else 'no'}" for i in range(60))]
    (tmp_path / "rows.csv").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        fb.check(tmp_path / "rows.csv", recipe={"network": ["column_embedding", {"linear": 4}], "training": training}, target="label", show=fb.silent)
    assert caught.value.code == code


@pytest.mark.parametrize("setting", ["training.accumulate=64", "training.batch_size=1"])
def test_a_batch_norm_that_sees_one_example_is_a_mistake_of_the_recipe(setting: str) -> None:
    import flambeau as fb

    data = {"x": np.random.default_rng(0).normal(size=200).tolist(), "label": ["a", "b"] * 100}
    recipe = {"network": ["column_embedding", {"linear": 4}, "batch_norm"], "training": {"epochs": 1, "stop_early": None}}
    with pytest.raises(RecipeError, match="batch-norm-alone"):
        fb.fit(data, target="label", recipe=recipe, settings=[setting], show=fb.silent)
