"""Which examples are copies of each other: found by fingerprint without comparing all with all, then looked at in pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Fingerprints = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

NEAR = 6
"""Fingerprints with up to so many different bits of 64 are worth a comparison. Of 295 photos of hand signs and their copies
(JPEG quality 50 and 20, half size, 20 % brighter) 6 bits find all but 1 % of the copies that 10 bits find; 8 bits cost four times as much."""
MAX_LAG = 1_000
"""Neighbours that are compared within one band: bounds the work where thousands of examples share their bits."""
MAX_FOUND, MIN_FOUND = 4, 100_000
"""Close pairs that are collected within one band, for each example or in all: enough to link any number of copies to one set."""
MAX_TRIES = 32
"""Comparisons of one example with others that turn out not to be alike."""
TOGETHER = 1024
"""Candidates that are compared at once. Some of them turn out to be settled by the others: a little work for nothing, the same result."""
MIN_CHAIN, CHAIN_SHARE = 50, 0.05
"""A set of more examples than both is taken for a chain of merely similar ones, and is cut."""


def close_pairs(fingerprints: Fingerprints, most: int = NEAR) -> tuple[Integers, Integers]:
    """Fingerprints (n,) -> pairs of positions (pairs, 2) that differ in at most `most` bits, nearest first, and in how many bits.

    If two fingerprints of 64 bits differ in at most k bits, they agree in one of k + 1 bands. So for each band the
    fingerprints are sorted by it and only neighbours with equal bits there are compared.
    Source: multi-index hashing; Norouzi, Punjani, Fleet: Fast search in Hamming space with multi-index hashing, CVPR 2012.
    """
    found = [_in_band(fingerprints, band, most) for band in _bands(most + 1)]
    keys = np.unique(np.concatenate(found))
    pairs = np.stack(np.divmod(keys, max(len(fingerprints), 1)), axis=1)
    distances = np.bitwise_count(fingerprints[pairs[:, 0]] ^ fingerprints[pairs[:, 1]]).astype(np.int64)
    order = np.argsort(distances, kind="stable")
    return pairs[order], distances[order]


def _bands(number: int) -> Iterator[np.uint64]:
    """Masks that share out the 64 bits evenly."""
    edges = [64 * place // number for place in range(number + 1)]
    for low, high in pairwise(edges):
        yield np.uint64((1 << high) - (1 << low))


def _in_band(fingerprints: Fingerprints, mask: np.uint64, most: int) -> Integers:
    """Close pairs (low, high) among the fingerprints that have equal bits under `mask`, each as one number: low * n + high."""
    order = np.lexsort((fingerprints, fingerprints & mask))
    sorted_ones = fingerprints[order]
    bands = sorted_ones & mask
    here = np.arange(len(order))
    found = [np.empty(0, np.int64)]
    for lag in range(1, MAX_LAG + 1):
        here = here[here + lag < len(order)]
        here = here[bands[here + lag] == bands[here]]
        if not len(here):
            break
        near = here[np.bitwise_count(sorted_ones[here] ^ sorted_ones[here + lag]) <= most]
        one, other = order[near], order[near + lag]
        found.append(np.minimum(one, other) * len(order) + np.maximum(one, other))
        if sum(map(len, found)) > max(MAX_FOUND * len(order), MIN_FOUND):
            break
    return np.concatenate(found)


class Sets:
    """Disjoint sets of the numbers 0 to size - 1; the smallest member names its set. Source: Tarjan 1975, path halving."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, member: int) -> int:
        """The name of the member's set."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def join(self, one: int, other: int) -> None:
        """Makes one set of two."""
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low

    def names(self) -> Integers:
        """The name of every member's set, (size,)."""
        return np.array([self.find(member) for member in range(len(self._parent))], np.int64)


def cluster(size: int, equal: Integers, pairs: Integers, distances: Integers, are_alike: Callable[[Integers], Flags]) -> tuple[Integers, int]:
    """Pairs of examples -> the cluster of each (the smallest example in it), and how many sets were cut as chains.

    Args:
        size: number of examples.
        equal: (pairs, 2) examples with the same content.
        pairs: (pairs, 2) candidates, nearest first.
        distances: (pairs,) how far apart they are.
        are_alike: which of several candidates (candidates, 2) are copies indeed; hardly asked where nearer pairs have joined the two already.
    """
    sets = Sets(size)
    for one, other in equal.tolist():
        sets.join(one, other)
    tries = [0] * size
    kept: list[tuple[int, int, int]] = []

    def matters(one: int, other: int) -> bool:
        return max(tries[one], tries[other]) < MAX_TRIES and sets.find(one) != sets.find(other)

    for low in range(0, len(pairs), TOGETHER):
        open_ones = [place for place, (one, other) in enumerate(pairs[low : low + TOGETHER].tolist(), low) if matters(one, other)]
        alike = are_alike(pairs[open_ones]).tolist() if open_ones else []
        for (one, other), distance, is_alike in zip(pairs[open_ones].tolist(), distances[open_ones].tolist(), alike, strict=True):
            if not matters(one, other):
                continue
            if is_alike:
                sets.join(one, other)
                kept.append((one, other, distance))
            else:
                tries[one] += 1
                tries[other] += 1
    return _cut_chains(size, equal, kept, sets.names())


def _cut_chains(size: int, equal: Integers, kept: list[tuple[int, int, int]], names: Integers) -> tuple[Integers, int]:
    """Leaves out the farthest pairs within sets that are too large, until they are not; equal examples are never parted.

    `kept` is a spanning forest built nearest first, so cutting its far edges gives the sets that a nearer limit gives.
    """
    num_cut = 0
    for limit in range(NEAR - 1, -2, -1):
        largest = np.bincount(names, minlength=size) > max(MIN_CHAIN, CHAIN_SHARE * size)
        if not largest.any():
            break
        num_cut = num_cut or int(largest.sum())
        kept = [(one, other, distance) for one, other, distance in kept if distance <= limit or not largest[names[one]]]
        sets = Sets(size)
        for one, other in [*equal.tolist(), *((one, other) for one, other, _ in kept)]:
            sets.join(one, other)
        names = sets.names()
    return names, num_cut
