"""What is said about the weights that are kept: learnt by heart, too little, nothing, not to the end, or as they should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from flambeau.training.advice import Uninformed, best_of, gap, kept
from flambeau.types import Epoch

CHANCE = Uninformed("no", {"accuracy": 0.5, "r2": -0.01}, 0.7)


def history(train_losses: list[float], valid_losses: list[float], train: float | None, valid: float | None, best: int) -> list[Epoch]:
    metrics = [{} if value is None else {"accuracy": value} for value in (valid, train)]
    return [
        Epoch(n, a, b, metrics[0], 0.1, 1.0, n == best, {}, metrics[1])
        for n, (a, b) in enumerate(zip(train_losses, valid_losses, strict=True), start=1)
    ]


FALLING, TURNED, LEVEL = [2.0, 1.0, 0.5, 0.2, 0.1], [2.0, 1.0, 0.8, 0.9, 1.2], [1.0, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("epochs", "code"),
    [
        (history(FALLING, TURNED, 0.99, 0.95, 3), "advice-over-fitted"),
        (history(FALLING, TURNED, 0.95, 0.99, 3), "advice-fine"),
        (history(FALLING, TURNED, 0.952, 0.949, 3), "advice-fine"),
        (history(FALLING, TURNED, None, None, 3), "advice-over-fitted"),
        (history(FALLING, [x / 10 for x in TURNED], None, None, 3), "advice-ahead"),
        (history(LEVEL, LEVEL, 0.99, 0.80, 2), "advice-over-fitted"),
        (history(LEVEL, [3 * x for x in LEVEL], None, None, 2), "advice-over-fitted"),
        (history(FALLING, FALLING, 0.9, 0.9, 5), "advice-improving"),
        (history(LEVEL, LEVEL, 0.6, 0.62, 2), "advice-under-fitted"),
        (history(LEVEL, LEVEL, 0.95, 0.94, 2), "advice-fine"),
        (history(LEVEL, LEVEL, None, None, 2), "advice-fine"),
        (history(FALLING[:2], FALLING[:2], 0.95, 0.94, 2), "advice-fine"),
        ([], "advice-none"),
    ],
)
def test_what_the_gap_means(epochs: list[Epoch], code: str) -> None:
    advice = gap(epochs)
    assert advice.code == code and advice.what
    assert bool(advice.fix) == (code not in ("advice-fine", "advice-ahead"))


def test_a_network_that_learns_by_heart_is_found_out(begin: Callable[..., Any], small_net: Any) -> None:
    epochs = begin(network=small_net(dropout=0.0), examples=40, epochs=40, optimizer={"adamw": {"lr": 0.01, "weight_decay": 0}}).finish()
    assert gap(epochs).code == "advice-over-fitted"


def test_the_verdict_is_about_the_weights_that_are_kept() -> None:
    """Of few validation examples the last weights are kept: that an earlier epoch did well says nothing about them."""
    epochs = history(FALLING, FALLING, 0.988, 1.0, 2)
    epochs[-1] = replace(epochs[-1], valid={"accuracy": 0.5})
    assert (kept(epochs, True).number, kept(epochs, False).number) == (2, 5)
    best, last = gap(epochs, keep_best=True), gap(epochs, keep_best=False)
    assert best.code == "advice-fine" and "epoch 2 of 5" in best.what
    assert last.code == "advice-over-fitted" and "50.0% on validation (epoch 5 of 5)" in last.what


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"swa": 0.5}, {"optimizer": "schedule_free"}])
@pytest.mark.parametrize("keep_best", [True, False])
def test_the_kept_epoch_is_that_of_the_network(begin: Callable[..., Any], digits: Any, settings: dict[str, Any], keep_best: bool) -> None:
    run = begin(examples=200, epochs=4, keep_best=keep_best, **settings)
    epochs = run.finish()
    run.network.eval()
    valid = digits(slice(1000, 1064), 64)
    with torch.no_grad():
        right = (run.network.logits({"image": valid.images}).argmax(-1) == valid.labels).float().mean().item()
    assert kept(epochs, keep_best).valid["accuracy"] == pytest.approx(right)
    assert kept(epochs, True) is best_of(epochs)


@pytest.mark.parametrize(("train", "valid", "close"), [(0.9, 0.97, True), (0.97, 0.9, True), (0.8, 0.97, False), (0.7, 0.9, False)])
def test_only_what_is_close_agrees(train: float, valid: float, close: bool) -> None:
    advice = gap(history(LEVEL, LEVEL, train, valid, 2))
    assert advice.code == ("advice-fine" if close else "advice-ahead")
    assert ("agree" in advice.what) == close
    assert close or "measured while it learns" in advice.what


def test_a_running_score_early_in_training_does_not_agree() -> None:
    epochs = [Epoch(n, 1.0, 0.1, {"r2": 0.96}, 0.1, 1.0, n == 5, {}, {"r2": -0.02}) for n in range(1, 11)]
    assert gap(epochs, True, CHANCE).what.startswith("validation R2 0.96 is better than train R2 -0.02 (epoch 5 of 10)")


@pytest.mark.parametrize("valid", [0.5, 0.62, None])
def test_a_training_that_diverged_is_told_so(valid: float | None) -> None:
    """Though its losses fall, and though its best epoch is the last."""
    huge = [x * 3e15 for x in FALLING]
    advice = gap(history(huge, huge, valid, valid, 5), True, CHANCE)
    assert advice.code == "advice-diverged" and "learning rate" in advice.fix
    assert "3e+14 in training, 3e+14 on validation (epoch 5 of 5)" in advice.what and "0.7" in advice.what
    assert gap(history([float("nan")], [0.1], None, None, 1)).code == "advice-diverged"
    assert gap(history([0.1], [float("inf")], None, None, 1)).code == "advice-diverged"


def test_a_large_loss_alone_is_no_divergence() -> None:
    """Of a penalty in training, of too sure answers on validation, or of a good score with both."""
    assert gap(history([9.0] * 5, [0.2] * 5, 0.95, 0.95, 3), True, CHANCE).code == "advice-fine"
    assert gap(history([0.01] * 5, [9.0] * 5, 1.0, 0.7, 3), True, CHANCE).code == "advice-over-fitted"
    assert gap(history([9.0] * 5, [9.0] * 5, 0.95, 0.95, 3), True, CHANCE).code == "advice-fine"
    assert gap(history([9.0] * 5, [9.0] * 5, 0.95, 0.95, 3), True, replace(CHANCE, loss=float("nan"))).code == "advice-fine"


def test_what_is_no_better_than_chance_has_learnt_nothing() -> None:
    advice = gap(history(FALLING, FALLING, 0.52, 0.5, 5), True, CHANCE)
    assert advice.code == "advice-nothing" and "--find-lr" in advice.fix
    assert '50.0% on validation (epoch 5 of 5), 50.0% by always answering "no"' in advice.what
    assert gap(history(FALLING, FALLING, 0.99, 0.5, 5), True, CHANCE).code == "advice-over-fitted"
    assert gap(history(FALLING, FALLING, 0.52, 0.51, 5), True, CHANCE).code == "advice-improving"
    assert gap(history(LEVEL, LEVEL, 0.52, 0.51, 2), True, replace(CHANCE, scores={})).code == "advice-under-fitted"
