"""The loss against torch's own and against the formulas of the papers, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from flambeau.tasks.losses import ClassLoss, LabelsLoss

WEIGHTS = (0.5, 1.0, 2.0, 0.1)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(32, 4, generator=generator) * 3, torch.randint(4, (32,), generator=generator)


@pytest.mark.parametrize("weights", [(1.0,) * 4, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_cross_entropy_is_torchs(batch: tuple[torch.Tensor, torch.Tensor], weights: tuple[float, ...], smoothing: float) -> None:
    logits, targets = batch
    expected = cross_entropy(logits, targets, torch.tensor(weights), reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(ClassLoss(weights, smoothing=smoothing)(logits, targets), expected)


@pytest.mark.parametrize("weights", [(1.0,) * 4, WEIGHTS])
def test_shares_are_torchs(batch: tuple[torch.Tensor, torch.Tensor], weights: tuple[float, ...]) -> None:
    logits, _ = batch
    shares = torch.softmax(torch.randn(32, 4, generator=torch.Generator().manual_seed(4)), -1)
    expected = cross_entropy(logits, shares, torch.tensor(weights), reduction="none")
    torch.testing.assert_close(ClassLoss(weights)(logits, shares), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_is_the_papers(batch: tuple[torch.Tensor, torch.Tensor], gamma: float) -> None:
    """-w (1 - p)^gamma log p of the true class, in plain Python."""
    logits, targets = batch
    losses = ClassLoss(WEIGHTS, gamma=gamma)(logits, targets).tolist()
    for row, target, loss in zip(logits.tolist(), targets.tolist(), losses, strict=True):
        largest = max(row)
        p = math.exp(row[target] - largest) / sum(math.exp(value - largest) for value in row)
        assert loss == pytest.approx(-WEIGHTS[target] * (1 - p) ** gamma * math.log(p), rel=1e-4, abs=1e-6)


def test_focal_turns_away_from_what_is_known(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits = torch.tensor([[8.0, 0.0], [-1.0, 1.0]])
    targets = torch.tensor([0, 0])
    plain, focal = ClassLoss((1.0, 1.0))(logits, targets), ClassLoss((1.0, 1.0), gamma=2.0)(logits, targets)
    assert focal[0] / plain[0] < 1e-5
    assert focal[1] / plain[1] > 0.7


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_soft_target_costs_what_its_class_costs(batch: tuple[torch.Tensor, torch.Tensor], gamma: float, smoothing: float) -> None:
    logits, targets = batch
    loss = ClassLoss(WEIGHTS, gamma, smoothing)
    torch.testing.assert_close(loss(logits, targets), loss(logits, one_hot(targets, 4).float()))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_certainty_is_no_trouble(gamma: float, dtype: torch.dtype) -> None:
    """Logits of hundreds give p = 1 and p = 0 exactly: loss and gradient stay finite."""
    logits = torch.tensor([[500.0, -500.0], [-500.0, 500.0], [0.0, 0.0]], dtype=dtype, requires_grad=True)
    loss = ClassLoss((1.0, 1.0), gamma=gamma, smoothing=0.1)(logits, torch.tensor([0, 0, 1]))
    assert loss.dtype == torch.float32
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_the_gradient_is_that_of_the_differences(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, targets = batch
    loss = ClassLoss(WEIGHTS, gamma=2.0, smoothing=0.1)
    few = logits[:3].clone().requires_grad_()
    loss(few, targets[:3]).sum().backward()
    assert few.grad is not None
    for place in np.ndindex(3, 4):
        step = torch.zeros(3, 4)
        step[place] = 1e-2
        with torch.no_grad():
            slope = (loss(logits[:3] + step, targets[:3]).sum() - loss(logits[:3] - step, targets[:3]).sum()) / 2e-2
        assert few.grad[place].item() == pytest.approx(slope.item(), abs=2e-3)


def test_the_weights_are_no_weights_of_the_network() -> None:
    loss = ClassLoss(WEIGHTS)
    assert list(loss.parameters()) == []
    assert loss.weights.tolist() == pytest.approx(WEIGHTS)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0])
def test_focal_slopes_are_finite_however_sure_the_answer_is(gamma: float) -> None:
    """p that rounds to 1 while its logarithm is not yet 0 is where a power below 1 has no slope."""
    sure = torch.tensor([0.0, 5.0, 16.0, 17.0, 18.0, 30.0, 60.0, 90.0, 104.0, 500.0])
    z = torch.cat([-sure, sure]).unsqueeze(-1).requires_grad_()
    for flags in (torch.zeros(20, 1), torch.ones(20, 1), torch.full((20, 1), 0.5)):
        (slopes,) = torch.autograd.grad(LabelsLoss((1.0,), gamma=gamma, smoothing=0.1)(z, flags).sum(), z)
        assert torch.isfinite(slopes).all()
    pairs = torch.cat([z, torch.zeros(20, 1)], -1)
    for target in (0, 1):
        (slopes,) = torch.autograd.grad(ClassLoss((1.0, 1.0), gamma=gamma)(pairs, torch.full((20,), target)).sum(), z, retain_graph=True)
        assert torch.isfinite(slopes).all()


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_of_labels_is_the_papers(gamma: float) -> None:
    z = torch.linspace(-12, 12, 25, dtype=torch.float64, requires_grad=True)
    for flag in (0.0, 1.0):
        p = torch.sigmoid(z) if flag else torch.sigmoid(-z)
        wanted = -((1 - p) ** gamma) * p.log()
        loss = LabelsLoss((1.0,), gamma=gamma)(z.unsqueeze(-1), torch.full((25, 1), flag))
        torch.testing.assert_close(loss.double(), wanted, rtol=1e-4, atol=1e-9)
        ours, theirs = (torch.autograd.grad(value.sum(), z, retain_graph=True)[0] for value in (loss, wanted))
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-9)
