"""One raw value -> its array and all that is remembered about it. Runs in threads; touches nothing but the file."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from flambeau.errors import DataError
from flambeau.inputs.input import Input
from flambeau.types import Array

MAX_BYTES = 1 << 30
"""Size of the largest file that is read."""
TICK = 20_000_000
"""Nanoseconds within which a file system may give two changes of a file the same time (Linux: up to 10 ms)."""

Stamp: TypeAlias = tuple[int, int, int]
"""A file's size and its times of modification and of status change in nanoseconds. The last one cannot be set back by a copy."""
MISSING: Stamp = (-1, 0, 0)
FLEETING: Stamp = (-2, 0, 0)
"""Of a file whose failure may be gone next time; equal to no file's stamp."""


@dataclass(frozen=True)
class Reading:
    """What became of one value."""

    array: Array | None
    """What `Input.read` returned, None where it failed."""
    sha256: bytes
    """Of the raw bytes; empty where they cannot be had."""
    stamp: Stamp
    error: tuple[str, dict[str, object]] | None
    """Code and facts of a DataError: its text is made where it is shown, in the language of then."""
    blank: bool = False
    fingerprint: int | None = None


def stamp_of(path: Path) -> Stamp:
    """A file's stamp without opening it."""
    try:
        return _stamp(path.stat())
    except (OSError, ValueError):
        return MISSING


def content_hash(value: object) -> bytes:
    """SHA-256 of a value that is in memory: of bytes as they are, of arrays and what can become one with type and shape."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).digest()
    if isinstance(value, str):
        return hashlib.sha256(repr(value).encode("utf-8", "backslashreplace")).digest()
    return hashlib.sha256(b"".join(_spelled(value))).digest()


def _spelled(value: object) -> Iterator[bytes]:
    """What makes a value differ from others: all of it, as the text of a large array leaves out its middle."""
    if isinstance(value, Mapping) and any(isinstance(one, np.ndarray | list | tuple | Mapping) for one in value.values()):
        for name, one in value.items():
            yield repr(name).encode("utf-8", "backslashreplace")
            yield from _spelled(one)
        return
    try:
        array = np.asarray(value)
    except ValueError:  # lists of several lengths
        array = np.empty((), object)
    if not array.dtype.hasobject:
        yield f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()
    elif isinstance(value, np.ndarray | list | tuple):
        shape, items = (value.shape, value.ravel().tolist()) if isinstance(value, np.ndarray) else (len(value), value)
        yield f"{shape}:".encode()
        for one in items:
            yield from _spelled(one)
    else:
        yield repr(value).encode("utf-8", "backslashreplace")


def examine_all(values: Sequence[object], chosen: Input, known: Callable[[bytes], Reading | None]) -> list[Reading]:
    """Raw values -> their arrays and facts, in order; `known` may have them already, by the hash of the content.

    Arrays that need no decoding are read together, and all that is new is marked together.
    """
    arrays = chosen.read_together(values)
    if arrays is None:
        found = [_examine(value, chosen, known) for value in values]
    else:
        _check_kind(arrays[0], chosen)
        found = [(Reading(array, content_hash(value), (0, 0, 0), None), True) for array, value in zip(arrays, values, strict=True)]
    new = [reading.array for reading, is_new in found if is_new and reading.array is not None]
    marks = iter(chosen.marks(new) if new else [])
    return [_marked(reading, *next(marks)) if is_new else reading for reading, is_new in found]


def _examine(value: object, chosen: Input, known: Callable[[bytes], Reading | None]) -> tuple[Reading, bool]:
    """One raw value -> its array and facts, and whether its marks are still to be made.

    A file is opened once: what is hashed is what is decoded, whatever happens to the file meanwhile.
    """
    stamp: Stamp = (0, 0, 0)
    digest = b""
    try:
        if isinstance(value, Path):
            value, stamp = _read_file(value)
        digest = content_hash(value)
        before = known(digest)
        if before is not None:
            return replace(before, stamp=stamp), False
        array = chosen.read(value)
    except _UnopenedError as error:
        return Reading(None, b"", error.stamp, (error.code, error.facts)), False
    except DataError as error:
        return Reading(None, digest, stamp, (error.code, {name: _plain(fact) for name, fact in error.facts.items()})), False
    _check_kind(array, chosen)
    return Reading(array, digest, stamp, None), True


def _marked(reading: Reading, blank: bool, fingerprint: int | None) -> Reading:
    return replace(reading, blank=blank, fingerprint=fingerprint)


class _UnopenedError(Exception):
    """A file whose bytes cannot be had."""

    def __init__(self, code: str, stamp: Stamp, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.stamp = stamp
        self.facts = facts


def _read_file(path: Path) -> tuple[bytes, Stamp]:
    """A file's bytes and the stamp that it had before they were read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe would wait for its writer for ever
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise _UnopenedError("example-kind", _stamp(status))
            if status.st_size > MAX_BYTES:
                raise _UnopenedError("example-huge", _stamp(status), megabytes=status.st_size / 1e6, limit=MAX_BYTES / 1e6)
            age = time.time_ns() - status.st_ctime_ns
            if 0 <= age < TICK:
                time.sleep((TICK - age) / 1e9)  # a change right after the reading must not look like the same file
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read(status.st_size + 1), _stamp(status)  # asked for more, it would clear memory for all that
        finally:
            os.close(handle)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise _UnopenedError("example-missing", MISSING) from error
    except PermissionError as error:
        raise _UnopenedError("example-closed", stamp_of(path), reason=error.strerror or "") from error
    except OSError as error:
        raise _UnopenedError("example-closed", FLEETING, reason=error.strerror or type(error).__name__) from error


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _plain(fact: object) -> object:
    """A fact of an error as something that JSON can hold."""
    if isinstance(fact, np.generic):
        fact = fact.item()
    return fact if isinstance(fact, str | int | float | bool | None) else str(fact)


def _check_kind(array: Array, chosen: Input) -> None:
    spec = chosen.spec
    fits = len(array.shape) == len(spec.shape) and all(size in (None, got) for size, got in zip(spec.shape, array.shape, strict=True))
    assert fits and array.dtype == spec.dtype, f"{type(chosen).__name__}.read returned {array.dtype} {array.shape}, its spec says {spec.dtype} {spec}"
