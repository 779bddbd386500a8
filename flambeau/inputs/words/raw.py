"""Whatever holds a text -> the text, cut to a length that bounds the work."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from flambeau.cells import is_nothing
from flambeau.errors import DataError

Truncate = Literal["head", "tail", "both"]
"""Which part of a text that is too long is kept: its beginning, its end, or half of each."""

MAX_BYTES = 64 * 2**20
"""Of one file, or of one value in bytes."""


def raw_text(value: object, max_chars: int, keep: Truncate) -> str:
    """A str, bytes in UTF-8, the path of a text file, or None or NaN for no text -> its text, at most `max_chars` characters of it.

    Raises:
        DataError: no text, not UTF-8, too large, or a file that cannot be read.
    """
    if is_nothing(value):
        value = ""  # as an empty cell of a table
    if isinstance(value, Path):
        value = _read(value)
    if isinstance(value, bytes):
        value = _decoded(value)
    if not isinstance(value, str):
        raise DataError("text-kind", kind=type(value).__name__)
    return cut(value, max_chars, keep)


def cut(text: str, most: int, keep: Truncate) -> str:
    """At most so many characters of a text; of "both" ends the two halves are parted by a line break."""
    if len(text) <= most:
        return text
    if keep == "both":
        return f"{text[: most - most // 2 - 1]}\n{text[len(text) - most // 2 :]}"
    return text[:most] if keep == "head" else text[-most:]


def _read(path: Path) -> bytes:
    try:
        if not path.exists():
            raise DataError("file-missing", where=str(path))
        if not path.is_file():
            raise DataError("text-file", where=str(path))
        if path.stat().st_size > MAX_BYTES:
            raise DataError("text-bytes", size=path.stat().st_size, limit=MAX_BYTES)
        return path.read_bytes()
    except PermissionError as error:
        raise DataError("file-forbidden", where=str(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError("file-missing", where=str(path)) from error


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise DataError("text-bytes", size=len(content), limit=MAX_BYTES)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("text-encoding", place=error.start) from error
