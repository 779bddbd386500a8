"""What code of others is derived from, and the checks that it keeps its promises. Names are imported when they are first used.

from flambeau.plugins import Input, Preprocessor, TensorSpec, check_input
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flambeau.errors import CheckFailed as CheckFailed
    from flambeau.errors import DataError as DataError
    from flambeau.exporting.contract import check_exporter as check_exporter
    from flambeau.exporting.exporter import Exporter as Exporter
    from flambeau.inputs.contract import check_input as check_input
    from flambeau.inputs.input import Input as Input
    from flambeau.inputs.input import Preprocessor as Preprocessor
    from flambeau.network.contract import check_layer as check_layer
    from flambeau.network.custom import Custom as Custom
    from flambeau.network.layer import Layer as Layer
    from flambeau.network.layer import Shape as Shape
    from flambeau.network.padding import OverTime as OverTime
    from flambeau.network.padding import Padded as Padded
    from flambeau.tasks.classification import Classification as Classification
    from flambeau.tasks.classification import ClassTarget as ClassTarget
    from flambeau.tasks.contract import check_task as check_task
    from flambeau.tasks.multi_label import LabelsTarget as LabelsTarget
    from flambeau.tasks.multi_label import MultiLabel as MultiLabel
    from flambeau.tasks.one_of import OneOfTarget as OneOfTarget
    from flambeau.tasks.ordinal import Ordinal as Ordinal
    from flambeau.tasks.ordinal import OrdinalTarget as OrdinalTarget
    from flambeau.tasks.regression import Regression as Regression
    from flambeau.tasks.regression import ValuesTarget as ValuesTarget
    from flambeau.tasks.task import Target as Target
    from flambeau.tasks.task import Task as Task
    from flambeau.types import Classified as Classified
    from flambeau.types import Labelled as Labelled
    from flambeau.types import TensorSpec as TensorSpec
    from flambeau.types import Valued as Valued

_HOMES = {
    "CheckFailed": "errors",
    "ClassTarget": "tasks.classification",
    "Classification": "tasks.classification",
    "Classified": "types",
    "Custom": "network.custom",
    "DataError": "errors",
    "Exporter": "exporting.exporter",
    "Input": "inputs.input",
    "Labelled": "types",
    "LabelsTarget": "tasks.multi_label",
    "Layer": "network.layer",
    "MultiLabel": "tasks.multi_label",
    "OneOfTarget": "tasks.one_of",
    "Ordinal": "tasks.ordinal",
    "OrdinalTarget": "tasks.ordinal",
    "OverTime": "network.padding",
    "Padded": "network.padding",
    "Preprocessor": "inputs.input",
    "Regression": "tasks.regression",
    "Shape": "network.layer",
    "Target": "tasks.task",
    "Task": "tasks.task",
    "TensorSpec": "types",
    "Valued": "types",
    "ValuesTarget": "tasks.regression",
    "check_exporter": "exporting.contract",
    "check_input": "inputs.contract",
    "check_layer": "network.contract",
    "check_task": "tasks.contract",
}
__all__ = [
    "CheckFailed",
    "ClassTarget",
    "Classification",
    "Classified",
    "Custom",
    "DataError",
    "Exporter",
    "Input",
    "Labelled",
    "LabelsTarget",
    "Layer",
    "MultiLabel",
    "OneOfTarget",
    "Ordinal",
    "OrdinalTarget",
    "OverTime",
    "Padded",
    "Preprocessor",
    "Regression",
    "Shape",
    "Target",
    "Task",
    "TensorSpec",
    "Valued",
    "ValuesTarget",
    "check_exporter",
    "check_input",
    "check_layer",
    "check_task",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'flambeau.plugins' has no attribute {name!r}")
    return getattr(import_module(f"flambeau.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
