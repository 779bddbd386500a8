"""Probabilities that mean what they say: the logits divided by the one number, the temperature, that suits the validation split best.

A network that has learnt its examples by heart is far too sure of its answers, one that was taught with smoothed labels not sure enough.
The temperature goes into the weights of the head, so the graph that ships has nothing more to compute, and the most probable class stays.

Source: Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from flambeau.training.source import BatchSource

FEWEST = 20
"""Examples below which nothing can be told about probabilities."""
MOST = 10_000
"""Examples that are enough for one number."""
DOUBT = 4.0
"""Weight of the belief that the logits are right as they are (a gamma distribution of the factor with mean 1 and standard deviation 0.5):
about that of four examples."""

DIGITS = 4
"""Of the temperature. It then does not depend on the order in which some machine adds up."""


@dataclass(frozen=True)
class Calibration:
    """What the logits were divided by, and what that gained on the examples by which it was chosen."""

    temperature: float
    """Above 1: the probabilities were too extreme."""
    before: float
    """Mean log loss, in nats."""
    after: float


def calibrated(logits: Tensor, truths: Tensor) -> Calibration | None:
    """The temperature that suits these answers best; None where they cannot tell: too few, or without a mistake.

    Without a mistake the log loss has no least value: it falls for as long as the logits grow.

    Args:
        logits: (examples, classes), of examples that the network has not learnt from.
        truths: (examples,) indices of the classes.
    """
    some = slice(None, None, 1 + len(truths) // MOST)
    logits, truths = logits[some].double(), truths[some]
    if len(truths) < FEWEST or not bool(torch.isfinite(logits).all()) or bool((logits.argmax(1) == truths).all()):
        return None
    log_factor = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_factor], max_iter=100, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        optimizer.zero_grad()
        factor = log_factor.exp()
        whole = cross_entropy(logits * factor, truths, reduction="sum") + DOUBT * (factor - log_factor)
        whole.backward()  # type: ignore[no-untyped-call]
        return whole

    optimizer.step(cost)  # type: ignore[no-untyped-call]
    temperature = float(f"{float((-log_factor.detach()).exp()):.{DIGITS}g}")
    return Calibration(temperature, float(cross_entropy(logits, truths)), float(cross_entropy(logits / temperature, truths)))


@torch.no_grad()
def cool(head: nn.Linear, temperature: float) -> None:
    """Divides what a head gives by a temperature."""
    for parameter in head.parameters():
        parameter.div_(temperature)


@torch.no_grad()
def validation_logits(network: nn.Module, source: BatchSource) -> tuple[Tensor, Tensor]:
    """A split in order -> logits (examples, out_features) in float32, and its targets (examples, ...)."""
    network.eval()
    logits, truths = [], []
    for batch in source.in_order():
        assert batch.targets is not None, "a validation split has targets"
        logits.append(network.logits(batch.inputs).float().cpu())  # type: ignore[operator]
        truths.append(batch.targets.cpu())
    return torch.cat(logits), torch.cat(truths)
