"""The loop: it learns, it reports, it names what goes wrong, it makes do with little memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from flambeau.errors import DataError, DeviceError, Notice, RecipeError
from flambeau.tasks.losses import ClassLoss
from flambeau.training.config import TrainingConfig
from flambeau.training.health import EXPLODING, notices
from flambeau.training.learner import Learner
from flambeau.training.loop import events, log
from flambeau.training.progress import rank
from flambeau.types import Batch, Epoch, Step

Begin = Callable[..., Any]
CPU = torch.device("cpu")


class Dense(nn.Module):
    """Layers over flat digits, whatever the test wants them to be."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.activation = nn.Softmax(-1)

    def logits(self, inputs: Any) -> torch.Tensor:
        return self.body(inputs["image"].flatten(1).float() / 255)


def test_it_learns_and_reports_each_epoch(begin: Begin) -> None:
    run = begin(examples=800, epochs=6, optimizer={"adamw": 0.01})
    epochs = run.finish()
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].valid["accuracy"] > 0.8 and epochs[-1].train["accuracy"] > 0.8
    assert epochs[-1].train_loss < epochs[0].train_loss / 3
    assert list(epochs[0].gradient_norms) == ["conv", "norm", "conv2", "dense", "head"]
    assert all(norm > 0 for norm in epochs[0].gradient_norms.values())
    assert all(epoch.seconds > 0 for epoch in epochs) and epochs[0].best and run.notices == []
    assert not run.network.training


def test_full_batch_lbfgs_finds_the_minimum_that_scikit_learn_finds(begin: Begin, digits: Any) -> None:
    data = digits(slice(0, 300), "all")
    x, y = data.images.flatten(1).numpy() / 255, data.labels.numpy()
    referee = LogisticRegression(C=np.inf, tol=1e-8, max_iter=2000).fit(x, y)
    run = begin(
        network=Dense(nn.Linear(64, 10)), examples=300, optimizer={"lbfgs": {"max_iterations": 200}}, batch_size=None, keep_best=False, epochs=2
    )
    run.finish()
    ours = run.network.logits({"image": data.images}).detach().numpy()
    assert (ours.argmax(-1) == referee.predict(x)).all()
    assert nn.functional.cross_entropy(torch.tensor(ours), data.labels).item() < 1e-3


def test_the_best_weights_are_there_at_the_end(begin: Begin, digits: Any) -> None:
    run = begin(examples=200, epochs=8, optimizer={"sgd": 0.6}, schedule="constant", clip=None)
    epochs = run.finish()
    best = max(epochs, key=lambda epoch: rank(epoch, "accuracy"))
    assert [epoch.number for epoch in epochs if epoch.best][-1] == best.number
    valid = digits(slice(1000, 1064), "all")
    run.network.eval()
    answers = run.network.logits({"image": valid.images}).detach()
    assert nn.functional.cross_entropy(answers, valid.labels).item() == pytest.approx(best.valid_loss, rel=1e-5)
    assert best.number < 8, "the test needs a training whose last epoch is not its best"


def test_without_keep_best_the_last_weights_stay(begin: Begin, digits: Any) -> None:
    run = begin(epochs=3, keep_best=False, ema=0.5)
    last = run.finish()[-1]
    valid = digits(slice(1000, 1064), "all")
    answers = run.network.logits({"image": valid.images}).detach()
    assert nn.functional.cross_entropy(answers, valid.labels).item() == pytest.approx(last.valid_loss, rel=1e-5), "not the running mean"


def test_it_stops_when_nothing_is_gained(begin: Begin) -> None:
    epochs = begin(
        epochs=30, optimizer={"sgd": {"lr": 1e-9, "momentum": 0}}, schedule="constant", stop_early=2, network=Dense(nn.Linear(64, 10))
    ).finish()
    stale = [epoch.number for epoch in epochs if epoch.best][-1]
    assert epochs[-1].number == stale + 2 < 30


@pytest.mark.parametrize(
    "extra", [{"precision": "bf16"}, {"memory_format": "channels_last"}, {"accumulate": 4}, {"ema": 0.9}, {"fused": False}, {"l1": 1e-4}]
)
def test_every_setting_learns(begin: Begin, extra: dict[str, Any]) -> None:
    assert begin(examples=600, epochs=4, optimizer={"adamw": 0.01}, **extra).finish()[-1].valid["accuracy"] > 0.6


def test_compiled_is_the_same_network(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function: seen.append(function) or function)
    plain, compiled = begin(epochs=1).finish(), begin(epochs=1, compile=True).finish()
    assert seen and compiled[0].valid_loss == plain[0].valid_loss


