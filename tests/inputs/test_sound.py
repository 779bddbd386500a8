"""Resampling, trimming, cutting, likeness: against scipy and real speech."""

from __future__ import annotations

from math import gcd
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from flambeau.inputs.sound import likeness
from flambeau.inputs.sound.decode import sound
from flambeau.inputs.sound.resample import FINEST, ratio, resample
from flambeau.inputs.sound.shape import fitted, is_silent, trimmed

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def digits() -> list[Path]:
    """Recordings of spoken digits by six speakers."""
    files = sorted((SHARED / "spoken_digits").glob("*.wav"))
    if not files:
        pytest.skip("needs the recordings of spoken digits")
    return files[::50]


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (16_000, 8_000), (8_000, 16_000), (48_000, 16_000), (11_025, 8_000), (8_000, 8_000)])
def test_resampling_as_scipy_with_a_long_filter(rate: int, wanted: int) -> None:
    random = np.random.default_rng(0)
    time = np.arange(rate) / rate
    tones = [np.sin(2 * np.pi * hertz * time + phase) for hertz, phase in zip(random.uniform(50, 0.42 * min(rate, wanted), 6), range(6), strict=True)]
    signal = (sum(tones) / 6).astype(np.float32)
    common = gcd(rate, wanted)
    up, down = wanted // common, rate // common
    taps = 2 * 64 * max(up, down) + 1
    band = 0.95 / max(up, down)
    at = np.arange(taps) - taps // 2
    filter_ = band * np.sinc(band * at) * np.kaiser(taps, 9.0)
    expected = resample_poly(signal.astype(np.float64), up, down, window=filter_) if up != down else signal
    got = resample(signal, rate, wanted)
    assert len(got) == len(expected) == wanted
    inner = slice(400, -400)
    assert np.abs(got - expected)[inner].max() < 2e-3
    exact = sum(np.sin(2 * np.pi * hertz * np.arange(wanted) / wanted + phase) for hertz, phase in zip(
        np.random.default_rng(0).uniform(50, 0.42 * min(rate, wanted), 6), range(6), strict=True)) / 6  # fmt: skip
    assert np.abs(got - exact)[inner].max() < 2e-4


def test_what_is_above_the_band_is_gone() -> None:
    high = np.sin(2 * np.pi * 7000 * np.arange(44_100) / 44_100).astype(np.float32)
    assert np.abs(resample(high, 44_100, 8_000)[200:-200]).max() < 1e-4


def test_rates_of_every_kind_stay_small() -> None:
    for rate, wanted in ((44_100, 22_051), (767_999, 1_001), (1_001, 767_999), (768_000, 1_000)):
        up, down = ratio(rate, wanted)
        assert max(up, down) <= FINEST
        assert abs(up / down * rate / wanted - 1) < 1e-3
        assert len(resample(np.zeros(1000, np.float32), rate, wanted)) == -(-1000 * up // down)


def test_silence_at_the_ends_goes_and_pauses_stay(digits: list[Path]) -> None:
    signal, rate = sound(digits[0], 60)
    around = np.concatenate([np.zeros(2000), signal, np.zeros(1500), signal, np.zeros(3000)]).astype(np.float32)
    left = trimmed(around, rate, 40)
    assert 2 * len(signal) + 1500 - 1000 <= len(left) <= 2 * len(signal) + 1500 + 700
    assert np.array_equal(trimmed(np.zeros(800, np.float32), rate, 40), np.zeros(800))


def test_cut_and_padded_to_length() -> None:
    signal = np.arange(1, 7, dtype=np.float32)
    assert fitted(signal, 4, "centre").tolist() == [2, 3, 4, 5]
    assert fitted(signal, 4, "start").tolist() == [1, 2, 3, 4]
    assert fitted(signal, 9, "centre").tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 0]
    assert fitted(signal, 8, "start").tolist() == [1, 2, 3, 4, 5, 6, 0, 0]
    assert is_silent(np.full(9, 5e-5, np.float32))
    assert not is_silent(signal)


def test_copies_are_alike_and_other_recordings_are_not(digits: list[Path]) -> None:
    random = np.random.default_rng(1)
    clips = [np.rint(fitted(sound(file, 60)[0], 5000, "centre") * 30_000).astype(np.int16) for file in digits]
    for clip in clips:
        softer = np.rint(clip * 0.4).astype(np.int16)
        hiss = random.normal(size=len(clip)) * clip.std() * 10 ** (-30 / 20)
        noisy = np.clip(clip + hiss, -32768, 32767).astype(np.int16)
        for copy in (softer, noisy):
            assert (likeness.fingerprint(clip) ^ likeness.fingerprint(copy)).bit_count() <= 16
        assert likeness.is_alike(clip, softer)
    others = [likeness.is_alike(one, other) for place, one in enumerate(clips) for other in clips[:place]]
    assert not any(others)
