"""Options that several commands have, worded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from flambeau.errors import UsageError
from flambeau.messages import text

Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """A click option whose help is the catalogue's "option-NAME"."""
    word = next(name for name in names if name.startswith("--")).lstrip("-")
    return click.option(*names, help=text(f"option-{word}"), **settings)


def as_json(command: Command) -> Command:
    """--json."""
    return option("--json", "as_json", is_flag=True)(command)


def allow_code(command: Command) -> Command:
    """--allow-code."""
    return option("--allow-code", is_flag=True)(command)


def device(command: Command) -> Command:
    """--device."""
    return option("--device", default="cpu", show_default=True, metavar="DEVICE")(command)


def model(command: Command) -> Command:
    """The model that a command works with."""
    return click.argument("model", type=click.Path(readable=False, path_type=Path), metavar="RUN|ARTIFACT")(command)


def _only(ctx: click.Context, option: click.Parameter, columns: tuple[str, ...]) -> str | None:
    """The one target; of two, click would take the last in silence, and the first would become an input."""
    if len(columns) > 1:
        raise UsageError("target-several", where="--target", names=", ".join(columns))
    return columns[0] if columns else None


def described(command: Command) -> Command:
    """What describes a piece of work: the data, the recipe, and changes to it."""
    for decorate in reversed(
        (
            click.argument("data", required=False, type=click.Path(path_type=Path)),
            option("--target", multiple=True, callback=_only, metavar="COLUMN"),
            option("--group", metavar="COLUMN"),
            option("--input", "inputs", multiple=True, metavar="NAME:KIND"),
            option("--id", metavar="COLUMN"),
            option("--time", metavar="COLUMN"),
            option("--exclude", multiple=True, metavar="COLUMN"),
            option("--recipe", type=click.Path(path_type=Path), metavar="FILE|NAME"),
            option("--set", "settings", multiple=True, metavar="PATH=VALUE"),
            option("--epochs", type=click.IntRange(min=1), metavar="N"),
            option("--seed", type=click.IntRange(min=0), metavar="N"),
            option("--max-bad", metavar="SHARE"),
            option("--exclude-class", "exclude_classes", multiple=True, metavar="CLASS"),
        )
    ):
        command = decorate(command)
    return command
