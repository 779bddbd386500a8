"""Does an export answer as the network that was trained? Compared on raw examples, through the whole road."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from flambeau.errors import CheckFailed
from flambeau.tasks.task import Target
from flambeau.types import Array, Runner

TOLERANCE = 1e-4
"""Largest difference of a probability between two runtimes that counts as the same answer (fp32 sums in another order)."""


@dataclass(frozen=True)
class Verification:
    """What a comparison of two runners found."""

    target: str
    num_examples: int
    largest_difference: float
    """As `largest_difference`, over all examples."""
    num_same: int
    """Examples that get the same answer from both, as the task sees it."""
    tolerance: float | None
    """Largest difference that passes; None where the score decides instead."""
    passed: bool

    def to_json(self) -> dict[str, object]:
        """All fields."""
        return asdict(self)


def verify(target: str, answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], decoder: Target) -> Verification:
    """What an export and the network answered to the same raw examples, (examples, answers) each -> how far they are apart."""
    worst = largest_difference(decoder.nearest(answers, reference), reference, decoder.units)
    same = int(decoder.agrees(answers, reference, TOLERANCE).sum())
    return Verification(target, len(answers), worst, same, TOLERANCE, worst <= TOLERANCE and same == len(answers))


def largest_difference(answers: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], units: npt.ArrayLike = 1.0) -> float:
    """Largest |answer - reference| in `units` (`Target.units`), relative to the reference where that is larger; infinite where one of
    them is not finite.
    """
    if not (np.isfinite(answers).all() and np.isfinite(reference).all()):
        return float("inf")
    return float((np.abs(answers - reference) / np.maximum(units, np.abs(reference))).max())


def demand(verification: Verification, where: str) -> None:
    """
    Raises:
        CheckFailed: the export answers differently.
    """
    if not verification.passed:
        raise CheckFailed(
            "export-differs",
            where=where,
            target=verification.target,
            difference=verification.largest_difference,
            tolerance=verification.tolerance,
            same=verification.num_same,
            n=verification.num_examples,
        )


def latency(runner: Runner, batch: Mapping[str, Array], repeats: int = 200) -> float:
    """Median milliseconds of one call of `runner` with `batch`."""
    for _ in range(3):
        runner(batch)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        runner(batch)
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000)
