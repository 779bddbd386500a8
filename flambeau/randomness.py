"""Random numbers without a generator: each is a function of its key, so order, workers and restarts cannot change it.

Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014) used as a counter-based hash.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def bits(*key: int | npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """64 random bits for each key. Parts of the key are integers or integer arrays that broadcast: ``bits(seed, epoch, indices)``."""
    state = np.zeros((), np.uint64)
    with np.errstate(over="ignore"):
        for part in key:
            state = _mix(state + _GAMMA + _mix(np.asarray(part).astype(np.int64).view(np.uint64) + _GAMMA))
    return state


def uniform(*key: int | npt.ArrayLike) -> npt.NDArray[np.float64]:
    """One number in [0, 1) for each key."""
    return (bits(*key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(n: int, *key: int) -> npt.NDArray[np.int64]:
    """The numbers 0 to n-1 in an order that depends on the key alone."""
    return np.argsort(bits(*key, np.arange(n)), kind="stable").astype(np.int64)


def seed(*key: int) -> int:
    """A seed for somebody else's generator, 0 to 2**63 - 1."""
    return int(bits(*key) >> np.uint64(1))
