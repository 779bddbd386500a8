"""`flambeau test`: the score of a finished model, by the runner that ships, on raw values."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flambeau.artifact import Artifact
from flambeau.data.config import DataConfig
from flambeau.data.examples import TEST, some
from flambeau.data.listing import cell
from flambeau.data.source import open_data, open_source
from flambeau.document import read_file
from flambeau.errors import DataError, UsageError
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.kinds import evaluation_of
from flambeau.events import Show
from flambeau.finishing import held, tell, test
from flambeau.model import load
from flambeau.recipe import Recipe, parse, parse_part
from flambeau.run import Run
from flambeau.runfolder import RunFolder, find_run
from flambeau.storage import sha256_of
from flambeau.types import Example


def test_model(
    model: Path,
    data: object,
    minimum: Mapping[str, float] | Sequence[str],
    maximum: Mapping[str, float] | Sequence[str],
    allow_code: bool,
    show: Show,
) -> Run:
    """Scores a model on its own test split, or on all of other data.

    Raises:
        CheckFailed: a score is below `minimum`, or an error above `maximum`.
        DataError: the data of the run is gone or has changed, or a label is unknown to the model.
    """
    started = time.perf_counter()
    loaded = load(model, allow_code=allow_code).artifact
    recipe = recipe_of(loaded)
    run = find_run(model)
    examples, raws = own_test_split(run) if data is None else _all_of(data, recipe)
    target = loaded.predictor.target
    truths = np.stack([target.truth(raw) for raw in raws])
    low, high = ({**getattr(recipe.test, side), **_bounds(side, more)} for side, more in (("min", minimum), ("max", maximum)))
    bounds = recipe.test.model_copy(update={"min": low, "max": high})
    evaluation_of(target).demand_figures(bounds)
    tested = test(loaded.predictor, examples, truths, recipe.test, show)
    tell(tested, show)
    seconds = time.perf_counter() - started
    times = {"test": seconds, "total": seconds}
    found = Run(run.path if run else None, loaded.path, tested.headlines, tested.baseline, times, None, allow_code, tested.verdict)
    return held(found, tested, bounds)


test_model.__test__ = False  # type: ignore[attr-defined]  # pytest takes every imported test_... for a test


def recipe_of(artifact: Artifact) -> Recipe:
    """The resolved recipe that an artifact was made by."""
    return parse(read_file(artifact.path / "recipe.yaml").tree)


def own_test_split(run: RunFolder | None, split: str = TEST) -> tuple[list[Example], list[object]]:
    """The raw examples of the test split (or another one) of a run and their raw targets, from its split.csv.

    Raises:
        DataError: there is no run, or its data is not where it was.
    """
    if run is None or not run.split.is_file() or run.read()["in_memory"]:
        raise DataError("test-data-missing", where="data")
    recipe = parse(read_file(run.resolved).tree)  # the artifact's does not say where the data lies
    assert recipe.task is not None
    source = open_source(recipe.data, recipe.task.target, column=recipe.column)
    with run.split.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        listed = list(csv.DictReader(file))
    if [entry["path"] for entry in listed] != [cell(source.where(row)) for row in range(len(source))]:
        raise DataError("test-data-changed", where=str(source.place or source.name), found=len(source), expected=len(listed))
    rows = [row for row, entry in enumerate(listed) if entry["split"] == split]
    altered = [source.where(row) for row in rows if not _is_same(source.examples[row], recipe, listed[row]["sha256"])]
    if altered:
        raise DataError("test-data-altered", where=str(source.place or source.name), n=len(altered), names=some(altered))
    return [source.examples[row] for row in rows], [source.raw(row) for row in rows]


def _is_same(example: Example, recipe: Recipe, digest: str) -> bool:
    """Whether an example whose only input is a file is the one that was listed with this SHA-256."""
    values = [chosen.take(example, name) for name, chosen in recipe.inputs.items()]
    return len(values) != 1 or not isinstance(values[0], Path) or (values[0].is_file() and sha256_of(values[0]) == digest)


def _all_of(data: object, recipe: Recipe) -> tuple[list[Example], list[object]]:
    assert recipe.task is not None
    memory = data if isinstance(data, Mapping) else None
    config = DataConfig(**open_data(data), series=recipe.data.series, encoding=recipe.data.encoding)
    source = open_source(config, recipe.task.target, memory, column=recipe.column)
    return list(source.examples), [source.raw(row) for row in range(len(source))]


def _bounds(side: str, given: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    """{"accuracy": 0.9} or ("accuracy=0.9",) -> the former, its names checked; `side` is "min" or "max"."""
    bounds = dict(given) if isinstance(given, Mapping) else dict(_bound(side, word) for word in given)
    checked: TestConfig = parse_part(TestConfig, {side: bounds}, ("test",))
    return checked.min if side == "min" else checked.max


def _bound(side: str, word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise UsageError("min-form", where=f"--{side}", given=word) from error
