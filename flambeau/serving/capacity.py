"""How many examples a model should answer together on this machine: measured, since nobody can know it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SIZES = (1, 2, 4, 8, 16, 32)
GAIN = 1.05
"""A batch twice as large must bring at least this much more throughput; below it only the wait grows."""
REPEATS = 3
MOST_REPEATS = 20
PATIENCE = 0.02
"""Seconds for which a size is timed again, beyond the repeats that each gets: on a shared machine only the quickest run says what it costs."""
BUDGET = 2.0
"""Seconds after which no larger batch is tried."""


@dataclass(frozen=True)
class Capacity:
    """What batches cost."""

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    """Of one batch of each size, at its quickest."""
    max_batch: int

    def cost(self, num_examples: int) -> float:
        """Seconds that a batch will take in the model."""
        place = min(bisect_left(self.sizes, num_examples), len(self.sizes) - 1)
        return self.seconds[place]

    def throughput(self) -> float:
        """Examples per second at the largest batch."""
        return self.max_batch / self.cost(self.max_batch)


def measure(run: Callable[[int], object], sizes: Sequence[int] = SIZES, clock: Callable[[], float] = time.perf_counter) -> Capacity:
    """Time `run` for growing batches until the throughput flattens -> what each size costs, and the largest that pays."""
    begin = clock()
    seconds: list[float] = []
    best = 0
    for size in sizes:
        run(size)  # the first run of a shape plans its memory
        seconds.append(max(1e-6, _quickest(run, size, clock)))
        if size / seconds[-1] >= GAIN * sizes[best] / seconds[best]:
            best = len(seconds) - 1
        if len(seconds) > best + 2 or clock() - begin > BUDGET:
            break  # two doublings without a gain, or a heavy model
    return Capacity(tuple(sizes[: len(seconds)]), tuple(seconds), sizes[best])


def _quickest(run: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    begin = clock()
    times: list[float] = []
    while len(times) < REPEATS or (len(times) < MOST_REPEATS and clock() - begin < PATIENCE):
        times.append(_timed(run, size, clock))
    return min(times)


def _timed(run: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    begin = clock()
    run(size)
    return clock() - begin
