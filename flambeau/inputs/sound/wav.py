"""WAV files, read with care: no size that a header claims is believed, and nothing is allocated that the bytes do not hold.

PCM of 8, 16, 24 and 32 bits, floats of 32 and 64 bits, both plain and as WAVE_FORMAT_EXTENSIBLE.
Source: Microsoft, Multiple Channel Audio Data and WAVE Files, 2007; RIFF, Multimedia Programming Interface 1.0, 1991.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flambeau.errors import DataError

Samples = npt.NDArray[np.float32]
"""(time, channels), -1 to 1."""

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
CODINGS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM 6.10", 80: "MPEG", 85: "MP3"}
"""What other format tags mean: they need the audio extra."""
TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""The end of a sub-format GUID that is a format tag in its first two bytes."""

MOST_CHANNELS = 64
SLOWEST, FASTEST = 1_000, 768_000
"""Samples a second; anything else is no sound but a lie in the header."""


@dataclass(frozen=True)
class Format:
    """What the "fmt " chunk says."""

    tag: int
    channels: int
    rate: int
    """Samples a second."""
    bits: int
    """Of one sample of one channel, as stored."""


def read_wav(data: bytes, most_seconds: float) -> tuple[Samples, int]:
    """The bytes of a WAV file -> samples (time, channels) and their rate; at most `most_seconds`, the rest is not even unpacked.

    A data chunk that promises more than is there gives what is there, as recorders that were cut off leave such files.

    Raises:
        DataError: no WAV file, a coding that is not read here, or a header that contradicts itself.
    """
    form, body = _chunks(data)
    width = form.bits // 8 * form.channels
    whole = min(len(body) // width, int(most_seconds * form.rate))
    if whole == 0:
        raise DataError("audio-empty")
    return _unpacked(body[: whole * width], form).reshape(whole, form.channels), form.rate


def _chunks(data: bytes) -> tuple[Format, memoryview]:
    """The format and the bytes of the samples: the first chunk of each kind counts."""
    form: Format | None = None
    for name, content in _walk(data):
        if name == b"fmt " and form is None:
            form = _format(content)
        elif name == b"data":
            if form is None:
                raise DataError("audio-unreadable")
            return form, content
    raise DataError("audio-truncated" if form else "audio-unreadable", size=len(data))


def _walk(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The chunks of a RIFF file, each cut to what is there. RF64 is the same with sizes elsewhere, which nobody needs to believe."""
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise DataError("audio-unreadable")
    view, place = memoryview(data), 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        yield name, view[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _format(content: memoryview) -> Format:
    if len(content) < 16:
        raise DataError("audio-unreadable")
    tag, channels, rate, _, width, bits = struct.unpack_from("<HHIIHH", content)
    if tag == EXTENSIBLE and len(content) >= 40 and bytes(content[26:40]) == TAIL:
        tag = struct.unpack_from("<H", content, 24)[0]
    if (tag, bits) not in {(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)}:
        raise DataError("audio-coding", coding=CODINGS.get(tag, f"coding {tag}"), bits=bits)
    if not 1 <= channels <= MOST_CHANNELS or not SLOWEST <= rate <= FASTEST or width != channels * bits // 8:
        raise DataError("audio-header", channels=channels, rate=rate)
    return Format(tag, channels, rate, bits)


def _unpacked(body: memoryview, form: Format) -> Samples:
    """Bytes of whole frames -> flat samples. 8 bits are unsigned around 128, all others signed; full scale is 1."""
    if form.tag == FLOAT:
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e38 it is infinite, which is refused later
            return np.frombuffer(body, f"<f{form.bits // 8}").astype(np.float32)
    if form.bits == 8:
        return (np.frombuffer(body, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    if form.bits == 24:
        low, middle, high = np.frombuffer(body, np.uint8).reshape(-1, 3).astype(np.int32).T
        return ((low | middle << 8 | (high ^ 128) - 128 << 16) / 2.0**23).astype(np.float32)
    return (np.frombuffer(body, f"<i{form.bits // 8}") / 2.0 ** (form.bits - 1)).astype(np.float32)
