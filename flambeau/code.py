"""Classes of the user: imported only where that is allowed, refused where they are of another kind, made with what a recipe says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, Field, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from flambeau.choice import moved, problem
from flambeau.errors import FlambeauError, RecipeError
from flambeau.messages import printable

Target: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", max_length=400)]
"""Where a class is: ``package.module:Class``."""
T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)
CONTEXT = "allow_code"
"""The key of the permission in a validation's context."""
_PUBLIC = {
    "torch.nn.modules.module": "torch.nn",
    **dict.fromkeys(
        ("flambeau.inputs.input", "flambeau.tasks.task", "flambeau.tasks.one_of", "flambeau.tasks.multi_label", "flambeau.tasks.regression"),
        "flambeau.plugins",
    ),
}
"""Where people import what is defined elsewhere."""


def found_class(target: str, kind: type[T], allowed: bool, *path: str | int) -> type[T]:
    """``package.module:Class`` -> the class.

    Args:
        kind: what it has to be derived from.
        allowed: whether code of the user may run; nothing is imported where it may not.
        path: where a recipe names it.

    Raises:
        RecipeError: not allowed, not found, or no such class.
    """
    if not allowed:
        raise refused(target, *path)
    module, name = target.split(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # the user's module may raise anything
        raise RecipeError("code-not-found", path=path, target=target, reason=reason_of(error)) from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise RecipeError("code-kind", path=path, target=target, kind=full_name(kind))
    return found


def refused(target: str, *path: str | int) -> RecipeError:
    """What is raised where code of the user may not run."""
    return RecipeError("code-not-allowed", path=path, target=target)


def opened(target: str, kind: type[Model], settings: Mapping[str, Any], info: ValidationInfo, named_by: str, set_by: str) -> Model | None:
    """An object of a class of the user, made while a recipe or an artifact is validated; None where its code may not run.

    Args:
        named_by: the field that holds `target`; problems with the class are told there.
        set_by: the field that holds `settings`, likewise.

    Raises:
        ValidationError: no such class, or settings that are none of its own.
    """
    if not (info.context or {}).get(CONTEXT):
        return None
    try:
        return found_class(target, kind, True).model_validate(settings)
    except RecipeError as error:
        details = InitErrorDetails(type=problem(error.code, **error.facts), loc=(named_by,), input=target)
        raise ValidationError.from_exception_data("custom", [details]) from error.__cause__
    except ValidationError as error:
        raise ValidationError.from_exception_data(error.title, [moved(line, (set_by,), 0) for line in error.errors(include_url=False)]) from None


def findable(cls: type, kind: type[Any], *path: str | int) -> str:
    """A class of the user -> ``package.module:Class``, under which it will be found again.

    Raises:
        RecipeError: it stands inside of something, or something else has its name.
    """
    target = class_name(cls)
    if "." in cls.__qualname__ or found_class(target, kind, True, *path) is not cls:
        raise RecipeError("code-unfindable", path=path, target=target)
    return target


def class_name(cls: type) -> str:
    """A class -> ``package.module:Class``."""
    return f"{cls.__module__}:{cls.__qualname__}"


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
