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
    from flambeau.tasks.contract import check_task as check_task
    from flambeau.tasks.task import Target as Target
    from flambeau.tasks.task import Task as Task
    from flambeau.types import TensorSpec as TensorSpec

_HOMES = {
    "CheckFailed": "errors",
    "Custom": "network.custom",
    "DataError": "errors",
    "Exporter": "exporting.exporter",
    "Input": "inputs.input",
    "Layer": "network.layer",
    "OverTime": "network.padding",
    "Padded": "network.padding",
    "Preprocessor": "inputs.input",
    "Shape": "network.layer",
    "Target": "tasks.task",
    "Task": "tasks.task",
    "TensorSpec": "types",
    "check_exporter": "exporting.contract",
    "check_input": "inputs.contract",
    "check_layer": "network.contract",
    "check_task": "tasks.contract",
}
__all__ = [
    "CheckFailed",
    "Custom",
    "DataError",
    "Exporter",
    "Input",
    "Layer",
    "OverTime",
    "Padded",
    "Preprocessor",
    "Shape",
    "Target",
    "Task",
    "TensorSpec",
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
