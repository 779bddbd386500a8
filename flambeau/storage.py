"""Files that are whole or not there: what is read back is what was written, whatever stopped the writer."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flambeau.errors import DeviceError, UsageError
from flambeau.machine import memory

if TYPE_CHECKING:
    from zipfile import ZipInfo

LOCK = ".lock"
"""The file in a run folder that says that a process works there."""
UNFINISHED = ".tmp"
"""What the hidden names end with under which files are written; one that stays is of a process that was killed."""
MAX_RATIO = 200
"""Unpacked bytes for each packed one that a large member of an archive may claim."""
LARGE = 1 << 28
"""Bytes above which the ratio counts; smaller arrays of zeros are harmless."""
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def write_atomically(path: Path, data: bytes) -> None:
    """Puts `data` at `path` so that a crash leaves the old content or the new, never a part of it.

    Raises:
        DeviceError: the disk is full or the folder cannot be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:  # a signal comes as an exception too
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, path) from error
        raise


def clear_unfinished(folder: Path) -> None:
    """Removes what killed processes left half-written in `folder`; for who has it alone."""
    for path in folder.glob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable: without it a renamed file can be gone after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_error(error: OSError, path: Path) -> DeviceError:
    """What an operating system's error on writing `path` means to a user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DeviceError("disk-full", where=str(path), folder=path.parent)
    return DeviceError("cannot-write", where=str(path), folder=path.parent, reason=error.strerror or type(error).__name__)


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def oversized(members: Sequence[ZipInfo]) -> ZipInfo | None:
    """Of an archive that must not be unpacked, the worst member: it claims to be packed as no honest one is, or half of the memory would
    not hold them all. From the sizes that the archive declares.
    """
    bombs = [member for member in members if member.file_size > LARGE and member.file_size > MAX_RATIO * max(member.compress_size, 1)]
    too_many = sum(member.file_size for member in members) > memory() // 2
    return bombs[0] if bombs else max(members, key=lambda member: member.file_size) if too_many else None


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A block in which a disk that is full, read-only or failing is a DeviceError, wherever it is met."""
    try:
        yield
    except OSError as error:
        if error.errno in _OF_THE_DISK:
            raise disk_error(error, folder) from error
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps `folder` for this process alone; the lock ends with the process, however it ends.

    Raises:
        UsageError: another process works in the folder.
    """
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError("run-busy", where=str(folder)) from error
        yield


def cache_home(part: str, fallback: Path) -> tuple[Path, dict[str, object] | None]:
    """A folder that outlives runs: `part` of $FLAMBEAU_CACHE, else of $XDG_CACHE_HOME/flambeau, else of ~/.cache/flambeau.

    Returns:
        The folder, made; and why it lies in `fallback` instead (folder, used, reason), or None.

    Raises:
        DeviceError: neither can be written.
    """
    chosen = ""
    try:
        chosen = os.environ.get("FLAMBEAU_CACHE") or str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flambeau")
        home = Path(chosen).absolute() / part
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except (OSError, RuntimeError) as error:
        home = fallback.absolute() / "cache"
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as worse:
            raise disk_error(worse, home) from worse
        return home, {"folder": chosen or "~", "used": str(home), "reason": getattr(error, "strerror", None) or str(error)}
    return home, None
