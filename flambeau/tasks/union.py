"""All tasks. A new one is one file and one name here."""

from __future__ import annotations

from typing import TypeAlias

from flambeau.tasks.classification import Classification, ClassTarget
from flambeau.tasks.task import Task

TASKS: tuple[type[Task], ...] = (Classification,)
"""In the order in which raw targets are offered to them, where a recipe names none."""

AnyTask: TypeAlias = Classification
"""Recipe side, told apart by `type`."""

AnyTarget: TypeAlias = ClassTarget
"""Fitted side, told apart by `type`."""
