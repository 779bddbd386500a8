"""A loss that is a class of the user. Its code runs, so it is loaded only where that is allowed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import Field

from flambeau.config import Config
from flambeau.errors import RecipeError
from flambeau.messages import printable

if TYPE_CHECKING:
    from torch import nn

_PATH = ("task", "loss", "custom")


class CustomCode(Config):
    """A class of the user."""

    target: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", max_length=200)
    """Where the class is: ``package.module:Class``, derived from torch.nn.Module; (logits, targets) -> loss of each example (batch,)."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What it is made with, by name."""


class CustomLoss(Config):
    """A loss of the user's own; runs only with --allow-code, and only while training."""

    custom: CustomCode
    """The class and its arguments."""


def custom_loss(said: CustomLoss, allow_code: bool) -> nn.Module:
    """What a recipe says -> the loss, whose answer is checked at each call.

    Raises:
        RecipeError: not allowed, not found, not a module, or it cannot be made.
    """
    from torch import nn

    from flambeau.tasks.losses import Checked

    target = said.custom.target
    if not allow_code:
        raise RecipeError("loss-not-allowed", path=(*_PATH, "target"), target=target)
    package, name = target.split(":")
    try:
        found = getattr(import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise RecipeError("code-not-found", path=(*_PATH, "target"), target=target, reason=printable(error)) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise RecipeError("code-not-module", path=(*_PATH, "target"), target=target)
    try:
        module = found(**said.custom.arguments)
    except Exception as error:  # the user's code may raise anything
        reason = printable(f"{type(error).__name__}: {error}")
        raise RecipeError("code-fails", path=(*_PATH, "arguments"), target=target, reason=reason) from error
    return Checked(module, target)
