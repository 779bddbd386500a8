"""How many examples a model should answer together on this machine: measured, since nobody can know it.

Sizes that the start has no time for are tried on real requests, when so many wait.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

SIZES = (1, 2, 4, 8, 16, 32)
GAIN = 1.02
"""A larger batch must bring at least this much more throughput than the best smaller one: what less would bring, a measurement cannot tell."""
BEYOND = 2
"""So many doublings without a gain end the search."""
LIGHT = 8
"""Up to this size the memory of a batch is no matter."""
LONG = 0.1
"""Seconds of half a batch from which on it is not tried: what a call costs by itself is nothing beside it, memory and wait are not."""
TRIES = 4
"""So often a size that comes up with real requests may run before it is given up."""
REPEATS = 20
PATIENCE = 0.008
"""Seconds for each size: on a shared machine only the quickest of several runs says what it costs."""
BUDGET = 0.06
"""Seconds for all sizes together, so that a heavy model is ready soon."""


@dataclass(frozen=True)
class Capacity:
    """What batches cost."""

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    """Of one batch of each size, at its quickest."""
    max_batch: int
    """The largest that pays, of those that were measured."""
    tries: tuple[float, ...] = ()
    """Seconds of the next larger size so far, on real requests; the first time plans the memory of its shape."""
    lately: tuple[float, ...] = ()
    """Seconds of the latest batches of `max_batch`."""

    @property
    def is_flat(self) -> bool:
        """Whether larger batches have been tried in vain."""
        return self.max_batch not in self.sizes[-BEYOND:]

    @property
    def is_settled(self) -> bool:
        """Whether no size is left to be tried."""
        return self.is_flat or self.sizes[-1] == SIZES[-1]

    def cost(self, num_examples: int) -> float:
        """Seconds that a batch will take in the model."""
        place = min(bisect_left(self.sizes, num_examples), len(self.sizes) - 1)
        return self.seconds[place]

    def throughput(self) -> float:
        """Examples per second at the largest batch."""
        return self.max_batch / self.cost(self.max_batch)

    def largest(self, num_waiting: int) -> int:
        """Examples to answer together now: `max_batch`, or the next size that nobody has tried yet, if so many wait.

        A large size that is tried in vain costs memory that the runtime keeps, so the one before has to have paid, and to take less than
        `LONG` at the pace of `max_batch`, which is known best: a size that the start has timed once may have been held up.
        """
        if num_waiting <= self.max_batch:
            return self.max_batch
        untried = next((size for size in SIZES if size > self.sizes[-1]), None)
        if untried is None or num_waiting < untried or self.is_flat or untried / 2 / self.throughput() > LONG:
            return self.max_batch
        return untried if untried <= LIGHT or self.max_batch == self.sizes[-1] else self.max_batch

    def learned(self, size: int, seconds: float) -> Capacity:
        """The same, after a batch of `size` took so long.

        A machine that others use as well is slower for a while, with all sizes: what a new size takes is put in relation to what
        `max_batch` has taken lately.
        """
        if size in self.sizes:
            place = self.sizes.index(size)
            lately = (*self.lately[1 - TRIES :], seconds) if size == self.max_batch else self.lately
            if seconds >= self.seconds[place]:
                return replace(self, lately=lately)
            known = _judged(self.sizes, (*self.seconds[:place], seconds, *self.seconds[place + 1 :]))
            return replace(known, lately=lately if known.max_batch == self.max_batch else ())
        if size not in SIZES or size < self.sizes[-1]:
            return self
        slower = min(self.lately) / self.cost(self.max_batch) if self.lately else 1.0
        tries = (*self.tries, seconds / slower)
        grown = _judged((*self.sizes, size), (*self.seconds, min(tries)))
        if grown.max_batch == size:
            return replace(grown, lately=(seconds,))
        return replace(grown, lately=self.lately) if len(tries) == TRIES else replace(self, tries=tries)


def measure(run: Callable[[int], object], sizes: Sequence[int] = SIZES, clock: Callable[[], float] = time.perf_counter) -> Capacity:
    """Time `run` for growing batches until the throughput flattens or the time is over -> what each size costs."""
    end = clock() + BUDGET
    found = _judged(tuple(sizes[:1]), (_quickest(run, sizes[0], clock, end),))
    for size in sizes[1:]:
        if found.is_flat or clock() + 3 * found.seconds[-1] > end:
            break
        found = _judged((*found.sizes, size), (*found.seconds, _quickest(run, size, clock, end)))
    return found


def _judged(sizes: tuple[int, ...], seconds: tuple[float, ...]) -> Capacity:
    best = 0
    for place in range(1, len(sizes)):
        if sizes[place] / seconds[place] >= GAIN * sizes[best] / seconds[best]:
            best = place
    return Capacity(sizes, seconds, sizes[best])


def _quickest(run: Callable[[int], object], size: int, clock: Callable[[], float], end: float) -> float:
    """Seconds of the quickest of several runs; the first, which plans the memory of its shape, counts only where there is no time for more."""
    first = _timed(run, size, clock)
    times: list[float] = []
    stop = min(clock() + PATIENCE, end)
    while len(times) < REPEATS and clock() + first < stop:
        times.append(_timed(run, size, clock))
    return max(1e-6, min(times, default=first))


def _timed(run: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    begin = clock()
    run(size)
    return clock() - begin
