"""The spectrogram of the exported graph, against torch.stft and textbook formulas written another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dct

from flambeau.inputs.graph.spectrogram import Cepstrum, Decibels, Power
from flambeau.inputs.sound.features import LogMel, Mfcc
from flambeau.inputs.sound.mel import filters, to_hertz, to_mel


@pytest.mark.parametrize(("length", "hop", "size"), [(256, 128, 512), (200, 80, 512), (400, 160, 512), (401, 100, 1024)])
def test_power_is_that_of_torch(length: int, hop: int, size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    signal = torch.rand(3, 4000, generator=generator) * 2 - 1
    window = torch.hann_window(length)
    reference = torch.stft(signal.double(), size, hop, length, window.double(), center=True, pad_mode="constant", return_complex=True).abs().square()
    ours = Power(length, hop, size)(signal)
    frames = min(ours.shape[2], reference.shape[2])
    assert abs(ours.shape[2] - reference.shape[2]) <= 1
    ours, reference = ours[..., :frames].double(), reference[..., :frames]
    assert ((ours - reference).abs().max() / reference.max()).item() < 2e-6
    theirs = torch.stft(signal, size, hop, length, window, center=True, pad_mode="constant", return_complex=True).abs().square()[..., :frames]
    assert (ours - reference).abs().max() <= 8 * (theirs - reference).abs().max() + 1e-9


def test_mel_filters_are_triangles_on_htks_scale() -> None:
    mels, size, rate = 40, 512, 16_000
    ours = filters(mels, size, rate, 20.0, 8000.0)
    edges = [700 * (10 ** (mel / 2595) - 1) for mel in np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 8000 / 700), mels + 2)]
    for mel in range(mels):
        for place in range(size // 2 + 1):
            expected = np.interp(place * rate / size, edges[mel : mel + 3], [0.0, 1.0, 0.0])
            assert ours[mel, place] == pytest.approx(expected, abs=1e-9)
    assert to_mel(1000.0) == pytest.approx(1000, abs=0.1)
    assert to_hertz(to_mel(440.0)) == pytest.approx(440)


def test_every_mel_band_has_a_frequency() -> None:
    for rate in (8000, 16_000, 44_100):
        for features in (LogMel(), Mfcc(mels=40)):
            _, _, size = features.samples(rate)
            assert (filters(features.mels, size, rate, *features.band(rate)).sum(1) > 0).all()


def test_decibels_below_the_loudest_point() -> None:
    power = torch.rand(2, 257, 9, generator=torch.Generator().manual_seed(1)) ** 4
    module = Decibels(20, 512, 16_000, (20.0, 8000.0), 40.0)
    energy = filters(20, 512, 16_000, 20.0, 8000.0) @ power.double().numpy()
    expected = 10 * np.log10(energy / energy.max((1, 2), keepdims=True) + 1e-4)
    assert np.abs(module(power).numpy() - expected).max() < 1e-5
    assert torch.allclose(module(power * 1e-3), module(power), atol=1e-4)
    assert torch.allclose(module(torch.zeros(1, 257, 3)), torch.tensor(-40.0))


def test_cepstrum_is_the_cosine_transform_of_scipy() -> None:
    values = torch.randn(2, 40, 7, generator=torch.Generator().manual_seed(2))
    expected = dct(values.double().numpy(), type=2, norm="ortho", axis=1)[:, :13]
    assert np.abs(Cepstrum(13, 40)(values).numpy() - expected).max() < 1e-5


def test_frames_are_counted_as_they_come() -> None:
    for features in (LogMel(), LogMel(frame=25, hop=10), Mfcc(coefficients=13)):
        for rate, time in ((8000, 5200), (16_000, 16_000), (11_025, 4001), (8000, 3)):
            assert features.module(rate)(torch.zeros(1, time)).shape[1:] == (features.rows, features.frames(time, rate))
