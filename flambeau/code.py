"""Classes of the user: imported only where that is allowed, refused where they are of another kind, made with what a recipe says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import Field

from flambeau.errors import RecipeError
from flambeau.messages import printable

Target: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", max_length=400)]
"""Where a class is: ``package.module:Class``."""
T = TypeVar("T")


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


def made(make: Callable[..., T], arguments: Mapping[str, Any], target: str, *path: str | int) -> T:
    """What a class of the user makes of its arguments.

    Raises:
        RecipeError: it fails.
    """
    try:
        return make(**arguments)
    except Exception as error:  # the user's code may raise anything
        raise RecipeError("code-fails", path=(*path, "arguments"), target=target, reason=reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """Any exception in one line that a terminal can take."""
    return printable(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def full_name(kind: type) -> str:
    """A class as people write it: torch.nn.Module."""
    return f"{kind.__module__.removesuffix('.modules.module')}.{kind.__qualname__}"
