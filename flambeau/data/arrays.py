"""Arrays -> examples: a NumPy .npz file, which may lie about its sizes, or a mapping in memory."""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from flambeau.cells import is_nothing
from flambeau.data.examples import SPLIT_WORDS, Source, readable
from flambeau.data.folder import not_found
from flambeau.data.records import find_target, given_split
from flambeau.errors import DataError
from flambeau.storage import oversized
from flambeau.types import Array

SPLIT_SUFFIX = re.compile(r"(?:(?P<column>.+)_(?P<word>train|training|valid|val|validation|test|testing))$", re.IGNORECASE)
MAX_HEADER = 1 << 16
"""Bytes of a .npy header."""
_HEADER = {"descr": r"['\"]([<>|=]?[A-Za-z][0-9]*)['\"]", "fortran_order": "(True|False)", "shape": r"\(([0-9, ]*)\)"}


def read_npz(path: Path, target: str | None, split_column: str | None = None) -> Source:
    """A .npz file -> its examples, one column for each array; nothing in it is executed and no size in it is believed.

    Raises:
        DataError: not there, not a .npz, pickled, larger than the memory, or arrays that do not fit together.
    """
    place = path.absolute()
    if not place.is_file():
        raise not_found(path)
    name = readable(str(path))
    try:
        with zipfile.ZipFile(place) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            _check_sizes(members, name)
            arrays = {member.filename.removesuffix(".npy"): _read_member(archive, member, name) for member in members}
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise DataError("arrays-broken", where=name, member="", reason=str(error)) from error
    return read_arrays(arrays, target, split_column, name=readable(place.stem), place=place)


def read_arrays(
    arrays: Mapping[str, object], target: str | None, split_column: str | None = None, *, name: str = "arrays", place: Path | None = None
) -> Source:
    """Columns by name, each with one value an example on its first axis -> examples.

    ``{"x": (N, H, W, C), "y": (N,)}``, or with given splits ``{"x_train": ..., "y_train": ..., "x_test": ..., "y_test": ...}``.

    Raises:
        DataError: no arrays, lengths that differ, a target that is not one value an example.
    """
    where = str(place or name)
    columns, words = _join_splits({str(key): _as_column(str(key), value, where) for key, value in arrays.items()}, where)
    target = find_target(list(columns), target, where) if columns else None
    lengths = {column: len(values) for column, values in columns.items()}
    if not columns or target is None or max(lengths.values()) == 0:
        raise DataError("data-empty", where=where)
    if len(set(lengths.values())) > 1:
        raise DataError("arrays-lengths", where=where, lengths=", ".join(f"{column} {length:,}" for column, length in lengths.items()))
    labels = _labels(columns[target], target, where)
    data = {**columns, target: labels}
    examples = [{column: values[row] for column, values in data.items()} for row in range(len(labels))]
    if split_column is not None:
        found = [(f"{where}[{row}]", example.get(split_column, "")) for row, example in enumerate(examples)]
        find_target(list(columns), split_column, where)
        words = given_split(found, split_column)
    return Source(name, place, tuple(columns), examples, target, words)


def _as_column(key: str, value: object, where: str) -> Sequence[object] | Array:
    """One value of the mapping -> something with one item an example."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return value
    array = np.asarray(value)
    if array.ndim == 0 or array.dtype.hasobject or array.dtype.names:
        raise DataError("arrays-kind", where=where, column=key, dtype=str(array.dtype), shape=str(array.shape))
    return array


def _join_splits(
    columns: dict[str, Sequence[object] | Array], where: str
) -> tuple[dict[str, Sequence[object] | Array], tuple[str | None, ...] | None]:
    """x_train, x_test, ... -> x, and the split of each example; the columns as they are where not every name ends so."""
    matches = {key: SPLIT_SUFFIX.match(key) for key in columns}
    if not columns or not all(matches.values()):
        return columns, None
    pieces: dict[str, dict[str, Sequence[object] | Array]] = {}
    for key, match in matches.items():
        assert match is not None
        pieces.setdefault(SPLIT_WORDS[match["word"].casefold()], {})[match["column"]] = columns[key]
    names = list(next(iter(pieces.values())))
    words: list[str | None] = []
    for word, piece in pieces.items():
        lengths = {len(values) for values in piece.values()}
        if set(piece) != set(names) or len(lengths) > 1:
            raise DataError("arrays-lengths", where=where, lengths=", ".join(f"{column}_{word} {len(values):,}" for column, values in piece.items()))
        words += [word] * lengths.pop()
    return {name: [value for piece in pieces.values() for value in piece[name]] for name in names}, tuple(words)


def _labels(values: Sequence[object] | Array, target: str, where: str) -> list[object]:
    """The target's values -> plain Python values, one or a list an example."""
    if isinstance(values, Sequence) and any(isinstance(value, list | tuple | set | frozenset | np.ndarray) or is_nothing(value) for value in values):
        return [_plain(value) for value in values]
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2):
        raise DataError("arrays-target", where=where, column=target, shape=str(array.shape))
    return [_plain(value) for value in array.tolist()]


def _plain(value: object) -> object:
    """One target without what NumPy and files put around it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return value.strip() if isinstance(value, str) else value


def _check_sizes(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Refuses what would not fit into the memory, from the sizes that the archive declares (more than these is never read)."""
    worst = oversized(members)
    if worst is not None:
        raise DataError(
            "arrays-huge",
            where=name,
            member=readable(worst.filename),
            gigabytes=sum(member.file_size for member in members) / 1e9,
            packed=sum(member.compress_size for member in members) / 1e9,
        )


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Array:
    """One array out of the archive; its header has to agree with the size of its member before anything is allocated."""

    def broken(reason: str) -> DataError:
        return DataError("arrays-broken", where=name, member=readable(member.filename), reason=reason)

    with archive.open(member) as file:
        try:
            shape, fortran_order, dtype, header = _read_header(file)
        except (ValueError, TypeError) as error:
            raise broken(str(error)[:200]) from error
        if dtype.hasobject:
            raise DataError("arrays-pickled", where=name, member=readable(member.filename))
        num_bytes = dtype.itemsize
        for size in shape:
            num_bytes *= size
        if num_bytes + header != member.file_size:
            raise broken(f"the header claims {num_bytes:,} bytes, the file holds {member.file_size - header:,}")
        buffer = file.read(num_bytes)
        if len(buffer) < num_bytes:
            raise broken("it ends too early")
    return np.ndarray(shape, dtype, buffer=buffer, order="F" if fortran_order else "C")


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """The header of a .npy stream -> shape, whether columns come first, dtype, and the header's own length in bytes.

    Read by pattern, as NumPy's own reader evaluates it as Python. Source: numpy.lib.format, versions 1.0 to 3.0.
    """
    start = file.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise ValueError("it does not begin as .npy files do")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    text = file.read(min(length, MAX_HEADER)).decode("latin-1")
    found = [re.search(rf"['\"]{key}['\"]: *{value}", text) for key, value in _HEADER.items()]
    if not all(found):
        raise ValueError("its header cannot be read; arrays of plain numbers or text can")
    descr, order, shape = (match[1] for match in found if match)
    sizes = tuple(int(size) for size in re.findall("[0-9]{1,20}", shape))
    return sizes, order == "True", np.dtype(descr), len(start) + width + length
