"""Which evaluation belongs to which task. A new task is one more entry."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flambeau.code import class_name, full_name
from flambeau.errors import RecipeError
from flambeau.evaluation.classes import ClassEvaluation
from flambeau.evaluation.kind import Evaluation
from flambeau.evaluation.labels import LabelsEvaluation
from flambeau.evaluation.values import ValuesEvaluation
from flambeau.messages import printable
from flambeau.tasks.task import Target

EVALUATIONS: Mapping[str, Evaluation[Any]] = MappingProxyType(
    {
        "classification": ClassEvaluation("classification"),
        "multi_label": LabelsEvaluation(),
        "regression": ValuesEvaluation(),
        "ordinal": ClassEvaluation("ordinal"),
    }
)
"""By what a target is judged as (`Target.judged_as`): the type of its task, unless a class of the user says another one."""


def evaluation_of(target: Target) -> Evaluation[Any]:
    """How the answers of a target are judged.

    Raises:
        RecipeError: as nothing that is known, or as something that looks at more than it has.
    """
    kind, name = target.judged_as, class_name(type(target.inner))
    if kind not in EVALUATIONS:
        raise RecipeError("task-judged", path=("task", "code"), target=name, kind=printable(kind), kinds=", ".join(EVALUATIONS))
    judges = EVALUATIONS[kind].judges
    if not isinstance(target.inner, judges):
        raise RecipeError("task-judged-from", path=("task", "code"), target=name, kind=kind, base=full_name(judges))
    return EVALUATIONS[kind]
