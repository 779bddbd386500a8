"""One way of computing a training step, timed step by step beside others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from flambeau.training.device import using_threads

APART = 0.05
"""Largest difference of the losses, relative to the loss plus one, that rounding may explain."""


class Candidate:
    """One way of computing a step, on a copy of the network, and what it took so far."""

    def __init__(self, settings: Mapping[str, Any], steps: Iterator[float], device: torch.device) -> None:
        self.settings = dict(settings)
        self.seconds: list[float] = []
        """Of each timed step."""
        self.losses: list[float] = []
        """Of each step; every candidate sees the same batches with the same randomness."""
        self._steps = steps
        self._device = device

    @property
    def best(self) -> float:
        """Seconds of the quickest timed step; infinity before the first."""
        return min(self.seconds, default=float("inf"))

    def step(self) -> float:
        """Seconds of one more step."""
        with using_threads(self.settings["threads"]):
            started = time.perf_counter()
            self.losses.append(next(self._steps))
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            return time.perf_counter() - started

    def agrees(self, other: Candidate) -> bool:
        """Whether the losses after equally many steps differ by no more than rounding."""
        place = min(len(self.losses), len(other.losses)) - 1
        return abs(self.losses[place] - other.losses[place]) <= APART * (1 + abs(other.losses[place]))

    def leave(self) -> None:
        """Gives the memory of its network back."""
        self._steps = iter(())
