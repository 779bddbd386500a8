"""WAV files of every kind that is read, against the standard library and soundfile, and everything that can be wrong with one."""

from __future__ import annotations

import io
import struct
import tracemalloc
import wave
from importlib.util import find_spec

import numpy as np
import pytest

from flambeau.errors import DataError, ExtraMissing
from flambeau.inputs.sound.decode import sound
from flambeau.inputs.sound.wav import read_wav

RATE = 8000
UNKNOWN = "audio-coding" if find_spec("soundfile") is None else "audio-unreadable"
TONE = np.stack([np.sin(np.arange(400) / 9) * 0.7, np.cos(np.arange(400) / 5) * 0.3], 1)


def wav(body: bytes, tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, more: bytes = b"", **lies: int) -> bytes:
    width = lies.get("width", channels * bits // 8)
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * width & 0xFFFFFFFF, width, bits) + more
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", lies.get("size", len(body))) + body
    return b"RIFF" + struct.pack("<I", lies.get("whole", 4 + len(chunks))) + b"WAVE" + chunks


def code_of(value: object) -> str:
    with pytest.raises(DataError) as raised:
        sound(value, 60)
    return raised.value.code


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_numbers_as_the_standard_library_writes_them(bits: int, channels: int) -> None:
    wanted = TONE[:, :channels]
    steps = np.rint(wanted * (2 ** (bits - 1) - 1)).astype(np.int64)
    packed = (steps + 128).astype(np.uint8) if bits == 8 else steps.astype("<i8").view(np.uint8).reshape(*steps.shape, 8)[..., : bits // 8]
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, bits // 8, RATE, 0, "NONE", ""))
        writer.writeframes(packed.tobytes())
    samples, rate = read_wav(file.getvalue(), 60)
    assert rate == RATE
    assert samples.shape == wanted.shape
    assert np.abs(samples - wanted).max() <= 2 / 2 ** (bits - 1) + 1e-7


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_the_same_as_soundfile(kind: str, container: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, TONE, RATE, subtype=kind, format=container)
    wanted, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32", always_2d=True)
    samples, rate = read_wav(file.getvalue(), 60)
    assert rate == RATE
    assert np.array_equal(samples, wanted)


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("WAV", "ULAW")])
def test_other_formats_through_the_extra(kind: str, subtype: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    long = np.resize(TONE[:, 0], 8000)
    file = io.BytesIO()
    soundfile.write(file, long, RATE, format=kind, subtype=subtype)
    samples, rate = sound(file.getvalue(), 60)
    assert rate == RATE
    size = min(len(samples), len(long))
    assert size >= 7900
    assert kind == "MP3" or np.corrcoef(samples[:size], long[:size])[0, 1] > 0.98  # MP3 begins with a delay
    assert len(sound(file.getvalue(), 0.5)[0]) == 4000
    for cut in range(0, len(file.getvalue()), 97):
        try:
            sound(file.getvalue()[:cut], 60)
        except DataError as error:
            assert error.code.startswith("audio-")


def test_a_coding_without_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flambeau.inputs.sound.decode.find_spec", lambda name: None)
    monkeypatch.setattr("flambeau.extras.find_spec", lambda name: None)
    for data in (wav(b"\0\0", bits=12), wav(b"\0\0", tag=7, bits=8), wav(b"\0\0", tag=0x1234)):
        assert code_of(data) == "audio-coding"
    with pytest.raises(ExtraMissing, match=r"flambeau\[audio\]"):
        sound(b"fLaC" + bytes(100), 60)


def test_cut_off_at_any_byte() -> None:
    whole = wav(np.rint(TONE[:60, 0] * 32767).astype("<i2").tobytes())
    seen = set()
    for size in range(len(whole)):
        try:
            samples, _ = read_wav(whole[:size], 60)
            assert len(samples) == (size - 44) // 2
        except DataError as error:
            seen.add(error.code)
    assert seen == {"audio-unreadable", "audio-truncated", "audio-empty"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "audio-empty"),
        (b"RIFF", "audio-unreadable"),
        (wav(b""), "audio-empty"),
        (wav(b"\0\0", rate=0), "audio-header"),
        (wav(b"\0\0", rate=10**9), "audio-header"),
        (wav(b"\0\0" * 200, channels=200), "audio-header"),
        (wav(b"\0\0", channels=0), "audio-header"),
        (wav(b"\0\0", width=7), "audio-header"),
        (wav(b"\0\0", tag=0x1234), UNKNOWN),
        (wav(np.array([0, np.nan], "<f4").tobytes(), tag=3, bits=32), "audio-values"),
        (wav(np.array([0, np.inf], "<f4").tobytes(), tag=3, bits=32), "audio-values"),
        (wav(np.array([0, 1e300], "<f8").tobytes(), tag=3, bits=64), "audio-values"),
        (wav(b"\0\0").replace(b"fmt ", b"fmtx"), "audio-unreadable"),
        (wav(b"\0\0").replace(b"data", b"list"), "audio-truncated"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_sizes_that_lie_cost_nothing() -> None:
    body = b"\1\0" * 50
    tracemalloc.start()
    for size in (0, 3, 2**31, 2**32 - 1):
        samples, _ = read_wav(wav(body, size=size, whole=size), 60) if size > 3 else (np.zeros((50, 1)), 0)
        assert len(samples) == 50
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_only_so_much_as_is_asked_for() -> None:
    assert len(read_wav(wav(b"\0\0" * 80_000), 0.5)[0]) == 4000


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ((np.zeros(8), 0), "audio-rate"),
        ((np.zeros(8), 1e9), "audio-rate"),
        ((np.zeros(8), True), "audio-rate"),
        ((np.zeros(8), "8000"), "audio-rate"),
        ((np.zeros((8, 200)), 8000), "audio-array"),
        ((np.zeros((2, 2, 2)), 8000), "audio-array"),
        ((np.array(["a"]), 8000), "audio-array"),
        (([[1], [2, 3]], 8000), "audio-array"),
        ((np.zeros(0), 8000), "audio-empty"),
        ((np.array([np.nan]), 8000), "audio-values"),
        (3.5, "audio-kind"),
        ("no/such.wav", "file-missing"),
        ("https://example.org/a.wav", "input-is-url"),
        ("/", "file-not-regular"),
    ],
)
def test_values_that_are_no_sound(value: object, code: str) -> None:
    assert code_of(value) == code


def test_arrays_of_every_type_mean_the_same() -> None:
    tone = TONE[:, 0]
    for samples in (tone, tone.astype(np.float32), np.rint(tone * 32768).astype(np.int16), np.rint(tone * 2**31).astype(np.int64).astype(np.int32)):
        assert np.abs(sound((samples, RATE), 60)[0] - tone).max() < 1e-4
    assert np.abs(sound((np.rint(tone * 128 + 128).astype(np.uint8), RATE), 60)[0] - tone).max() < 1e-2
    assert np.allclose(sound((TONE, RATE), 60)[0], TONE.mean(1), atol=1e-7)
