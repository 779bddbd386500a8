"""A loss that is a class of the user. Its code runs, so it is loaded only where that is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from flambeau.code import Target, found_class, made
from flambeau.config import Config

if TYPE_CHECKING:
    from torch import nn

_PATH = ("task", "loss", "custom")


class CustomCode(Config):
    """A class of the user."""

    target: Target
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

    code = said.custom
    module: type[nn.Module] = found_class(code.target, nn.Module, allow_code, *_PATH, "target")
    return Checked(made(module, code.arguments, code.target, *_PATH), code.target, *_PATH, "target")
