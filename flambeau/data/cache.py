"""Every example read once, by all cores, into files that are mapped into memory and used again by later epochs and runs.

There is one file for each input, named by where the data lies and by how the input reads (`Input.reading_key`). An example is
read again when its path, size or times differ; one that only moved is found by the hash of its content and not decoded.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flambeau.data.examples import Source
from flambeau.data.reading import Reading, Stamp, content_hash, examine_all, stamp_of
from flambeau.data.store import SUFFIX, Rows, Store, Writer, new_store, open_store, tidy
from flambeau.errors import DataError, DeviceError, Notice
from flambeau.inputs.input import Input
from flambeau.machine import available_threads
from flambeau.storage import cache_home, disk_error, sync_folder
from flambeau.types import Array, TensorSpec
from flambeau.version import __version__

FORMAT = "2"
"""Changes when what is kept for each example changes."""
TOGETHER = 256
"""Arrays in memory that are read by one call."""
FILES = 16
"""Other values that are read by one call: handing over each by itself takes a tenth of the time that a photo takes."""
CALL_BYTES = 2**21
"""What the arrays of one call take at most, if there are several. What becomes of a file without a fixed size is not known: it is read alone."""

Progress = Callable[[int, int], None]
"""Takes how many examples are done, and how many there are."""


@dataclass(frozen=True)
class Facts:
    """What was found out about each example, in the order of the source."""

    sha256: tuple[str, ...]
    """Of the raw bytes, hexadecimal; "" where they cannot be had. Of several inputs: of their hashes."""
    errors: tuple[DataError | None, ...]
    """Why the example cannot be used, None where it can."""
    blank: npt.NDArray[np.bool_]
    """Whether there is nothing in any of its inputs."""
    fingerprints: Mapping[str, npt.NDArray[np.uint64]]
    """By input: `Input.fingerprint`. Inputs that have none are not here."""
    digest: str
    """What identifies the data by its content, labels and given split, in its order: 64 hexadecimal digits."""


@dataclass(frozen=True)
class Cache:
    """All examples as arrays."""

    rows: Mapping[str, Rows]
    """By input: row number -> what `Input.read` returned; zeros where it failed."""
    facts: Facts
    notices: tuple[Notice, ...] = ()


def encode(source: Source, inputs: Mapping[str, Input], folder: Path, progress: Progress = lambda done, total: None) -> Cache:
    """Raw examples -> their arrays by input, and what was found out about each.

    The files go to $FLAMBEAU_CACHE, else $XDG_CACHE_HOME/flambeau, else ~/.cache/flambeau.

    Args:
        source: the examples.
        inputs: the resolved inputs by column.
        folder: the run's; takes the files where the cache folder cannot be written.
        progress: called in this thread, at least once for each input.

    Raises:
        DeviceError: the disk is full.
    """
    home, refused = cache_home("rows", folder)
    notices = () if refused is None else (Notice("cache-elsewhere", refused),)
    total = len(source) * len(inputs)
    stores = {
        name: _column(source, name, chosen, home, partial(_shifted, progress, place * len(source), total))
        for place, (name, chosen) in enumerate(inputs.items())
    }
    return Cache({name: stores[name].rows(inputs[name].spec) for name in inputs}, _facts(source, stores), notices)


def _row_bytes(spec: TensorSpec) -> int:
    """Of one array that has a fixed size."""
    return int(np.prod([size or 0 for size in spec.shape])) * np.dtype(spec.dtype).itemsize


def _shifted(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _column(source: Source, name: str, chosen: Input, home: Path, progress: Callable[[int], None]) -> Store:
    """One input of all examples: from the file of an earlier run as far as it holds, the rest read anew."""
    values = [chosen.take(example, name) for example in source.examples]
    key = json.dumps([FORMAT, __version__, str(source.place), name, chosen.reading_key(), str(chosen.spec), chosen.spec.dtype])
    path = home / (hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32] + SUFFIX)
    known = _Known(open_store(path), chosen)
    matches = [known.row(value, row) for row, value in enumerate(values)]
    if known.store is not None and matches == list(range(len(known))):
        with suppress(OSError):  # it may be somebody else's file
            path.touch()
        progress(len(values))
        return known.store
    needed = 0 if None in chosen.spec.shape else len(values) * _row_bytes(chosen.spec)
    tidy(home, (path,), needed)
    _check_room(home, needed)
    try:
        with new_store(path) as (writer, temporary):
            _write(writer, values, _readings(values, matches, chosen, known), chosen, progress)
            store = open_store(temporary, verify=False)
        sync_folder(home)
    except OSError as error:
        raise _no_room(home) if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else disk_error(error, path) from error
    assert store is not None
    return store


class _Known:
    """What an earlier run found out: its rows by path and times, and by content."""

    def __init__(self, store: Store | None, chosen: Input) -> None:
        self.store = store
        self._by_stamp: dict[tuple[str, Stamp], int] = {}
        self._by_hash: dict[bytes, int] = {}
        if store is None:
            return
        self._rows = store.rows(chosen.spec)
        self._errors: dict[str, tuple[str, dict[str, object]]] = json.loads(store.index["errors"].tobytes())
        self._stamps: list[Stamp] = [(int(size), int(mtime), int(ctime)) for size, mtime, ctime in store.index["stamps"]]
        self._hashes = [row.tobytes() if row.any() else b"" for row in store.index["sha256"]]
        self._files = list(zip(json.loads(store.index["names"].tobytes()), self._stamps, strict=True))
        self._by_stamp = {key: row for row, key in enumerate(self._files)}
        self._by_hash = {digest: row for row, digest in enumerate(self._hashes) if digest}

    def __len__(self) -> int:
        return len(self._stamps) if self.store else 0

    def row(self, value: object, before: int) -> int | None:
        """The old row of a value that has not changed; row `before` is tried first, as equal values have several."""
        if isinstance(value, Path):
            file = (str(value), stamp_of(value))
            return before if before < len(self) and self._files[before] == file else self._by_stamp.get(file)
        if self.store is None:
            return None
        digest = content_hash(value)
        return before if before < len(self) and self._hashes[before] == digest else self._by_hash.get(digest)

    def reading(self, row: int) -> Reading:
        """What was found out then, the array taken from the old file."""
        assert self.store is not None
        index = self.store.index
        error = self._errors.get(str(row))
        return Reading(
            array=None if error else self._rows[row],
            sha256=self._hashes[row],
            stamp=self._stamps[row],
            error=None if error is None else (error[0], error[1]),
            blank=bool(index["blank"][row]),
            fingerprint=int(index["fingerprints"][row]) if index["printed"][row] else None,
        )

    def by_hash(self, digest: bytes) -> Reading | None:
        """What was found out about the same content under another name."""
        row = self._by_hash.get(digest)
        return None if row is None else self.reading(row)


def _readings(values: Sequence[object], matches: Sequence[int | None], chosen: Input, known: _Known) -> Iterator[list[Reading]]:
    """What became of the values, some at a time and in order; a few are read ahead on all cores, so the memory stays bounded."""
    threads = available_threads()
    waiting: deque[Future[list[Reading]] | list[Reading]] = deque()
    with ThreadPoolExecutor(threads, "reading") as pool:
        try:
            for some in _portions(values, matches, chosen.spec):
                row = matches[some.start]
                waiting.append(pool.submit(examine_all, values[some], chosen, known.by_hash) if row is None else [known.reading(row)])
                if len(waiting) > 4 * threads:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _portions(values: Sequence[object], matches: Sequence[int | None], spec: TensorSpec) -> Iterator[slice]:
    """What is read by one call: some values of one kind that are new, or one that is known."""
    low = 0
    while low < len(values):
        high = low + 1
        end = min(low + _most(values[low], spec), len(values))
        while high < end and type(values[high]) is type(values[low]) and all(matches[row] is None for row in (low, high)):
            high += 1
        yield slice(low, high)
        low = high


def _most(value: object, spec: TensorSpec) -> int:
    """How many values of this kind are read by one call."""
    if isinstance(value, np.ndarray):
        return TOGETHER
    if None in spec.shape:
        return 1 if isinstance(value, Path) else FILES
    return max(1, min(FILES, CALL_BYTES // (_row_bytes(spec) or 1)))


def _result(some: Future[list[Reading]] | list[Reading]) -> list[Reading]:
    return some.result() if isinstance(some, Future) else some


def _write(writer: Writer, values: Sequence[object], readings: Iterator[list[Reading]], chosen: Input, progress: Callable[[int], None]) -> None:
    """Writes the array of each reading, then the index with all the rest."""
    spec = chosen.spec
    nothing = np.zeros([size or 0 for size in spec.shape], spec.dtype)
    facts: list[Reading] = []
    shapes: list[tuple[int, ...]] = []
    for some in readings:
        for reading in some:
            array = nothing if reading.array is None else reading.array
            writer.add(array)
            shapes.append(array.shape)
            facts.append(replace(reading, array=None))
        progress(len(facts))
    errors = {row: reading.error for row, reading in enumerate(facts) if reading.error}
    writer.finish({
        "shapes": np.array(shapes, np.int64).reshape(len(facts), len(spec.shape)),
        "stamps": np.array([reading.stamp for reading in facts], np.int64).reshape(-1, 3),
        "sha256": np.frombuffer(b"".join(reading.sha256.ljust(32, b"\0") for reading in facts), np.uint8).reshape(-1, 32),
        "blank": np.array([reading.blank for reading in facts], np.bool_),
        "printed": np.array([reading.fingerprint is not None for reading in facts], np.bool_),
        "fingerprints": np.array([reading.fingerprint or 0 for reading in facts], np.uint64),
        "names": _packed([str(value) if isinstance(value, Path) else None for value in values]),
        "errors": _packed(errors),
    })  # fmt: skip


def _packed(content: object) -> Array:
    return np.frombuffer(json.dumps(content).encode(), np.uint8)


def _facts(source: Source, stores: Mapping[str, Store]) -> Facts:
    """The facts of all inputs, joined by example."""
    size = len(source)
    errors: list[DataError | None] = [None] * size
    for store in stores.values():
        for row, (code, facts) in json.loads(store.index["errors"].tobytes()).items():
            errors[int(row)] = errors[int(row)] or DataError(code, where=source.where(int(row)), **facts)
    hashes = [[row.tobytes().hex() if row.any() else "" for row in store.index["sha256"]] for store in stores.values()]
    joined = hashes[0] if len(hashes) == 1 else [hashlib.sha256("".join(row).encode()).hexdigest() for row in zip(*hashes, strict=True)]
    blank = np.logical_and.reduce([store.index["blank"] for store in stores.values()])
    fingerprints = {name: store.index["fingerprints"].astype(np.uint64) for name, store in stores.items() if _has_fingerprints(store)}
    labels = [None] * size if source.target is None else [source.label(row) for row in range(size)]
    digest = hashlib.sha256(json.dumps([joined, labels, source.given]).encode()).hexdigest()
    return Facts(tuple(joined), tuple(errors), blank, fingerprints, digest)


def _has_fingerprints(store: Store) -> bool:
    """Whether every example that could be read has one."""
    printed = store.index["printed"].copy()
    printed[[int(row) for row in json.loads(store.index["errors"].tobytes())]] = True
    return bool(printed.all())


def _check_room(home: Path, needed: int) -> None:
    """Fails before the work and not at its end, if the disk cannot hold what will be written."""
    if needed > shutil.disk_usage(home).free:
        raise _no_room(home, needed)


def _no_room(home: Path, needed: int = 0) -> DeviceError:
    free = shutil.disk_usage(home).free
    return DeviceError("cache-full", where=str(home), free=free / 1e9, needed=f"{needed / 1e9:.1f}" if needed else "")
