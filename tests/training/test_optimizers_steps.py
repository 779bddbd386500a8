"""The optimizers as they are built: against torch's own, on groups, on kernels; accumulation, penalties, running mean, frozen parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from flambeau.errors import RecipeError
from flambeau.tasks.losses import ClassLoss
from flambeau.training.averaging import Average, EpochAverage
from flambeau.training.config import TrainingConfig
from flambeau.training.muon import orthogonal
from flambeau.training.objective import Objective, learning_mode, split
from flambeau.training.optimizer_config import OptimizerConfig
from flambeau.training.optimizers import Adagrad, Adam, AdamW, Lbfgs, Muon, RmsProp, Sam, ScheduleFree, Sgd
from flambeau.training.optimizers_adaptive import Adadelta, Adafactor, Adamax, Asgd, NAdam, RAdam, Rprop
from flambeau.training.parameters import Group, Paces, layers, parameter_groups
from flambeau.types import Batch

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    # no bias in front of the norm: its gradient is rounding noise, which Adam blows up to whole steps
    return nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(96, 8), nn.Linear(8, 3))


def descend(model: nn.Module, optimizer: Any, steps: int = 5) -> list[torch.Tensor]:
    x, y = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 3

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return [parameter.detach().clone() for parameter in model.parameters()]


def decayed(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0}]


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize(
    ("config", "referee"),
    [
        (Sgd(lr=0.05, weight_decay=0.1), lambda m: torch.optim.SGD(decayed(m, 0.1), 0.05, momentum=0.9, nesterov=True)),
        (Sgd(lr=0.05, momentum=0.0, weight_decay=0.1), lambda m: torch.optim.SGD(decayed(m, 0.1), 0.05)),
        (Adam(lr=0.01, weight_decay=0.1), lambda m: torch.optim.Adam(decayed(m, 0.1), 0.01)),
        (AdamW(lr=0.01, weight_decay=0.1), lambda m: torch.optim.AdamW(decayed(m, 0.1), 0.01)),
        (RmsProp(lr=0.01, weight_decay=0.1), lambda m: torch.optim.RMSprop(decayed(m, 0.1), 0.01)),
        (Adagrad(lr=0.01, weight_decay=0.1), lambda m: torch.optim.Adagrad(decayed(m, 0.1), 0.01)),
        (NAdam(lr=0.01, weight_decay=0.1), lambda m: torch.optim.NAdam(decayed(m, 0.1), 0.01, decoupled_weight_decay=True)),
        (RAdam(lr=0.01, weight_decay=0.1), lambda m: torch.optim.RAdam(decayed(m, 0.1), 0.01, decoupled_weight_decay=True)),
        (Adamax(lr=0.01, weight_decay=0.1), lambda m: torch.optim.Adamax(decayed(m, 0.1), 0.01)),
        (Adadelta(lr=0.5, weight_decay=0.1), lambda m: torch.optim.Adadelta(decayed(m, 0.1), 0.5)),
        (Adafactor(lr=0.01, weight_decay=0.1), lambda m: torch.optim.Adafactor(decayed(m, 0.1), 0.01)),
        (Asgd(lr=0.05, weight_decay=0.1), lambda m: torch.optim.ASGD(decayed(m, 0.1), 0.05)),
        (Rprop(lr=0.01), lambda m: torch.optim.Rprop(m.parameters(), 0.01)),
        (Lbfgs(max_iterations=4), lambda m: torch.optim.LBFGS(m.parameters(), 1.0, max_iter=4, history_size=10, line_search_fn="strong_wolfe")),
        (Lbfgs(lr=0.1, max_iterations=4, line_search="none"), lambda m: torch.optim.LBFGS(m.parameters(), 0.1, max_iter=4, history_size=10)),
    ],
    ids=lambda value: value.name if isinstance(value, OptimizerConfig) else "",
)
def test_steps_are_those_of_torch_with_decay_on_matrices_only(config: OptimizerConfig, referee: Callable[..., Any], fused: bool | None) -> None:
    ours, theirs = network(), network()
    got = descend(ours, config.build(parameter_groups(ours), fused))
    wanted = descend(theirs, referee(theirs))
    for a, b in zip(got, wanted, strict=True):
        # L-BFGS flattens the parameters in another order (matrices first), which rounds its dot products otherwise
        torch.testing.assert_close(a, b, rtol=1e-3 if config.full_batch else 1e-5, atol=1e-4 if config.full_batch else 1e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_treats_hidden_kernels_as_matrices_and_leaves_the_rest_to_adamw(layout: torch.memory_format) -> None:
    ours, theirs = network().to(memory_format=layout), network()
    config = Muon(lr=0.02, weight_decay=0.1, rest=AdamW(lr=0.01, weight_decay=0.2))
    optimizer = config.build(parameter_groups(ours))
    kernel, dense = theirs[2].weight, theirs[4].weight
    matrix = nn.Parameter(kernel.detach().reshape(6, -1))
    muon = torch.optim.Muon([matrix, dense], 0.02, weight_decay=0.1)
    outer = [theirs[0].weight, theirs[5].weight]
    adamw = torch.optim.AdamW(
        [{"params": outer, "weight_decay": 0.2}, {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0}], 0.01
    )

    class ByHand:
        def zero_grad(self) -> None:
            theirs.zero_grad()

        def step(self, closure: Callable[[], torch.Tensor]) -> None:
            closure()
            matrix.grad = kernel.grad.reshape(6, -1)
            muon.step()
            adamw.step()
            kernel.data.copy_(matrix.data.reshape(kernel.shape))

    got, wanted = descend(ours, optimizer), descend(theirs, ByHand())
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)  # torch rounds the iterations to bfloat16
    assert {group["lr"] for group in optimizer.param_groups} == {0.02, 0.01}


def test_sam_steps_by_the_gradient_uphill() -> None:
    ours, theirs = network(), network()
    got = descend(ours, Sam(rho=0.1, base=Sgd(lr=0.05, momentum=0, weight_decay=0)).build(parameter_groups(ours)), steps=3)

    class ByHand:
        """The paper's algorithm in the plainest form."""

        def zero_grad(self) -> None:
            theirs.zero_grad()

        @torch.no_grad()
        def step(self, closure: Callable[[], torch.Tensor]) -> None:
            with torch.enable_grad():
                closure()
            here = [p.clone() for p in theirs.parameters()]
            norm = sum(p.grad.square().sum() for p in theirs.parameters()).sqrt()
            for p in theirs.parameters():
                p.add_(p.grad, alpha=0.1 / norm.item())
            with torch.enable_grad():
                closure()
            for p, before in zip(theirs.parameters(), here, strict=True):
                p.copy_(before - 0.05 * p.grad)

    for a, b in zip(got, descend(theirs, ByHand(), steps=3), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_sam_has_one_learning_rate() -> None:
    assert Sam.model_validate({"base": {"sgd": 0.5}}).lr == 0.5 and Sam().lr == AdamW().lr
    rates = [group["initial_lr"] for group in Sam.model_validate({"lr": 0.2, "base": "sgd"}).build(parameter_groups(network())).param_groups]
    assert set(rates) == {0.2}


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_schedule_free_is_the_paper_s_three_sequences(kind: str) -> None:
    """x, y and z as algorithm 1 writes them, on a quadratic."""
    target = torch.tensor([3.0, -2.0])
    weight = nn.Parameter(torch.zeros(2))
    lr, beta, beta2, eps = 0.1, 0.9, 0.99, 1e-8
    config = ScheduleFree(lr=lr, kind=kind, momentum=beta, beta2=beta2)
    model = nn.Module()
    model.weight = weight
    optimizer = config.build(parameter_groups(model))

    def closure() -> torch.Tensor:
        weight.grad = None
        loss = ((weight - target) ** 2).sum()
        loss.backward()
        return loss

    x = z = torch.zeros(2)
    squares = torch.zeros(2)
    for step in range(1, 31):
        y = (1 - beta) * z + beta * x
        gradient = 2 * (y - target)
        squares = beta2 * squares + (1 - beta2) * gradient**2
        scaled = gradient / ((squares / (1 - beta2**step)).sqrt() + eps) if kind == "adamw" else gradient
        z = z - lr * scaled
        x = (1 - 1 / step) * x + z / step
        optimizer.step(closure)
    torch.testing.assert_close(optimizer.average(weight), x, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weight.detach(), (1 - beta) * z + beta * x, rtol=1e-4, atol=1e-5)


def test_parts_learn_at_the_pace_that_the_recipe_says() -> None:
    model = network()
    paces = Paces((("2.*", 0.5), ("*.bias", 0.1)), layer_decay=0.5, unfreeze=2)
    found = {id(p): (g.lr_scale, g.starts) for g in parameter_groups(model, paces=paces) for p in g.parameters}
    told = {name: found[id(p)] for name, p in model.named_parameters()}
    assert told["5.weight"] == (1.0, 0) and told["4.weight"] == (0.5, 2) and told["4.bias"] == (pytest.approx(0.05), 2)
    assert told["2.weight"] == (pytest.approx(0.125), 4) and told["0.weight"] == (pytest.approx(0.125), 6)
    assert told["1.weight"] == told["0.weight"]  # a norm goes with what is in front of it
    with pytest.raises(RecipeError) as caught:
        parameter_groups(model, paces=Paces((("nothing.*", 0.1),)))
    assert caught.value.code == "group-empty" and caught.value.path == ("training", "groups", 0, "match")


@pytest.mark.parametrize("shape", [(6, 36), (36, 6), (8, 8)])
def test_the_iterations_of_muon_make_a_matrix_orthogonal(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    before = matrix.clone()
    made = orthogonal(matrix, 5)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    along = left.T @ made @ right.T
    assert torch.equal(matrix, before)
    assert (along - torch.diag(along.diagonal())).abs().max() < 1e-4, "the directions are those of the matrix"
    assert along.diagonal().min() > 0.3 and along.diagonal().max() < 1.3


@pytest.mark.parametrize("shape", [(8, 8), (24, 72), (24, 216), (216, 24), (64, 576)])
@pytest.mark.parametrize("num_iterations", [1, 5])
def test_muon_puts_every_singular_value_through_the_quintic(shape: tuple[int, int], num_iterations: int) -> None:
    generator = torch.Generator().manual_seed(4)
    matrix = torch.randn(shape, generator=generator) * torch.logspace(0, -4, shape[1])  # of a bad condition
    left, values, right = torch.linalg.svd(matrix.double() / matrix.norm(), full_matrices=False)
    for _ in range(num_iterations):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    torch.testing.assert_close(orthogonal(matrix, num_iterations).double(), left * values @ right, rtol=0, atol=2e-5)


@pytest.mark.parametrize("settings", [{"nesterov": False}, {"scaling": "match_rms_adamw"}, {"momentum": 0.5, "num_iterations": 3}], ids=str)
def test_each_setting_of_muon_means_what_it_means_in_torch(settings: dict[str, Any]) -> None:
    torch.manual_seed(3)
    ours = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 24), nn.Linear(24, 2))
    theirs = nn.Parameter(ours[1].weight.detach().clone())
    names = {"num_iterations": "ns_steps", "scaling": "adjust_lr_fn"}
    referee = torch.optim.Muon([theirs], 0.02, weight_decay=0.01, **{names.get(name, name): value for name, value in settings.items()})
    optimizer = Muon(**settings).build(parameter_groups(ours))
    for _ in range(3):
        gradient = torch.randn(24, 8)

        def closure(gradient: torch.Tensor = gradient) -> torch.Tensor:
            for parameter in ours.parameters():
                parameter.grad = torch.zeros_like(parameter)
            ours[1].weight.grad = gradient.clone()
            return torch.zeros(())

        optimizer.step(closure)
        theirs.grad = gradient.clone()
        referee.step()
    torch.testing.assert_close(ours[1].weight, theirs, rtol=5e-3, atol=5e-3)