def test_the_steps_of_an_epoch(digits: Any, small_net: Any) -> None:
    config = TrainingConfig(epochs=2, optimizer={"adamw": 0.01}, schedule="linear")  # type: ignore[arg-type]
    train, valid = digits(slice(0, 70), 32), digits(slice(100, 120), 20)
    learner = Learner(small_net(), ClassLoss([1.0] * 10), train, valid, lambda a, t: {"accuracy": 0.5}, config, "accuracy", CPU)
    stream = list(events(learner))
    steps = [event for event in stream if isinstance(event, Step)]
    assert [type(event).__name__ for event in stream] == ["Step", "Step", "Step", "Epoch"] * 2
    assert [(step.number, step.epoch, step.num_examples) for step in steps] == [(0, 1, 32), (1, 1, 32), (2, 1, 6), (3, 2, 32), (4, 2, 32), (5, 2, 6)]
    assert [step.lr for step in steps] == pytest.approx([0.01 * (1 - number / 6) for number in range(6)])
    first = stream[3]
    assert isinstance(first, Epoch)
    assert first.train_loss == pytest.approx(sum(step.loss * step.num_examples for step in steps[:3]) / 70)


def test_a_long_gradient_is_shortened(begin: Begin) -> None:
    """With SGD, a step is at most lr x clip long."""
    run = begin(epochs=1, examples=32, optimizer={"sgd": {"lr": 1.0, "momentum": 0, "weight_decay": 0}}, schedule="constant", clip=1e-3)
    before = [parameter.detach().clone() for parameter in run.network.parameters()]
    run.finish()
    moved = torch.cat([(a - b).flatten() for a, b in zip(before, run.network.parameters(), strict=True)]).norm().item()
    assert moved == pytest.approx(1e-3, rel=1e-2)


