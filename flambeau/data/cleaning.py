"""Which examples are used: the unusable are listed, copies of one thing are found, nothing on the disk is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flambeau.data.cache import Cache
from flambeau.data.config import DataConfig
from flambeau.data.duplicates import close_pairs, cluster
from flambeau.data.examples import TEST, VALID, Source
from flambeau.errors import DataError, Notice
from flambeau.inputs.input import Input
from flambeau.tasks.task import Task

Integers = npt.NDArray[np.int64]
MOSTLY = 0.9
"""Share of unusable examples from which it is rather a matter of how the data is read, and nobody is told to allow so many."""
MANY = 0.1
"""Share of the rows that are equal to others, and share of such sets whose targets differ, from which equal rows are no copies."""
SHOWN = 3
"""Examples that an error or a warning names."""


@dataclass(frozen=True)
class Problem:
    """An example that is not used."""

    row: int
    where: str
    """Its file, relative to the source, or its number."""
    error: DataError
    """Why, in the language of whoever reads it."""


@dataclass(frozen=True)
class Cleaned:
    """What is left of the data."""

    kept: Integers
    """Rows of the source that are used, rising."""
    clusters: Integers
    """(examples,) for each row of the source the lowest row that it is a copy of: itself, for most."""
    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...]
    contradictions: tuple[tuple[int, ...], ...] = ()
    """Rows with equal content and different labels."""

    @property
    def duplicates(self) -> list[Integers]:
        """The rows of each cluster with more than one example, largest first."""
        names, sizes = np.unique(self.clusters, return_counts=True)
        several = names[sizes > 1][np.argsort(-sizes[sizes > 1], kind="stable")]
        order = np.argsort(self.clusters, kind="stable")
        left = np.searchsorted(self.clusters[order], several)
        right = np.searchsorted(self.clusters[order], several, "right")
        return [order[low:high] for low, high in zip(left, right, strict=True)]

    @property
    def num_duplicates(self) -> int:
        """Examples that are a copy of an earlier one."""
        return int((self.clusters != np.arange(len(self.clusters))).sum())


def clean(source: Source, cache: Cache, inputs: Mapping[str, Input], config: DataConfig, task: Task | None = None) -> Cleaned:
    """Encoded examples -> which of them are used, which are copies of each other, and what is wrong with the rest.

    Args:
        task: what the targets mean; without it none of them is missing.

    Raises:
        DataError: more than `max_bad` of the examples are unusable.
    """
    problems = tuple(_problems(source, cache, config, task))
    if len(problems) > config.max_bad * len(source):
        raise _too_many(problems, source, config)
    bad = {problem.row for problem in problems}
    usable = np.array([row for row in range(len(source)) if row not in bad], np.int64)
    notices = [Notice("data-unusable", _facts(problems, source, config))] if problems else []
    groups = _equal_groups(cache, usable)
    if config.near_duplicates == "together" and _are_coincidences(source, inputs, groups, len(usable)):
        told = Notice("rows-coincide", {"n": sum(map(len, groups)), "apart": len(groups)})
        return Cleaned(usable, np.arange(len(source)), problems, (*notices, told))
    contradictions = () if task is not None and task.varies else _contradictions(source, groups)
    if contradictions:
        names = ", ".join(f"{source.where(row)} ({source.label(row)})" for row in contradictions[0][:SHOWN])
        notices.append(Notice("labels-contradict", {"n": len(contradictions), "names": names}))
    if config.near_duplicates == "ignore":
        return Cleaned(usable, np.arange(len(source)), problems, tuple(notices), contradictions)
    clusters, num_chains = _clusters(len(source), groups, usable, cache, inputs)
    if num_chains:
        notices.append(Notice("duplicates-chained", {"n": num_chains}))
    if config.near_duplicates == "drop":
        doubtful = {row for rows in contradictions for row in rows}
        usable = _one_of_each(usable, clusters, doubtful, source.given)
    return Cleaned(usable, clusters, problems, tuple(notices), contradictions)


def _problems(source: Source, cache: Cache, config: DataConfig, task: Task | None) -> list[Problem]:
    """What is wrong with each example that cannot be used."""
    facts = cache.facts
    targets = [None] * len(source) if source.target is None else source.values(source.target)
    found = []
    for row, error in enumerate(facts.errors):
        if error is None and source.target is not None and task is not None:
            is_missing = task.is_missing(targets[row])
            error = DataError("target-missing", column=source.target) if is_missing else task.problem(targets[row])
        if error is None and facts.blank[row] and config.blank == "drop":
            error = DataError("example-blank")
        if error is not None:
            found.append(Problem(row, source.where(row), error))
    return found


def _facts(problems: Sequence[Problem], source: Source, config: DataConfig) -> dict[str, object]:
    share = len(problems) / len(source)
    first = "   ".join(f"{problem.where}: {problem.error.what}" for problem in problems[:SHOWN])
    allowed = f"{min(1.0, np.ceil(share * 100) / 100):.0%}"
    return {"n": len(problems), "total": len(source), "share": share, "first": first, "limit": config.max_bad, "allowed": allowed}


def _too_many(problems: Sequence[Problem], source: Source, config: DataConfig) -> DataError:
    code = "data-too-bad" if len(problems) < MOSTLY * len(source) else "data-mostly-bad"
    return DataError(code, where=str(source.place or source.name), **_facts(problems, source, config))


def _equal_groups(cache: Cache, usable: Integers) -> list[list[int]]:
    """Rows with the same content, two or more."""
    by_hash: dict[str, list[int]] = {}
    for row in usable.tolist():
        digest = cache.facts.sha256[row]
        if digest:
            by_hash.setdefault(digest, []).append(row)
    return [rows for rows in by_hash.values() if len(rows) > 1]


def _are_coincidences(source: Source, inputs: Mapping[str, Input], groups: Sequence[list[int]], total: int) -> bool:
    """Whether equal rows of a table are no copies, but different examples of which too little is known to tell them apart: there are many
    of them, and many have different targets."""
    if source.target is None or not all(chosen.gathers for chosen in inputs.values()) or sum(map(len, groups)) < MANY * total:
        return False
    return len(_contradictions(source, groups)) >= MANY * len(groups)


def _contradictions(source: Source, groups: Sequence[list[int]]) -> tuple[tuple[int, ...], ...]:
    if source.target is None:
        return ()
    return tuple(tuple(rows) for rows in groups if len({source.label(row) for row in rows}) > 1)


def _clusters(size: int, groups: Sequence[list[int]], usable: Integers, cache: Cache, inputs: Mapping[str, Input]) -> tuple[Integers, int]:
    """The cluster of each row. Candidates come from the first input that has fingerprints; all inputs have to agree."""
    equal = np.array([(rows[0], row) for rows in groups for row in rows[1:]], np.int64).reshape(-1, 2)
    pairs, distances = np.empty((0, 2), np.int64), np.empty(0, np.int64)
    for fingerprints in list(cache.facts.fingerprints.values())[:1]:
        single = np.setdiff1d(usable, equal[:, 1])
        pairs, distances = close_pairs(fingerprints[single])
        pairs = single[pairs]

    def are_alike(pairs: Integers) -> npt.NDArray[np.bool_]:
        ones, others = pairs.T
        answers = [chosen.alike(cache.rows[name][ones], cache.rows[name][others]) for name, chosen in inputs.items()]
        return np.asarray(np.logical_and.reduce(answers))

    return cluster(size, equal, pairs, distances, are_alike)


def _one_of_each(usable: Integers, clusters: Integers, doubtful: set[int], given: Sequence[str | None] | None) -> Integers:
    """One row of each cluster: from the test split where there is a given one, so that it stays whole; none with a doubtful label."""
    rank = {TEST: 0, VALID: 1}
    chosen: dict[int, int] = {}
    for row in sorted(usable.tolist(), key=lambda row: (2 if given is None else rank.get(given[row] or "", 2), row)):
        if row not in doubtful:
            chosen.setdefault(int(clusters[row]), row)
    return np.array(sorted(chosen.values()), np.int64)
