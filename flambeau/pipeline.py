"""The front page: what flambeau does, verb by verb. `fit` is the whole walk.

raw value -> Example -> split -> Preprocessor (fitted on train only) -> cache -> Batch -> Network
          -> training steps -> Runner -> test -> Artifact and report -> answer
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from flambeau import events
from flambeau.events import Show
from flambeau.extras import need
from flambeau.transcript import Transcript

if TYPE_CHECKING:
    from flambeau.exporting.openvino import Precision
    from flambeau.planning import Words
    from flambeau.recipe import Recipe
    from flambeau.run import Run
    from flambeau.views import LayerTable, Preview

    AnyRecipe = str | Path | Recipe | Mapping[str, Any] | None


def fit(
    data: object = None,
    *,
    recipe: AnyRecipe = None,
    run: str | Path | None = None,
    resume: str | Path | None = None,
    refit: bool = False,
    find_lr: bool = False,
    force: bool = False,
    allow_code: bool = False,
    show: Show | None = None,
    **words: Unpack[Words],
) -> Run:
    """Raw data -> a tested model in a run folder.

    Args:
        data: a folder with one sub-folder for each class, a CSV or .npz file, or arrays by column name; goes before the recipe's.
        recipe: a YAML file, or the same as a mapping or a Recipe; what it leaves open is chosen from the data.
        run: the run's folder; runs/NAME-N by default. One that is there is replaced with `force` alone.
        resume: an interrupted run to go on with; then nothing else is needed.
        refit: after the best epoch is known, train once more on train + validation.
        find_lr: look for the learning rate first.
        allow_code: permit Python code that the recipe names.
        show: takes every event (`flambeau.events`); by default it is written to standard error.
        words: as on the command line: target, group, epochs, seed, settings, ...

    Raises:
        CheckFailed: the finished model misses what the recipe's `test` asks for; the run is there to be looked at.
    """
    need("train", "fit")
    from flambeau import finishing, learning, reporting
    from flambeau.journal import journal_of
    from flambeau.planning import Request, resolve
    from flambeau.preparation import prepare

    request = Request.from_words(data, recipe, allow_code, **words)
    journal = journal_of(request, resume, show or _standard_error(), refit, find_lr)
    if journal.is_finished:
        return journal.finished()
    journal.show(learning.started())
    with journal.timed("data"):
        plan = resolve(journal.request)
    with journal.opened(plan, run, force) as folder, plan.placing_errors():
        with journal.timed("data"):
            prepared = prepare(plan.source, plan.recipe, folder.path, journal.show)
            journal.surveyed(plan, prepared)
        with journal.timed("train"):
            plan, learner = learning.ready(plan, prepared, journal)
            learnt = learning.learn(learner, folder.path, journal.resumed, journal.show)
            journal.show(learning.trained(learner, learnt))
            network = learning.learn_again(plan.recipe, prepared, learnt, journal) if journal.refit else learner.network
        with journal.timed("export"):
            shipped = finishing.ship(network, prepared, plan.recipe, folder, journal.show)
        with journal.timed("test"):
            tested = finishing.test(shipped.predictor, *prepared.test, plan.recipe.test, journal.show, shipped.answers)
            finishing.tell(tested, journal.show)
        reporting.report(journal, plan, prepared, learner, learnt, shipped, tested)
        finishing.pack(folder, shipped, tested, prepared, plan.recipe, network)
        finished = journal.close(tested, plan.recipe.inputs)
    return finishing.held(finished, tested, plan.recipe.test)


def plan(
    data: object = None, *, recipe: AnyRecipe = None, allow_code: bool = False, timed: bool = True, show: Show | None = None, **words: Unpack[Words]
) -> Preview:
    """What `fit` would do, without training: data, split and plan. `timed` measures a few steps."""
    need("train", "fit --dry-run")
    from flambeau.planning import Request
    from flambeau.views import preview

    return preview(Request.from_words(data, recipe, allow_code, **words), timed, show or _standard_error())


def check(data: object = None, *, recipe: AnyRecipe = None, allow_code: bool = False, show: Show | None = None, **words: Unpack[Words]) -> Preview:
    """Finds mistakes in recipe and data without training: as `plan`, but nothing is timed.

    Raises:
        FlambeauError: the first mistake; of a recipe, all of them in its `problems`.
    """
    need("train", "check")
    return plan(data, recipe=recipe, allow_code=allow_code, timed=False, show=show, **words)


def show(model: object = None, *, recipe: AnyRecipe = None, allow_code: bool = False, **words: Unpack[Words]) -> LayerTable:
    """The layers of a model (a run or an artifact), or of what would be built for data or a recipe."""
    need("train", "show")
    from flambeau.planning import Request
    from flambeau.views import layers_of_model, layers_of_plan

    path = Path(model) if isinstance(model, str | Path) else None
    if path is not None and recipe is None and _is_model(path):
        return layers_of_model(path, allow_code)
    return layers_of_plan(Request.from_words(model, recipe, allow_code, **words))


def test(
    model: str | Path,
    data: object = None,
    *,
    minimum: Mapping[str, float] | Sequence[str] = (),
    maximum: Mapping[str, float] | Sequence[str] = (),
    allow_code: bool = False,
    show: Show | None = None,
) -> Run:
    """Scores a model on the test split of its run, or on other labelled data, with the runner that ships.

    Args:
        minimum: the least acceptable scores: {"accuracy": 0.9} or ("accuracy=0.9",).
        maximum: the greatest acceptable errors: {"mae": 2.5} or ("mae=2.5",).

    Raises:
        CheckFailed: a score is below `minimum`, or an error above `maximum`.
    """
    from flambeau.testing import test_model

    return test_model(Path(model), data, minimum, maximum, allow_code, show or _standard_error())


def export(
    model: str | Path, to: str = "onnx", *, precision: Precision = "fp32", allow_code: bool = False, show: Show | None = None
) -> events.Exported:
    """Writes a model in another format, into the artifact's exports/, and proves it on the raw test files.

    Args:
        precision: of OpenVINO: "fp32" answers as the tested model, "bf16" and "int8" score as it does on the test examples.

    Raises:
        CheckFailed: the export does not answer as the model that was tested; nothing is kept.
    """
    need("train", "export")
    from flambeau.exports import export_model

    return export_model(Path(model), to, precision, allow_code, show or _standard_error())


def eject(
    model: str | Path, folder: str | Path, *, with_data: bool = False, force: bool = False, allow_code: bool = False, show: Show | None = None
) -> events.Ejected:
    """Writes a model as plain PyTorch files (model.py, predict.py, train.py, weights) that import nothing of flambeau, and proves that
    they answer the same, bit for bit.

    Args:
        with_data: the encoded training and validation examples too, for train.py.
        force: replace what is in `folder`.

    Raises:
        CheckFailed: the files do not answer as the model; nothing is kept.
    """
    need("train", "eject")
    from flambeau.ejecting.eject import eject_model

    return eject_model(Path(model), Path(folder), with_data, force, allow_code, show or _standard_error())


def _is_model(path: Path) -> bool:
    from flambeau.artifact import MANIFEST
    from flambeau.runfolder import RunFolder

    return any(file.is_file() for file in (path / MANIFEST, RunFolder(path).record))


def _standard_error() -> Transcript:
    return Transcript(sys.stderr, sys.stderr, live=sys.stderr.isatty())
