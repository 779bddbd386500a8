"""Every change that Python makes to files below a folder is an event; one of them can be made to fail, or to be the last.

An event is an open for writing, a write, a flush to the disk, a rename, a removal, a new or removed folder. A fault strikes before
it, inside (half of the bytes are written) or after it. Run once without a fault, and the list of events is there; then once for each.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PHASES = {"write": ("before", "inside", "after"), "open": ("before",), "refused": ("before",)}
"""A write can stop half-way; all else happens or does not. An open that happened is not told as an error; what was
refused (a folder that is there) did not happen."""
BOTH = ("before", "after")
NEEDS_ROOM = frozenset({"open", "write", "mkdir"})
"""What a full disk refuses; it still renames and removes."""


@dataclass(frozen=True)
class Point:
    """A moment at which a fault can strike."""

    event: int
    phase: str


@dataclass
class Injector:
    """Watches the files below `folder`."""

    folder: Path
    point: Point | None = None
    """Where the fault strikes; None only counts."""
    fault: str = "kill"
    """"kill" (-9), or the name of an error: "ENOSPC" (the disk stays full), "EIO" (once)."""
    events: list[str] = field(default_factory=list)
    """What happened: "write checkpoints/x.json"."""
    struck: bool = False

    @property
    def points(self) -> list[Point]:
        """All moments of what was watched. To be killed after an event is to be killed before the next one."""
        found = [Point(number, phase) for number, event in enumerate(self.events) for phase in PHASES.get(re.split("[- ]", event)[0], BOTH)]
        return [point for point in found if self.fault != "kill" or point.phase != "after" or point.event == len(self.events) - 1]

    def does(self, kind: str, path: str, work: Callable[[], Any], half: Callable[[], object] = lambda: None) -> Any:
        """One event: counted, struck, done."""
        number = len(self.events)
        self.events.append(f"{kind} {os.path.relpath(path, self.folder)}")
        here = self.point.phase if self.point is not None and self.point.event == number else ""
        if here == "before" or (self.struck and self.fault == "ENOSPC" and kind in NEEDS_ROOM):
            self._strike(path)
        if here == "inside":
            half()
            self._strike(path)
        try:
            result = work()
        except OSError:
            self.events[number] = f"refused-{self.events[number]}"
            raise
        if here == "after":
            self._strike(path)
        return result

    def _strike(self, path: str) -> None:
        self.struck = True
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.fault)
        raise OSError(number, os.strerror(number), path)

    @contextmanager
    def watching(self) -> Iterator[Injector]:
        """A block in which the events are counted, and the fault strikes."""
        with pytest.MonkeyPatch.context() as patch:
            opened, opened_by_number = io.open, os.open
            patch.setattr(io, "open", self._open(opened))
            patch.setattr(builtins, "open", io.open)
            patch.setattr(os, "open", self._open_by_number(opened_by_number))
            for name in ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "fsync"):
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            yield self

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(
            file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None, **rest: Any
        ) -> Any:
            path = None if isinstance(file, int) else self._below(file, None)
            if path is None or not set(mode) & set("wax"):
                return real(file, mode, buffering, encoding, errors, newline, **rest)
            raw = self.does("open", path, lambda: _File(self, path, mode.replace("b", "").replace("t", "")))
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        return opened

    def _open_by_number(self, real: Callable[..., int]) -> Callable[..., int]:
        def opened(file: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            path = self._below(file, dir_fd)
            if path is None or not flags & os.O_CREAT:
                return real(file, flags, mode, dir_fd=dir_fd)
            handle: int = self.does("open", path, lambda: real(file, flags, mode, dir_fd=dir_fd))
            return handle

        return opened

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            path = self._below(arguments[-1] if name in ("replace", "rename") else arguments[0], options.get("dir_fd"))
            if path is None:
                return real(*arguments, **options)
            return self.does(name, path, lambda: real(*arguments, **options))

        return counted

    def _below(self, file: Any, dir_fd: int | None) -> str | None:
        """The path that is meant if it lies in the folder, else None."""
        if isinstance(file, int):
            path = os.path.realpath(f"/proc/self/fd/{file}")
        else:
            start = Path.cwd() if dir_fd is None else Path(os.path.realpath(f"/proc/self/fd/{dir_fd}"))
            path = os.path.normpath(start / os.fsdecode(file))
        return path if path.startswith(f"{self.folder}{os.sep}") else None


class _File(io.FileIO):
    """A file whose writes are events."""

    def __init__(self, injector: Injector, path: str, mode: str) -> None:
        self._injector = injector
        self._path = path
        super().__init__(path, mode)

    def write(self, data: Any) -> int:
        """As a file's."""
        content = bytes(data)
        write = super().write
        written: int = self._injector.does("write", self._path, lambda: write(content), lambda: write(content[: len(content) // 2]))
        return written
