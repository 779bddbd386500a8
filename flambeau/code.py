"""Classes of the user: imported only where that is allowed, refused where they are of another kind, made with what a recipe says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import Field

from flambeau.errors import FlambeauError, RecipeError
from flambeau.messages import printable

Target: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", max_length=400)]
"""Where a class is: ``package.module:Class``."""
T = TypeVar("T")
_PUBLIC = {"torch.nn.modules.module": "torch.nn", "flambeau.inputs.input": "flambeau.plugins"}
"""Where people import what is defined elsewhere."""


def found_class(target: str, kind: type[T], allowed: bool, *path: str | int) -> type[T]:
    """``package.module:Class`` -> the class.

    Args:
        kind: what it has to be derived from.
        allowed: whether code of the user may run; nothing is imported where it may not.
        path: of the part of a recipe that names it.

    Raises:
        RecipeError: not allowed, not found, or no such class.
    """
    place = (*path, "target")
    if not allowed:
        raise refused(target, *path)
    module, name = target.split(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RecipeError("code-not-found", path=place, target=target, reason=printable(error)) from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise RecipeError("code-kind", path=place, target=target, kind=full_name(kind))
    return found


def refused(target: str, *path: str | int) -> RecipeError:
    """What is raised where code of the user may not run."""
    return RecipeError("code-not-allowed", path=(*path, "target"), target=target)


def made(cls: Callable[..., T], arguments: Mapping[str, Any], target: str, *path: str | int) -> T:
    """An object of a class of the user.

    Raises:
        RecipeError: it cannot be made.
    """
    return attempt(lambda: cls(**arguments), target, *path, "arguments")


def attempt(work: Callable[[], T], target: str, *path: str | int) -> T:
    """What code of the user does.

    Raises:
        RecipeError: it fails.
    """
    try:
        return work()
    except FlambeauError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise RecipeError("code-fails", path=path, target=target, reason=reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """Any exception in one line that a terminal can take."""
    return printable(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def full_name(kind: type) -> str:
    """A class as people write it: torch.nn.Module."""
    return f"{_PUBLIC.get(kind.__module__, kind.__module__)}.{kind.__qualname__}"
