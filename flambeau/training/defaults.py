"""Settings of the training that depend on how much there is to learn from. No torch."""

from __future__ import annotations

from math import ceil, log2, sqrt
from typing import Any

MOST, LEAST = 60, 10
"""Epochs for few and for very many examples."""
MOST_OF_ALL = 120
"""Epochs where a batch is all that there is to learn from."""
FEW = 512
"""Training examples below which batches get smaller, so that an epoch still has some steps."""
BATCH, SMALLEST_BATCH = 64, 8
STEPS = 8
"""Steps of an epoch, where the smallest batch allows it."""
EMA = 0.998
"""Share that the running mean of the weights keeps, where they are averaged: a memory of 500 steps."""
FEW_VALID = 20
"""Validation examples below which one epoch cannot be told from another: each is worth more than 5 points of accuracy."""


def epochs_for(num_train: int, passes: float = 1.0) -> int:
    """Epochs that reach the end of learning from scratch without wasting time, from the number of training examples.

    Falls with the square root, so that the number of steps still grows: 60 epochs up to 620 examples, 40 at 1,400, 10 from 22,400 on;
    with less than 100, where an epoch is a few steps, up to 120.

    Args:
        passes: how often an example has to be seen, relative to most kinds.
    """
    most = MOST if num_train >= 100 else MOST_OF_ALL
    return round(min(max(passes * 40 * sqrt(1_400 / max(num_train, 1)), LEAST * max(passes, 1)), most))


def batch_size_for(num_train: int) -> int:
    """Examples of one step: 64; with less than 512 to learn from an eighth of them, rounded to a power of two, and at least 8."""
    if num_train >= FEW:
        return BATCH
    return int(max(2 ** round(log2(max(num_train, 1) / STEPS)), SMALLEST_BATCH))


def patience_for(epochs: int) -> int:
    """Epochs without gain after which nothing more is expected. A third of all: a one-cycle gains most at its end, and must get there."""
    return max(5, ceil(epochs / 3))


def choice_of_epoch(num_valid: int, epochs: int) -> dict[str, Any]:
    """What validation decides: when to stop, and which epoch is kept; nothing where it has too few examples to tell epochs apart."""
    if num_valid < FEW_VALID:
        return {"stop_early": None, "keep_best": False}
    return {"stop_early": patience_for(epochs)}
