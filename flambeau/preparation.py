"""From a plan to what a network can learn from: encoded once, cleaned, split, and fitted on the training split alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flambeau.cells import number_of
from flambeau.data.audit import gives_away
from flambeau.data.cache import Cache, encode
from flambeau.data.cleaning import Cleaned, clean
from flambeau.data.examples import TEST, TRAIN, VALID, Source, some
from flambeau.data.split import Split, split
from flambeau.data.store import Ragged, Rows
from flambeau.errors import DataError, Notice
from flambeau.evaluation.kinds import evaluation_of
from flambeau.events import Progress, Show
from flambeau.inputs.input import Preprocessor
from flambeau.machine import keep_freed_memory
from flambeau.messages import printable
from flambeau.naming import LONGEST
from flambeau.recipe import Recipe
from flambeau.tasks.task import Target, Task
from flambeau.types import Array, Example

HEAVIEST = 1e12
"""Greatest weight of an example."""
TOGETHER = 4096
"""Examples that are finished at once."""


@dataclass(frozen=True)
class Prepared:
    """Data that is ready, and everything that was fitted on its training split."""

    source: Source
    cache: Cache
    cleaned: Cleaned
    split: Split
    preprocessors: Mapping[str, Preprocessor]
    target: Target
    rows: Mapping[str, Rows]
    """By input: row number -> the encoded example, what `Preprocessor.encode` gives; nothing for rows that are in no split."""
    weight: str | None = None
    """The column with the weights of the examples."""
    features: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    """(examples, features) by network: what a frozen body made of the rows, kept for all who ask for it again."""

    def groups(self, rows: npt.NDArray[np.int64]) -> list[tuple[str, ...]]:
        """Those of the target's groups in which each row is counted."""
        return [self.target.group(self.source.raw(int(row))) for row in rows]

    @cached_property
    def counts_by_split(self) -> dict[str, dict[str, int]]:
        """Split -> examples of each group, the largest group first unless their order means something."""
        parts = {TRAIN: self.split.train, VALID: self.split.valid, TEST: self.split.test}
        found = {word: Counter(group for groups in self.groups(rows) for group in groups) for word, rows in parts.items()}
        used = sum(found.values(), Counter[str]())
        order = [group for group in self.target.groups if used[group]]
        if not self.target.ordered:
            order.sort(key=lambda group: -used[group])
        return {word: {group: counts[group] for group in order} for word, counts in found.items()}

    def weights(self) -> npt.NDArray[np.float32] | None:
        """The weight of every row in the loss of training; None where the recipe names no column of them.

        Raises:
            DataError: a weight of an example that is used is no number, below 0 or out of all measure; or all are 0.
        """
        if self.weight is None:
            return None
        values, weights = self.source.values(self.weight), np.zeros(len(self.source), np.float32)
        for row in self.split.used().tolist():
            weights[row] = _weight(values[row], self.weight, self.source.where(row))
        if not weights[self.split.train].any():
            raise DataError("weights-nothing", where=self.weight)
        return weights

    def examples(self, rows: npt.NDArray[np.int64]) -> list[Example]:
        """The raw examples of these rows."""
        return [self.source.examples[int(row)] for row in rows]

    def truths(self, rows: npt.NDArray[np.int64]) -> Array:
        """The targets of these rows in answer space, (rows, ...)."""
        return np.stack([self.target.truth(self.source.raw(int(row))) for row in rows])

    @property
    def test(self) -> tuple[list[Example], Array]:
        """The raw examples of the test split and their truths."""
        return self.examples(self.split.test), self.truths(self.split.test)

    @cached_property
    def targets(self) -> Array:
        """The targets of all rows in training space; rows that are in no split hold zeros."""
        used = self.split.used()
        encoded = [self.target.encode(self.source.raw(int(row))) for row in used]
        targets = np.zeros((len(self.source), *encoded[0].shape), encoded[0].dtype)
        targets[used] = encoded
        return targets

    def with_validation_in_train(self) -> Prepared:
        """The same data with the validation examples among those to learn from; nothing is fitted again."""
        both = np.sort(np.concatenate([self.split.train, self.split.valid]))
        return replace(self, split=replace(self.split, train=both))


