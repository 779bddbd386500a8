"""What commands share to print: one JSON object, an error, the transcript."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from flambeau.errors import DeviceError, FlambeauError

if TYPE_CHECKING:
    from flambeau.events import Show


class Outlet(io.FileIO):
    """A standard stream that never stops the work: what a reader that has gone or a full disk does not take is lost, and all after it."""

    lost: OSError | None = None
    """Why it takes nothing any more."""

    def write(self, data: Any) -> int:
        """As a file's, but it does not fail."""
        if self.lost is None:
            try:
                return super().write(data)
            except BlockingIOError:
                raise
            except OSError as error:
                self.lost = error
        return len(data)

    def problem(self) -> DeviceError | None:
        """What somebody who waits for the output has to hear; a reader that has gone (`| head`) waits for nothing."""
        sys.stdout.flush()
        if self.lost is None or isinstance(self.lost, BrokenPipeError):
            return None
        return DeviceError("output-lost", reason=self.lost.strerror or type(self.lost).__name__)


def open_streams() -> Outlet | None:
    """Makes outlets of the standard streams of this process; that of standard output, if there is one."""
    sys.stdout, out = _outlet(sys.stdout)
    sys.stderr, _ = _outlet(sys.stderr)
    return out


def _outlet(stream: TextIO | None) -> tuple[TextIO, Outlet | None]:
    """A stream of the process, written through an outlet; another one (of a test, of a notebook) stays as it is."""
    if stream is None:  # closed (`>&-`); opened again before another file gets its number
        return Path(os.devnull).open("w", encoding="utf-8"), None
    if not isinstance(stream, io.TextIOWrapper) or stream not in (sys.__stdout__, sys.__stderr__):
        return stream, None
    raw = Outlet(stream.fileno(), "w", closefd=False)
    by_line = stream.line_buffering or stream.write_through
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=_spoken(stream.encoding), errors="backslashreplace", line_buffering=by_line), raw


def use_utf8() -> None:
    """Chinese and box characters must not fail on a terminal that says it is ASCII; a file name's bad bytes neither."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=_spoken(stream.encoding), errors="backslashreplace")


def _spoken(encoding: str) -> str:
    """What a stream is written in: UTF-8, but where a locale or PYTHONIOENCODING says one that holds Chinese, Japanese or Korean, that."""
    try:
        "\u4e00".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "utf-8"
    return encoding


def json_wanted(arguments: Sequence[str]) -> bool:
    """Whether errors have to be one JSON object too; known before the arguments are parsed."""
    return "--json" in arguments[: arguments.index("--")] if "--" in arguments else "--json" in arguments


def print_json(value: Mapping[str, Any]) -> None:
    """The one object on standard output."""
    is_utf8 = getattr(sys.stdout, "encoding", "utf-8").lower().replace("-", "") == "utf8"  # JSON is UTF-8, or so written that it is both
    content = json.dumps(value, ensure_ascii=not is_utf8, default=_plain, allow_nan=False)
    click.echo(content.encode("utf-8", "backslashreplace").decode())  # a file name's bytes that are no text stay an escape of JSON


def print_error(error: FlambeauError, as_json: bool) -> None:
    """An error where it belongs: as an object on standard output, or for people on standard error."""
    if as_json:
        print_json({**error.beside, "error": error.to_json()})
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
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
