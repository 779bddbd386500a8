"""Which evaluation belongs to which task. A new task is one more entry."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flambeau.evaluation.classes import ClassEvaluation
from flambeau.evaluation.kind import Evaluation
from flambeau.evaluation.labels import LabelsEvaluation
from flambeau.evaluation.values import ValuesEvaluation

EVALUATIONS: Mapping[str, Evaluation[Any]] = MappingProxyType(
    {
        "classification": ClassEvaluation("classification"),
        "multi_label": LabelsEvaluation(),
        "regression": ValuesEvaluation(),
        "ordinal": ClassEvaluation("ordinal"),
    }
)
"""By the type of task and target."""
