"""Does an export answer as the network that was trained? Compared on raw examples, through the whole road."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from flambeau.errors import CheckFailed
from flambeau.predictor import BATCH, Predictor
from flambeau.types import Array, Example, Runner

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


def verify(target: str, runner: Runner, reference: Runner, predictor: Predictor, examples: Sequence[Example]) -> Verification:
    """Raw examples through `predictor`'s preprocessing into both runners -> how far they are apart."""
    worst, same = 0.0, 0
    for encoded in _batches(predictor, examples):
        got = replace(predictor, runner=runner).answer(encoded)
        want = replace(predictor, runner=reference).answer(encoded)
        worst = max(worst, largest_difference(predictor.target.nearest(got, want), want, predictor.target.units))
        same += int(predictor.target.agrees(got, want, TOLERANCE).sum())
    return Verification(target, len(examples), worst, same, TOLERANCE, worst <= TOLERANCE and same == len(examples))


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


def _batches(predictor: Predictor, examples: Sequence[Example]) -> Iterator[list[dict[str, Array]]]:
    for start in range(0, len(examples), BATCH):
        yield [predictor.encode(example) for example in examples[start : start + BATCH]]