def test_on_a_device_that_works_alone_the_loss_is_read_now_and_then(digits: Any, small_net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    train, valid = digits(slice(0, 20), 4), digits(slice(100, 120), 20)
    learner = Learner(small_net(), ClassLoss([1.0] * 10), train, valid, lambda a, t: {"accuracy": 0.5}, TrainingConfig(), "accuracy", CPU)
    monkeypatch.setattr(learner, "_works_alone", True)
    losses = [step.loss for step in learner.steps()]
    assert losses[0] == losses[1] == losses[2] == losses[3] != losses[4]


class Breaks(nn.Module):
    """Passes on what it gets, and breaks the output or the gradient in a given step."""

    def __init__(self, when: int, what: str) -> None:
        super().__init__()
        self.calls, self.when, self.what = 0, when, what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += self.training
        if self.calls <= self.when or not self.training:
            return x
        return x / 0 if self.what == "output" else torch.sqrt(torch.relu(x) * 0) + x


@pytest.mark.parametrize(("what", "code", "layer"), [("output", "activation-not-finite", "body.2"), ("gradient", "gradient-not-finite", "body.0")])
def test_the_layer_that_breaks_is_named(begin: Begin, what: str, code: str, layer: str) -> None:
    broken = Dense(nn.Linear(64, 16), nn.Tanh(), Breaks(4, what), nn.Linear(16, 10))
    run = begin(network=broken, epochs=3)
    with pytest.raises(RecipeError) as caught:
        run.finish()
    assert (caught.value.code, caught.value.facts["layer"], caught.value.facts["epoch"]) == (code, layer, 2)
    assert caught.value.path == ("training", "optimizer", "adamw") and "learning rate" in caught.value.fix
    assert all(parameter.isfinite().all() for parameter in broken.parameters()), "the broken step must not be taken"


def test_a_learning_rate_that_is_far_too_high_is_told(begin: Begin) -> None:
    deep = Dense(*[layer for _ in range(4) for layer in (nn.Linear(64, 64), nn.ReLU())], nn.Linear(64, 10))
    with pytest.raises(RecipeError) as caught:
        begin(network=deep, epochs=30, optimizer={"sgd": 1000.0}, clip=None, schedule="constant").finish()
    assert caught.value.code in ("activation-not-finite", "gradient-not-finite") and str(caught.value.facts["layer"]).startswith("body.")


def test_an_input_that_is_not_finite_is_a_fault_of_the_data(digits: Any, small_net: Any) -> None:
    class Holes(type(digits(slice(0, 1), 1))):  # type: ignore[misc]
        def _batches(self, order: torch.Tensor, start: int) -> Any:
            for batch in super()._batches(order, start):
                yield Batch({"image": batch.inputs["image"].float() * float("nan")}, batch.targets)

    learner = Learner(small_net(), ClassLoss([1.0] * 10), Holes(slice(0, 8), 4), digits(slice(0, 8), 4), dict, TrainingConfig(), "accuracy", CPU)  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        list(learner.steps())
    assert caught.value.code == "input-not-finite" and caught.value.where == "image"


def test_a_loss_that_is_not_finite_though_all_layers_are(digits: Any, small_net: Any) -> None:
    learner = Learner(
        small_net(),
        ClassLoss([float("inf")] * 10),
        digits(slice(0, 8), 4),
        digits(slice(0, 8), 4),
        dict,
        TrainingConfig(),
        "accuracy",
        CPU,  # type: ignore[arg-type]
    )
    with pytest.raises(RecipeError) as caught:
        list(learner.steps())
    assert caught.value.code == "loss-not-finite"


def test_a_dead_layer_is_named_once(begin: Begin) -> None:
    dead = Dense(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    nn.init.constant_(dead.body[0].bias, -100.0)
    run = begin(network=dead, epochs=5)
    run.finish()
    assert [(notice.code, notice.facts["layer"]) for notice in run.notices] == [("layer-dead", "body.0"), ("layer-dead", "body.2")] or [
        (notice.code, notice.facts["layer"]) for notice in run.notices
    ] == [("layer-dead", "body.0")]
    assert "body.0" in run.notices[0].what and run.notices[0].facts["epoch"] == 2


def test_a_long_gradient_is_a_notice_once() -> None:
    def epoch(number: int, norm: float) -> Epoch:
        return Epoch(number, 1.0, 1.0, {}, 0.1, 1.0, gradient_norms={"conv": norm, "head": 1.0})

    history = [epoch(1, 1.0), epoch(2, 2 * EXPLODING), epoch(3, 3 * EXPLODING)]
    assert [notice.code for notice in notices(history[:2])] == ["layer-exploding"]
    assert "'conv'" in notices(history[:2])[0].what and notices(history) == [] and notices(history[:1]) == []


class Hungry(nn.Module):
    """A layer that fits into memory with at most `room` examples."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > self.room:
            raise torch.OutOfMemoryError("tried to allocate")
        return x


def test_too_little_memory_is_answered_with_smaller_parts(begin: Begin) -> None:
    def dense(room: int) -> Dense:
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            return Dense(Hungry(room), nn.Linear(64, 10))

    plenty, little = begin(network=dense(999)), begin(network=dense(9))
    wanted, got = plenty.finish(), little.finish()
    assert [notice.facts for notice in little.notices] == [
        {"device": "cpu", "batch": 32, "part": 16, "parts": 2},
        {"device": "cpu", "batch": 16, "part": 8, "parts": 4},
        {"device": "cpu", "batch": 10, "part": 5, "parts": 8},
    ]
    assert "batch 16 x 2" in little.notices[0].what
    assert [epoch.train_loss for epoch in got] == pytest.approx([epoch.train_loss for epoch in wanted], rel=1e-4)
    with pytest.raises(DeviceError) as caught:
        begin(network=dense(0)).finish()
    assert caught.value.code == "out-of-memory-alone"


def test_mixed_targets_have_no_training_scores(digits: Any, small_net: Any) -> None:
    class Mixed(type(digits(slice(0, 1), 1))):  # type: ignore[misc]
        def epoch(self, number: int, start: int = 0) -> Any:
            for batch in super().epoch(number, start):
                yield Batch(batch.inputs, nn.functional.one_hot(batch.targets, 10).float() * 0.9 + 0.01)

    score = lambda answers, truths: {"accuracy": 0.0}  # noqa: E731
    learner = Learner(
        small_net(), ClassLoss([1.0] * 10), Mixed(slice(0, 8), 4), digits(slice(0, 8), 4), score, TrainingConfig(epochs=1), "accuracy", CPU
    )
    assert list(events(learner))[-1].train == {}  # type: ignore[union-attr]


def test_a_network_that_is_all_frozen_cannot_learn(begin: Begin) -> None:
    with pytest.raises(RecipeError) as caught:
        begin(network=Dense(nn.Linear(64, 10)).requires_grad_(False)).finish()
    assert caught.value.code == "nothing-to-train"


def test_a_frozen_part_stays_as_it_was(begin: Begin, small_net: Any) -> None:
    network = small_net()
    network.conv.requires_grad_(False)
    network.norm.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    begin(network=network, optimizer={"sgd": 0.1}).finish()
    after = network.state_dict()
    assert [name for name in before if torch.equal(before[name], after[name])] == [n for n in before if n.startswith(("conv.", "norm."))]


def test_which_epoch_is_better() -> None:
    def epoch(loss: float, **valid: float) -> Epoch:
        return Epoch(1, 0.0, loss, valid, 0.0, 0.0)

    assert rank(epoch(0.5, accuracy=0.9), "accuracy") > rank(epoch(0.1, accuracy=0.8), "accuracy")
    assert rank(epoch(0.4, accuracy=0.9), "accuracy") > rank(epoch(0.5, accuracy=0.9), "accuracy")
    assert rank(epoch(0.4), "valid_loss") > rank(epoch(0.5), "valid_loss")
    assert rank(epoch(9.0, rmse=1.0), "rmse") > rank(epoch(0.1, rmse=2.0), "rmse")
    assert rank(epoch(0.1, accuracy=0.0), "accuracy") > rank(epoch(0.1, accuracy=float("nan")), "accuracy")


def test_a_notice_nobody_takes_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "flambeau"):
        log(Notice("layer-dead", {"layer": "conv", "epoch": 2}))
    assert "layer-dead" in caplog.text and "conv" in caplog.text
