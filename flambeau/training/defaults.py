"""Settings of the training that depend on how much there is to learn from. No torch."""

from __future__ import annotations

from math import ceil, sqrt

MOST, LEAST = 60, 10
"""Epochs for very few and for very many examples."""


def epochs_for(num_examples: int) -> int:
    """Epochs that reach the end of learning from scratch without wasting time, from the number of examples.

    Falls with the square root, so that the number of steps still grows: 60 epochs up to 900 examples, 40 at 2,000, 10 from 32,000 on.
    """
    return round(min(max(40 * sqrt(2_000 / max(num_examples, 1)), LEAST), MOST))


def patience_for(epochs: int) -> int:
    """Epochs without gain after which nothing more is expected. A third of all: a one-cycle gains most at its end, and must get there."""
    return max(5, ceil(epochs / 3))
