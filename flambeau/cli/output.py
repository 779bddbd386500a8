"""What commands share to print: one JSON object, an error, the transcript."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from flambeau.errors import FlambeauError

if TYPE_CHECKING:
    from flambeau.events import Show


def use_utf8() -> None:
    """Chinese and box characters must not fail on a terminal that says it is ASCII; a file name's bad bytes neither."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def json_wanted(arguments: Sequence[str]) -> bool:
    """Whether errors have to be one JSON object too; known before the arguments are parsed."""
    return "--json" in arguments[: arguments.index("--")] if "--" in arguments else "--json" in arguments


def print_json(value: Mapping[str, Any]) -> None:
    """The one object on standard output."""
    content = json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    click.echo(content.encode("utf-8", "backslashreplace").decode())  # a file name's bytes that are no text stay an escape of JSON


def print_error(error: FlambeauError, as_json: bool) -> None:
    """An error where it belongs: as an object on standard output, or for people on standard error."""
    if as_json:
        print_json({"error": error.to_json()})
        return
    from flambeau.cli.problems import render

    click.echo(render(error, colour=_colour()), err=True)


def shown(as_json: bool) -> Show:
    """What shows the events of a verb: nothing but warnings beside JSON, else the transcript."""
    if as_json:
        from flambeau.cli.problems import render_notice
        from flambeau.errors import Notice

        return lambda event: click.echo(render_notice(event), err=True) if isinstance(event, Notice) else None
    from flambeau.transcript import Transcript

    return Transcript(sys.stdout, sys.stderr, live=sys.stderr.isatty())


def _colour() -> bool:
    import os

    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