def prepare(source: Source, recipe: Recipe, folder: Path, show: Show) -> Prepared:
    """Reads, cleans, splits and fits.

    Args:
        recipe: resolved.
        folder: the run's; takes the cache where the user's cannot be written.

    Raises:
        DataError: too much of the data is unusable, or a class is too small to be split.
    """
    assert recipe.task is not None, "a resolved recipe has a task"
    keep_freed_memory()
    cache = encode(source, recipe.inputs, folder, lambda done, total: show(Progress("stage-reading", done, total)))
    cleaned = clean(source, cache, recipe.inputs, recipe.data, recipe.task)
    targets = [source.raw(row) for row in range(len(source))]
    settings = recipe.data.split
    groups = None if settings.group is None else source.values(settings.group)
    strata = _strata(recipe.task, targets, cleaned.kept)
    parts = split(strata, cleaned.clusters, settings, groups=groups, given=source.given, rows=cleaned.kept)
    told = _giving_away(source, recipe, strata, parts.train)
    preprocessors = {name: chosen.fit(_rows(cache.rows[name], parts.train)) for name, chosen in recipe.inputs.items()}
    used = recipe.task.knowing([targets[int(row)] for row in parts.used()])
    target = used.fit([targets[int(row)] for row in parts.train])
    for notice in (*source.notices, *cache.notices, *cleaned.notices, *parts.notices, *told, *target.notices()):
        show(notice)
    evaluation_of(target).demand_figures(recipe.test)  # before anything is learnt that could not be judged
    rows = {name: finished(cache.rows[name], chosen, parts.used()) for name, chosen in preprocessors.items()}
    return Prepared(source, cache, cleaned, parts, preprocessors, target, rows, recipe.task.weight)


def _strata(task: Task, targets: list[object], kept: npt.NDArray[np.int64]) -> list[str]:
    """The stratum of each row; "" for those that are not used, whose targets may say nothing."""
    strata = [""] * len(targets)
    rows = kept.tolist()
    for row, stratum in zip(rows, task.strata([targets[row] for row in rows]), strict=True):
        strata[row] = stratum
    return strata


def _giving_away(source: Source, recipe: Recipe, strata: list[str], train: npt.NDArray[np.int64]) -> list[Notice]:
    """A warning for columns that tell the target, as they will hardly be known when an answer is wanted."""
    columns = [column for name, chosen in recipe.inputs.items() if chosen.gathers for column in chosen.fields(name)]
    rows = train.tolist()
    targets = [strata[row] for row in rows]
    found = [column for column in columns if gives_away([source.examples[row][column] for row in rows], targets)]
    return [Notice("columns-leak", {"columns": some(found, 20), "n": len(found)})] if found else []


def finished(rows: Rows, chosen: Preprocessor, used: npt.NDArray[np.int64]) -> Rows:
    """What was read of every example -> what is encoded, in memory; the rows that are not used hold nothing."""
    if not chosen.finishes:
        return rows
    spec = chosen.spec
    nothing = np.zeros([size or 0 for size in spec.shape], spec.dtype)
    encoded = [nothing] * len(rows)
    for low in range(0, len(used), TOGETHER):
        some_of_them = used[low : low + TOGETHER].tolist()
        for row, array in zip(some_of_them, chosen.finish_all([rows[row] for row in some_of_them]), strict=True):
            encoded[row] = array
    return Ragged.of(encoded) if None in spec.shape else np.stack(encoded)


def _weight(value: object, column: str, where: str) -> float:
    try:
        weight = number_of(value)
    except (TypeError, ValueError, OverflowError):
        weight = -1.0
    if not 0 <= weight <= HEAVIEST:
        raise DataError("weight-form", where=f"{where} {column}", value=printable(value)[:LONGEST])
    return weight


def _rows(rows: Rows, wanted: npt.NDArray[np.int64]) -> Iterator[Array]:
    return (rows[int(row)] for row in wanted)
