"""Whatever holds a sound -> one channel of samples at its own rate. One conversion, the same in training and serving.

WAV is read here; FLAC, OGG, MP3 and the rest need the audio extra (soundfile). The first bytes decide, never the name.
Channels are averaged. NaN and infinity are refused.
"""

from __future__ import annotations

import io
import re
import stat
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flambeau.errors import DataError
from flambeau.extras import need
from flambeau.inputs.sound.resample import Signal
from flambeau.inputs.sound.wav import FASTEST, MOST_CHANNELS, SLOWEST, read_wav
from flambeau.types import Array

MAX_BYTES = 1 << 30
"""Larger files are refused before they are read."""
PREFIX = 16
"""Bytes that are enough to tell a format."""
LOUDEST = 1e6
"""Floats beyond this are no sound."""
MAGIC = {b"fLaC": "FLAC", b"OggS": "OGG", b"ID3": "MP3", b"FORM": "AIFF", b".snd": "AU", b"caff": "CAF", b"RF64": "WAV"}
ENDINGS = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf"})
"""File name endings that announce a sound."""
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://|data:", re.ASCII)


def sniff(head: bytes) -> str | None:
    """The first bytes of a file -> the name of its sound format; None if they are none."""
    if head[:4] == b"RIFF":
        return "WAV" if head[8:12] == b"WAVE" else None
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return "MP3"  # the sync word of a frame, of one of the three layers
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def sound(value: object, most_seconds: float) -> tuple[Signal, int]:
    """A path, the bytes of a file, or (samples, rate) -> (time,) float32 of one channel and its rate. What is behind
    `most_seconds` is left out.

    Raises:
        DataError: audio-unreadable, -truncated, -empty, -coding, -header, -values, -array, -kind, file-missing and the like.
        ExtraMissing: a format that needs soundfile, which is not installed.
    """
    if isinstance(value, tuple | list) and len(value) == 2 and not isinstance(value[0], str | bytes):
        samples, rate = _given(value[0], value[1])
        return _mixed(samples[: int(most_seconds * rate)]), rate
    where, data = _bytes(value)
    try:
        samples, rate = _decoded(data, most_seconds)
        return _mixed(samples), rate
    except DataError as error:
        raise DataError(error.code, where=error.where or where, **error.facts) from None


def _given(samples: object, rate: object) -> tuple[npt.NDArray[np.float32], int]:
    """Samples in memory -> (time, channels) and their rate. Whole numbers are full-scale by their type, floats are -1 to 1."""
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not SLOWEST <= float(rate) <= FASTEST:
        raise DataError("audio-rate", rate=repr(rate)[:40], lowest=SLOWEST, highest=FASTEST)
    try:
        array = np.asarray(samples)
    except ValueError:
        raise DataError("audio-array", shape="?", dtype="?") from None
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MOST_CHANNELS):
        raise DataError("audio-array", shape=array.shape, dtype=str(array.dtype))
    return _scaled(array).reshape(len(array), -1 if array.size else 1), round(float(rate))


def _scaled(array: Array) -> npt.NDArray[np.float32]:
    if array.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            return array.astype(np.float32)
    half = 2.0 ** (8 * array.dtype.itemsize - 1)
    return ((array.astype(np.float64) - (half if array.dtype.kind == "u" else 0)) / half).astype(np.float32)


def _mixed(samples: npt.NDArray[np.float32]) -> Signal:
    """(time, channels) -> (time,): their mean."""
    if len(samples) == 0:
        raise DataError("audio-empty")
    with np.errstate(invalid="ignore", over="ignore"):
        loudest = float(np.abs(samples).max())
    if not loudest <= LOUDEST:
        raise DataError("audio-values")
    return np.ascontiguousarray(samples.mean(1, dtype=np.float32))


def _decoded(data: bytes, most_seconds: float) -> tuple[npt.NDArray[np.float32], int]:
    kind = sniff(data[:PREFIX])
    if len(data) == 0:
        raise DataError("audio-empty")
    if kind is None:
        raise DataError("audio-unreadable")
    if kind == "WAV":
        try:
            return read_wav(data, most_seconds)
        except DataError as error:
            if error.code != "audio-coding" or find_spec("soundfile") is None:
                raise
    return _through_soundfile(data, kind, most_seconds)


def _through_soundfile(data: bytes, kind: str, most_seconds: float) -> tuple[npt.NDArray[np.float32], int]:
    need("audio", kind)
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels = file.samplerate, file.channels
            if not 1 <= channels <= MOST_CHANNELS or not SLOWEST <= rate <= FASTEST:
                raise DataError("audio-header", channels=channels, rate=rate)
            blocks = list(_blocks(file, int(most_seconds * rate)))
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, MemoryError):
        raise DataError("audio-unreadable") from None
    return np.concatenate(blocks) if blocks else np.empty((0, 1), np.float32), rate


def _blocks(file: object, most: int) -> list[npt.NDArray[np.float32]]:
    """What a soundfile gives, read in pieces, as its own count of samples may be a lie."""
    found: list[npt.NDArray[np.float32]] = []
    while most > 0:
        block = file.read(min(most, 1 << 18), dtype="float32", always_2d=True)  # type: ignore[attr-defined]
        if len(block) == 0:
            break
        found.append(block)
        most -= len(block)
    return found


def _bytes(value: object) -> tuple[str | None, bytes]:
    """Bytes or a path -> (its name for messages, the bytes)."""
    if isinstance(value, bytes | bytearray | memoryview):
        return None, _sized(bytes(value), None)
    if isinstance(value, str) and _URL.match(value):
        raise DataError("input-is-url")
    if not isinstance(value, str | Path) or value == "":
        raise DataError("audio-kind", kind=type(value).__name__)
    where = str(value)
    try:
        status = Path(value).stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError("file-not-regular", where=where)  # a FIFO would keep us waiting for ever
        if status.st_size > MAX_BYTES:
            raise DataError("audio-bytes", where=where, size=status.st_size, limit=MAX_BYTES)
        return where, _sized(Path(value).read_bytes(), where)
    except PermissionError:
        raise DataError("file-forbidden", where=where) from None
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate in the name
        raise DataError("file-missing", where=where) from None


def _sized(data: bytes, where: str | None) -> bytes:
    if len(data) > MAX_BYTES:
        raise DataError("audio-bytes", where=where, size=len(data), limit=MAX_BYTES)
    return data