def test_muon_skips_embeddings_and_has_nothing_to_do_without_hidden_layers() -> None:
    words = nn.Sequential(nn.Linear(2, 2), nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    hidden = [id(p) for group in parameter_groups(words) if group.hidden for p in group.parameters]
    assert hidden == [id(words[2].weight)]
    shallow = nn.Linear(3, 2)
    optimizer = Muon().build(parameter_groups(shallow))
    assert [type(group["params"][0]).__name__ for group in optimizer.param_groups] == ["Parameter", "Parameter"]


def test_a_group_learns_at_its_own_pace_and_frozen_parameters_are_left_out() -> None:
    model = network()
    model[0].requires_grad_(False)
    groups = parameter_groups(model, [Group([*model[2].parameters()], 0.1)])
    rates = {id(p): g["initial_lr"] for g in Sgd(lr=1.0).build(groups).param_groups for p in g["params"]}
    assert rates == {id(p): 0.1 if p is model[2].weight or p is model[2].bias else 1.0 for p in model.parameters() if p.requires_grad}
    assert list(layers(model)) == ["1", "2", "4", "5"]
    with pytest.raises(RecipeError) as caught:
        Lbfgs().build(groups)
    assert caught.value.code == "lbfgs-lr-scale" and caught.value.path == ("training", "optimizer", "lbfgs")


def gradients(objective: Objective, model: nn.Module, batch: Batch) -> tuple[float, list[torch.Tensor]]:
    loss = objective.backward(batch, 0)
    return loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("parts", [2, 3, 7, 100])
@pytest.mark.parametrize("weighted", [False, True])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(small_net: Any, digits: Any, parts: int, weighted: bool) -> None:
    model = small_net(dropout=0.0)
    model.norm.eval()  # batch norm in training mode sees one part at a time: that difference is its nature
    weights = torch.linspace(0.0, 3.0, 23) if weighted else None
    batch = next(digits(slice(0, 23), "all", weights).in_order())
    results = []
    for accumulate in (1, parts):
        objective = Objective(model, ClassLoss([1.0] * 10), TrainingConfig(accumulate=accumulate, l1=0.01), CPU, lambda notice: None)
        results.append(gradients(objective, model, batch))
    (whole_loss, whole), (loss, accumulated) = results
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    for a, b in zip(accumulated, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    plain = nn.functional.cross_entropy(model.logits(batch.inputs), batch.targets, reduction="none")
    mean = plain.mean() if weights is None else (plain * weights).sum() / weights.sum()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    assert whole_loss == pytest.approx((mean + 0.01 * sum(p.abs().sum() for p in matrices)).item(), rel=1e-5)


def test_the_l1_penalty_has_the_gradient_of_its_formula(small_net: Any, digits: Any) -> None:
    model = small_net(dropout=0.0)
    batch = next(digits(slice(0, 16), "all").in_order())
    _, penalised = gradients(Objective(model, ClassLoss([1.0] * 10), TrainingConfig(l1=0.5), CPU, lambda notice: None), model, batch)
    model.zero_grad()
    loss = nn.functional.cross_entropy(model.logits(batch.inputs), batch.targets)
    (loss + 0.5 * sum(p.abs().sum() for p in model.parameters() if p.ndim > 1)).backward()
    for a, p in zip(penalised, model.parameters(), strict=True):
        torch.testing.assert_close(a, p.grad, rtol=1e-4, atol=1e-6)


def test_splitting_keeps_every_example_and_makes_no_part_of_one() -> None:
    batch = Batch({"x": torch.arange(10)}, torch.arange(10), torch.ones(10))
    assert [piece.inputs["x"].tolist() for piece in split(batch, 4)] == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
    assert len(split(batch, 99)) == 10
    assert split(Batch(batch.inputs, None), 2)[1].targets is None


def test_dropout_depends_on_the_step_and_leaves_the_users_generator_alone(small_net: Any, digits: Any) -> None:
    model = small_net(dropout=0.5)
    batch = next(digits(slice(0, 16), "all").in_order())
    objective = Objective(model, ClassLoss([1.0] * 10), TrainingConfig(), CPU, lambda notice: None)
    torch.manual_seed(123)
    wanted = torch.rand(3)
    torch.manual_seed(123)
    losses = []
    for step in (0, 1, 0):
        with objective.own_randomness():
            losses.append(objective.backward(batch, step).item())
    assert losses[0] == losses[2] != losses[1]
    assert torch.equal(torch.rand(3), wanted)


def test_the_running_mean_is_that_of_torch_once_it_has_started() -> None:
    model = network()
    ours = Average(model, 0.5)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
    theirs.update_parameters(model)
    for number in range(20, 26):  # from the ninth step on the decay is the one that was asked for
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape))
        model(torch.randn(4, 1, 8, 8))
        ours.update(number)
        theirs.update_parameters(model)
    own = [p.clone() for p in model.parameters()]
    with ours.applied():
        for (name, a), b in zip(model.state_dict().items(), theirs.module.state_dict().values(), strict=True):
            if name != "1.num_batches_tracked":  # a counter: copied by us, averaged as an integer by torch
                torch.testing.assert_close(a, b, msg=name)
        assert model[1].num_batches_tracked.item() == 6
    assert all(torch.equal(a, b) for a, b in zip(own, model.parameters(), strict=True))


def test_the_running_mean_forgets_its_start() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, 0.999)
    nn.init.constant_(model.weight, 5.0)
    for number in range(30):
        average.update(number)
    assert average.mean["weight"].item() == pytest.approx(5.0, abs=1e-3)


def test_the_mean_over_epochs_is_that_of_torch_and_its_batch_norm_is_measured_anew() -> None:
    model = network()
    ours, theirs = EpochAverage(model, first=2), AveragedModel(model)
    x = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(5))

    def statistics() -> None:
        model[1].reset_running_stats()
        model[1].momentum = None
        model.train()(x)
        model[1].momentum = 0.1

    for epoch in range(1, 5):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape))
        ours.close(epoch, statistics)
        if epoch >= 2:
            theirs.update_parameters(model)
    update_bn([x], theirs)
    for name, tensor in theirs.module.state_dict().items():
        torch.testing.assert_close(ours.mean[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_a_frozen_module_keeps_its_batch_norm_while_the_others_learn() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout()).requires_grad_(False), nn.BatchNorm1d(2), nn.Dropout())
    learning_mode(model)
    assert [module.training for module in model.modules()] == [True, False, False, False, False, True, True]
