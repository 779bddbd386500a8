"""One file that holds many arrays: rows that are mapped into memory, then an index, then a footer with its checksum.

    rows ...... | index (.npz) | offset of the index | its length | its SHA-256 | magic

Written front to back under a temporary name and renamed when whole, so a reader sees a whole file or none, two writers
cannot disturb each other (the last rename wins), and nothing has to fit into memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from flambeau.types import Array, TensorSpec

SUFFIX = ".cache"
MAGIC = b"flambeau-rows-1\n"
FOOTER = struct.Struct("<QQ32s16s")
BLOCK = 1 << 22
"""Bytes of rows that share a checksum."""
VERIFIED = 1 << 31
"""Bytes of rows that are checked when a file is opened; of larger files evenly spread blocks. Reading them warms the page cache as well."""
UNUSED_DAYS = 30
"""Files that were not used for so long are removed."""
SHARE = 0.5
"""Of what the disk would have free without them, all files together take no more."""


@dataclass(frozen=True)
class Ragged:
    """Rows whose sizes differ, in one flat array."""

    flat: Array
    starts: npt.NDArray[np.int64]
    """(rows + 1,) where each row begins in `flat`, in elements."""
    shapes: npt.NDArray[np.int64]
    """(rows, axes)."""

    @classmethod
    def of(cls, arrays: Sequence[Array]) -> Ragged:
        """Arrays of one type and number of axes -> their rows."""
        starts = np.cumsum([0, *(array.size for array in arrays)])
        shapes = np.array([array.shape for array in arrays], np.int64)
        return cls(np.concatenate([array.reshape(-1) for array in arrays]), starts.astype(np.int64), shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    @overload
    def __getitem__(self, row: int | np.integer) -> Array: ...
    @overload
    def __getitem__(self, row: npt.NDArray[np.int64]) -> list[Array]: ...
    def __getitem__(self, row: int | np.integer | npt.NDArray[np.int64]) -> Array | list[Array]:
        if isinstance(row, np.ndarray):
            return [np.array(self[int(one)]) for one in row]
        return self.flat[self.starts[row] : self.starts[row + 1]].reshape(self.shapes[row])


Rows: TypeAlias = Array | Ragged
"""Row number -> array; row numbers -> several arrays."""


def take(rows: Rows, wanted: npt.NDArray[np.int64]) -> Sequence[Array]:
    """Several rows in the order that is asked for, read from the disk in the order in which they lie there; of one size: one array."""
    order = np.argsort(wanted, kind="stable")
    found: Any = [None] * len(wanted) if isinstance(rows, Ragged) else np.empty((len(wanted), *rows.shape[1:]), rows.dtype)
    for place, row in zip(order.tolist(), wanted[order].tolist(), strict=True):
        found[place] = rows[row]
    return found  # type: ignore[no-any-return]


def num_bytes(rows: Rows) -> int:
    """What all rows would take in the memory."""
    return rows.flat.nbytes if isinstance(rows, Ragged) else rows.nbytes


class Writer:
    """Takes rows one after the other, then the index. What is written goes to the disk meanwhile, so that nothing is left to wait for."""

    def __init__(self, file: IO[bytes], helper: Executor) -> None:
        """
        Args:
            helper: waits for the disk.
        """
        self._file = file
        self._helper = helper
        self._flushing: Future[None] | None = None
        self._checksums: list[int] = []
        self._starts = [0]
        self._checksum = self._filled = 0  # of the block that is not full yet

    def add(self, row: Array) -> None:
        """Appends one row."""
        self._starts.append(self._starts[-1] + row.nbytes)
        content = np.ascontiguousarray(row).reshape(-1).view(np.uint8)
        while len(content):
            part, content = content[: BLOCK - self._filled], content[BLOCK - self._filled :]
            self._file.write(part.data)
            self._checksum = zlib.crc32(part.data, self._checksum)
            self._filled += len(part)
            if self._filled == BLOCK:
                self._close_block()

    def finish(self, index: Mapping[str, Array]) -> None:
        """Writes the index and the footer; the file is durable afterwards."""
        if self._filled:
            self._close_block()
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, **index, starts=np.array(self._starts, np.int64), checksums=np.array(self._checksums, np.uint32))
        content = packed.getvalue()
        self._file.write(content)
        self._file.write(FOOTER.pack(self._starts[-1], len(content), hashlib.sha256(content).digest(), MAGIC))
        self._file.flush()
        if self._flushing is not None:
            self._flushing.result()  # an error of the disk is told once
        os.fsync(self._file.fileno())

    def _close_block(self) -> None:
        self._checksums.append(self._checksum)
        self._checksum = self._filled = 0
        if self._flushing is None or self._flushing.done():
            if self._flushing is not None:
                self._flushing.result()
            self._flushing = self._helper.submit(os.fsync, self._file.fileno())


@dataclass(frozen=True)
class Store:
    """A file that was opened: the bytes of its rows, mapped into memory, and its index."""

    data: npt.NDArray[np.uint8]
    index: Mapping[str, Array]

    def rows(self, spec: TensorSpec) -> Rows:
        """The rows as arrays of the kind that `spec` describes."""
        starts = self.index["starts"].astype(np.int64)
        flat = self.data.view(spec.dtype)
        if None in spec.shape:
            return Ragged(flat, starts // flat.itemsize, self.index["shapes"].astype(np.int64))
        return flat.reshape(len(starts) - 1, *[size or 0 for size in spec.shape])


def open_store(path: Path, verify: bool = True) -> Store | None:
    """A file that `Writer` wrote -> its content; None if it is not there, cut off or damaged."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - FOOTER.size, 0))
            offset, length, digest, magic = FOOTER.unpack(file.read(FOOTER.size))
            if magic != MAGIC or offset + length + FOOTER.size != end:
                return None
            file.seek(offset)
            content = file.read(length)
            if hashlib.sha256(content).digest() != digest:
                return None
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                index = {name: archive[name] for name in archive.files}
            data = np.memmap(file, np.uint8, "r", shape=(offset,)) if offset else np.empty(0, np.uint8)
    except (OSError, struct.error):
        return None
    store = Store(np.asarray(data), index)
    return store if not verify or _is_sound(store) else None


def _is_sound(store: Store) -> bool:
    checksums = store.index["checksums"]
    step = max(1, -(-len(store.data) // VERIFIED))
    return all(zlib.crc32(store.data[block * BLOCK : (block + 1) * BLOCK].data) == checksums[block] for block in range(0, len(checksums), step))


@contextlib.contextmanager
def new_store(path: Path) -> Iterator[tuple[Writer, Path]]:
    """A writer for the file that will lie at `path`, and the temporary name under which it can be read before that."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.time_ns():x}.tmp")
    try:
        with temporary.open("xb") as file, ThreadPoolExecutor(1, "flushing") as helper:
            yield Writer(file, helper), temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def tidy(folder: Path, keep: Sequence[Path] = (), needed: int = 0) -> None:
    """Removes what killed writers left behind, what was not used for a month, and, the least recently used first, what takes more than its
    share of the disk with `needed` bytes that are about to be written. A file that another process has open stays with it until it ends.
    """
    now = time.time()
    found: list[tuple[float, int, Path]] = []
    for pattern, days in ((".*.tmp", 1), (f"*{SUFFIX}", UNUSED_DAYS)):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                status = path.stat()
                if path in keep:
                    continue
                if now - status.st_mtime > days * 86_400:
                    path.unlink()
                elif path.suffix == SUFFIX:
                    found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    most = SHARE * (shutil.disk_usage(folder).free + total) - needed
    for _, size, path in sorted(found):
        if total <= most:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
