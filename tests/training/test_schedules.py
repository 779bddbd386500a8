"""Learning-rate schedules against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler

from flambeau.training.schedules import SCHEDULES, Constant, Cosine, Linear, OneCycle, Plateau, ScheduleConfig, StepDown

STEPS = 40


def of_torch(make: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)  # type: ignore[operator]
    factors = []
    for _ in range(STEPS):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


def ours(schedule: ScheduleConfig) -> list[float]:
    return [schedule.factor(step, STEPS) for step in range(STEPS)]


def test_one_cycle_is_that_of_torch() -> None:
    # torch takes one step when the scheduler is made, so 41 of its steps are 40 that can be looked at
    referee = of_torch(lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=STEPS + 1, cycle_momentum=False))
    assert [OneCycle().factor(step, STEPS + 1) for step in range(STEPS)] == pytest.approx(referee, rel=1e-9)


def test_cosine_is_that_of_torch() -> None:
    assert ours(Cosine(final=0.1)) == pytest.approx(of_torch(lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.1)), rel=1e-9)


def test_linear_is_that_of_torch() -> None:
    assert ours(Linear(final=0.25)) == pytest.approx(of_torch(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.25, STEPS)), rel=1e-9)


def test_step_is_that_of_torch() -> None:
    assert ours(StepDown()) == pytest.approx(of_torch(lambda o: lr_scheduler.MultiStepLR(o, [20, 30], 0.1)), rel=1e-9)


def test_plateau_is_that_of_torch() -> None:
    scores = [0.1, 0.5, 0.4, 0.5, 0.3, 0.6, 0.6, 0.6, 0.6, 0.60005, 0.6]
    schedule = Plateau(gamma=0.5, patience=2, min_gain=1e-3)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    # torch lowers after MORE than `patience` epochs without gain
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=1, threshold=1e-3, threshold_mode="abs")
    for number in range(1, len(scores) + 1):
        scheduler.step(scores[number - 1])
        assert schedule.factor(5, STEPS, scores[:number]) == optimizer.param_groups[0]["lr"], number
    assert schedule.factor(5, STEPS, scores) == 0.125
    assert Plateau(gamma=0.01, patience=1, final=0.005).factor(5, STEPS, [1.0] * 9) == 0.005


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("num_steps", [1, 2, 3, 1000])
def test_every_factor_lies_between_0_and_1(kind: type[ScheduleConfig], num_steps: int) -> None:
    for warmup in (0.0, 0.3, 0.9):
        factors = [kind(warmup=warmup).factor(step, num_steps) for step in range(num_steps)]
        assert all(0 <= factor <= 1 for factor in factors)
        assert num_steps < 1000 or max(factors) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("kind", [Constant, Cosine, Linear, StepDown, Plateau])
def test_warmup_rises_in_a_straight_line(kind: type[ScheduleConfig]) -> None:
    assert [kind(warmup=0.25).factor(step, STEPS) for step in range(10)] == pytest.approx([(step + 1) / 10 for step in range(10)])
