"""Everything that a run found out, as the facts of its report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from flambeau import messages
from flambeau.data.split import overlap
from flambeau.evaluation import numerals
from flambeau.evaluation.facts import (
    CalibrationFacts,
    Check,
    ClassCount,
    DataFacts,
    EpochFacts,
    ExportFacts,
    LayerRow,
    Mistake,
    ModelFacts,
    Problem,
    ReportFacts,
    Reproduction,
    WeightsFacts,
)
from flambeau.evaluation.kinds import EVALUATIONS
from flambeau.evaluation.report import write_report
from flambeau.finishing import Shipped, Tested, versions
from flambeau.journal import Journal, survey
from flambeau.learning import Learning, Learnt
from flambeau.network.table import total
from flambeau.planning import Plan
from flambeau.preparation import Prepared
from flambeau.training.advice import kept

PICTURES = 4
"""Examples of each class on the contact sheet."""
PROBLEMS = 100
"""Unusable examples that the report lists; data.md has all."""


def report(journal: Journal, plan: Plan, data: Prepared, learner: Learning, learnt: Learnt, shipped: Shipped, tested: Tested) -> None:
    """Writes report.json and report.html into the run folder."""
    folder = journal.opened_folder
    kind = EVALUATIONS[tested.task]
    mistakes = kind.mistakes(tested.answers, tested.truths, data.target.inner, plan.recipe.test.worst)
    chosen = kept(learnt.history, learner.config.keep_best)
    crossing = overlap(data.split, data.cleaned.clusters)
    facts = ReportFacts(
        run=folder.path.name,
        created=str(folder.read()["created"]),
        labels=data.target.labels,
        test=tested.scores,
        baseline=tested.baseline,
        curves=kind.curves(tested.answers, tested.truths, data.target.inner),
        checks=_checks(shipped, crossing, tested),
        data=_data(plan, data, crossing, journal.notices),
        model=_model(plan, data, learner, shipped),
        epochs=[EpochFacts(**asdict(epoch), kept=epoch is chosen) for epoch in learnt.history],
        calibration=CalibrationFacts(**asdict(learnt.calibration)) if learnt.calibration else None,
        mistakes=[_placed(data, place, mistake) for place, mistake in mistakes],
        num_mistakes=kind.num_mistakes(tested.answers, tested.truths, data.target.inner),
        exports=_exports(shipped),
        reproduction=_reproduction(plan, data, journal.seconds),
        task=tested.task,
    )
    write_report(facts, folder.report)


def _checks(shipped: Shipped, crossing: int, tested: Tested) -> list[Check]:
    checks = [Check(messages.text("check-overlap"), crossing == 0, messages.text("check-overlap-found", n=crossing))]
    if shipped.verification is not None:
        found = shipped.verification
        detail = messages.text("check-export-found", n=found.num_examples, difference=found.largest_difference, same=found.num_same)
        checks.append(Check(messages.text("check-export", target=found.target), found.passed, detail))
    name = EVALUATIONS[tested.task].main
    score, base = tested.scores[name], tested.baseline[name]
    found_ = {"score": name, "ends": numerals.ends(name, score), "label": tested.baseline["label"], "baseline": numerals.score(name, base)}
    checks.append(Check(messages.text("check-baseline"), tested.verdict == "better", messages.text("check-baseline-found", **found_)))
    return checks


def _data(plan: Plan, data: Prepared, crossing: int, notices: Sequence[str]) -> DataFacts:
    parts = {"train": data.split.train, "valid": data.split.valid, "test": data.split.test}
    counts = data.counts_by_split
    pictures = _pictures(data)
    classes = [
        ClassCount(group, **{word: counts[word].get(group, 0) for word in parts}, pictures=pictures.get(group, [])) for group in data.target.groups
    ]
    problems = data.cleaned.problems
    how = survey(plan, data, None)[1].how
    return DataFacts(
        source=plan.source.name,
        classes=classes,
        split=messages.text(
            "split-sizes", **{word: len(rows) for word, rows in parts.items()}, how=messages.text(how, seed=plan.recipe.data.split.seed)
        ),
        problems=[Problem(problem.where, problem.error.code, problem.error.what) for problem in problems[:PROBLEMS]],
        num_problems=len(problems),
        num_duplicates=None if plan.recipe.data.near_duplicates == "ignore" else data.cleaned.num_duplicates,
        overlap=crossing,
        notices=notices,
    )


def _model(plan: Plan, data: Prepared, learner: Learning, shipped: Shipped) -> ModelFacts:
    rows = learner.rows
    return ModelFacts(
        name=plan.network_name,
        parameters=total(rows).parameters,
        layers=[LayerRow(row.name, row.output, row.parameters, row.flops, row.memory_bytes) for row in rows],
        why=plan.why,
        input=", ".join(f"{name}: {chosen.gives}" for name, chosen in data.preprocessors.items()),
        size_bytes=len(shipped.model) if shipped.model else None,
        weights=[
            WeightsFacts(Path(one.file).name, one.place, one.way, one.prefix, len(one.loaded), one.total, one.new, one.unexpected)
            for one in learner.network.reports
        ],
    )


def _placed(data: Prepared, place: int, mistake: Mistake) -> Mistake:
    """A mistake with the name and the picture of its example."""
    row = int(data.split.test[place])
    return replace(mistake, name=data.source.where(row), picture=_picture(data, row))


def _pictures(data: Prepared) -> dict[str, list[str]]:
    """A few examples of each group that can be seen."""
    rows: dict[str, list[int]] = {}
    for row, groups in zip(data.split.train.tolist(), data.groups(data.split.train), strict=True):
        for group in groups:
            if len(rows.setdefault(group, [])) < PICTURES:
                rows[group].append(row)
    found = {group: [_picture(data, row) for row in members] for group, members in rows.items()}
    return {group: [picture for picture in pictures if picture is not None] for group, pictures in found.items()}


def _picture(data: Prepared, row: int) -> str | None:
    """The first input of an example that can be seen, as a data: URL."""
    pictures = (chosen.picture(data.rows[name][row]) for name, chosen in data.preprocessors.items())
    return next((picture for picture in pictures if picture is not None), None)


def _exports(shipped: Shipped) -> list[ExportFacts]:
    if shipped.verification is None or shipped.model is None:
        return []
    found = shipped.verification
    return [ExportFacts(found.target, len(shipped.model), found.passed, found.largest_difference, found.num_same, found.num_examples)]


def _reproduction(plan: Plan, data: Prepared, seconds: Mapping[str, float]) -> Reproduction:
    place = plan.source.place
    return Reproduction(
        command=shlex.join(["flambeau", "fit", *([] if place is None else [place.name]), "--recipe", "recipe.resolved.yaml"]),
        seed=plan.recipe.training.seed,
        recipe=plan.recipe.without_places().to_yaml(),
        versions=versions(),
        hashes={"recipe": plan.recipe.hash, "data": data.cache.facts.digest},
        seconds={stage: round(value, 2) for stage, value in seconds.items()},
    )
