"""Shares out indivisible units of labelled examples: every class in its proportion, every split in its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flambeau import randomness

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


def share_out(labels: Integers, units: Integers, shares: Sequence[float], seed: int) -> Integers:
    """Class (examples,) and unit (examples,) of each example -> the part (examples,) that it goes to, 0 to parts - 1.

    Examples of one unit stay together. First the units with several examples or classes, largest first, each to the part that
    lacks most of what it holds; then the single examples of each class, in random order, fill what is left to the whole
    number. At the end a class that a part has none of gets a unit from another part, if it has units enough.

    Args:
        labels: 0 to classes - 1.
        units: any numbers; equal ones belong together.
        shares: of each part; they are scaled to 1.
        seed: another seed is another choice.
    """
    counts = _unit_counts(labels, units)
    wanted = _wanted(counts.sum(0), np.asarray(shares, np.float64) / sum(shares))
    part_of_unit = np.full(len(counts), -1, np.int64)
    got = np.zeros_like(wanted)
    sizes = counts.sum(1)
    random = randomness.permutation(len(counts), seed)
    large = random[sizes[random] > 1]
    for unit in large[np.argsort(-sizes[large], kind="stable")]:
        lacking = ((wanted - got) * counts[unit]).sum(1) / sizes[unit] + (wanted - got).sum(1) / max(len(labels), 1)
        part = int(np.argmax(lacking))
        part_of_unit[unit] = part
        got[part] += counts[unit]
    singles = random[sizes[random] == 1]
    single_class = counts[singles].argmax(1)
    numbers = _whole(np.maximum(wanted - got, 0), np.bincount(single_class, minlength=counts.shape[1]))
    for label in range(counts.shape[1]):
        part_of_unit[singles[single_class == label]] = np.repeat(np.arange(len(shares)), numbers[:, label])
    _cover(part_of_unit, counts, len(shares))
    return part_of_unit[np.unique(units, return_inverse=True)[1]]


def units_per_class(labels: Integers, units: Integers) -> Integers:
    """How many units hold each class, (classes,)."""
    present: Integers = (_unit_counts(labels, units) > 0).sum(0)
    return present


def _unit_counts(labels: Integers, units: Integers) -> Integers:
    """Examples of each class in each unit, (units, classes)."""
    _, places = np.unique(units, return_inverse=True)
    counts = np.zeros((int(places.max(initial=-1)) + 1, int(labels.max(initial=-1)) + 1), np.int64)
    np.add.at(counts, (places, labels), 1)
    return counts


def _wanted(totals: Integers, shares: Reals) -> Reals:
    """How many examples of each class each part should have, (parts, classes): its share, but no less than one."""
    wanted = np.outer(shares, totals)
    for label, total in enumerate(totals):
        if total >= len(shares):
            column = np.maximum(wanted[:, label], 1)
            while (excess := column.sum() - total) > 1e-9:
                largest = column.argmax()
                column[largest] -= min(excess, column[largest] - 1)
            wanted[:, label] = column
    return wanted


def _whole(wanted: Reals, totals: Integers) -> Integers:
    """Real numbers (parts, classes) -> whole ones whose columns add up to `totals`, close to them in each column and in each row."""
    scale = totals / np.maximum(wanted.sum(0), 1e-12)
    even = np.outer(np.full(len(wanted), 1 / len(wanted)), totals)
    exact = np.where(wanted.sum(0) > 1e-9, wanted * scale, even)
    numbers = np.floor(exact + 1e-9).astype(np.int64)
    open_shares = np.maximum(exact - numbers, 0)
    debt = open_shares.sum(1)
    for label in np.argsort(-open_shares.max(0), kind="stable"):
        missing = int(totals[label] - numbers[:, label].sum())
        able = open_shares[:, label] > 1e-9
        for part in np.lexsort((-open_shares[:, label], -debt, ~able))[:missing]:
            numbers[part, label] += 1
            debt[part] -= 1
    _level(numbers, np.floor(exact + 1e-9).astype(np.int64), open_shares > 1e-9, debt)
    return numbers


def _level(numbers: Integers, floors: Integers, is_open: npt.NDArray[np.bool_], debt: Reals) -> None:
    """Passes examples on from parts that were rounded up too often to those rounded down too often, if need be over others, so that
    no part is off by more than one in all. Each number stays one of the two whole ones around its share. In place.
    """
    while (move := _passing(numbers > floors, is_open & (numbers == floors), debt)) is not None:
        for giver, taker, label in move:
            numbers[giver, label] -= 1
            numbers[taker, label] += 1
        debt[move[0][0]] += 1
        debt[move[-1][1]] -= 1


def _passing(up: npt.NDArray[np.bool_], down: npt.NDArray[np.bool_], debt: Reals) -> list[tuple[int, int, int]] | None:
    """Steps (giver, taker, class) from a part to one whose debt is larger by more than one; None if there are no such two."""
    for start in np.argsort(debt, kind="stable").tolist():
        ways: dict[int, list[tuple[int, int, int]]] = {start: []}
        waiting = [start]
        for giver in waiting:
            for taker in range(len(debt)):
                labels = np.flatnonzero(up[giver] & down[taker])
                if taker not in ways and len(labels):
                    ways[taker] = [*ways[giver], (giver, taker, int(labels[0]))]
                    waiting.append(taker)
        end = max(ways, key=lambda part: float(debt[part]))
        if debt[end] - debt[start] > 1 + 1e-9:
            return ways[end]
    return None


def _cover(part_of_unit: Integers, counts: Integers, num_parts: int) -> None:
    """Gives each part a unit of each class that it has none of, from a part that keeps one of every class that the unit holds."""
    holds = counts > 0
    present = np.zeros((num_parts, counts.shape[1]), np.int64)
    np.add.at(present, part_of_unit, holds)
    for label in np.argsort(holds.sum(0), kind="stable"):
        for part in np.flatnonzero(present[:, label] == 0):
            candidates = np.flatnonzero(holds[:, label])
            spare = [unit for unit in candidates if (present[part_of_unit[unit]][holds[unit]] > 1).all()]
            if spare:
                unit = min(spare, key=lambda unit: (counts[unit].sum(), -present[part_of_unit[unit], label], unit))
                present[part_of_unit[unit]] -= holds[unit]
                present[part] += holds[unit]
                part_of_unit[unit] = part
