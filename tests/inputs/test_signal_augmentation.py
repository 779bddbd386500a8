"""What varies sounds and series: a function of seed, epoch and index, and each step does what its name says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from flambeau.inputs.audio import AudioInput
from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.sound_steps import SOUND_STEPS
from flambeau.inputs.sequence import SequenceInput
from flambeau.types import MASK, Batch

RATE = 8000
TIME = np.arange(8000) / RATE


def draw(indices: npt.NDArray[np.int64], epoch: int = 1) -> Draw:
    return Draw(7, epoch, indices, lambda targets: targets)


def sounds(steps: list[Any], samples: Tensor, epoch: int = 1, first: int = 0) -> Tensor:
    given = AudioInput(rate=RATE, seconds=samples.shape[1] / RATE, augment=tuple(steps)).resolve([])
    vary = given.augmentation(given.spec)
    assert vary is not None
    return vary(Batch({"x": samples}, None), draw(np.arange(first, first + len(samples)), epoch)).inputs["x"]


def series(steps: list[Any], tensors: dict[str, Tensor], epoch: int = 1) -> dict[str, Tensor]:
    given = SequenceInput(channels=2, length="varies", augment=tuple(steps)).resolve([])
    vary = given.augmentation(given.spec)
    assert vary is not None
    return dict(vary(Batch(tensors, None), draw(np.arange(len(tensors["x"])), epoch)).inputs)


@pytest.fixture
def tones() -> Tensor:
    waves = [8000 * np.sin(2 * np.pi * hertz * TIME) for hertz in (220, 440, 880, 1000)]
    return torch.from_numpy(np.rint(np.stack(waves)).astype(np.int16))


@pytest.fixture
def ragged() -> dict[str, Tensor]:
    lengths = torch.tensor([30, 12, 21])
    mask = torch.arange(30)[None] < lengths[:, None]
    time = torch.arange(30.0)[None, :, None]
    values = torch.cat([torch.sin(time / 4), 100 + time], 2).expand(3, -1, -1) * mask[..., None]
    return {"x": values.clone(), "x" + MASK: mask}


@pytest.mark.parametrize("step", [kind.name for kind in SOUND_STEPS])
def test_sounds_depend_on_seed_epoch_and_index_alone(step: str) -> None:
    tones = (torch.randn(4, 8000, generator=torch.Generator().manual_seed(3)) * 3000).to(torch.int16)
    whole = sounds([step], tones)
    assert whole.dtype == torch.float32
    assert torch.equal(whole, sounds([step], tones))
    assert torch.allclose(whole[2:], sounds([step], tones[2:], first=2), atol=0.05)
    assert not torch.allclose(whole, sounds([step], tones, epoch=2), atol=1)
    assert not torch.allclose(whole, tones.float(), atol=1)


def loudest(samples: Tensor) -> Tensor:
    """Hertz of the strongest frequency."""
    return torch.fft.rfft(samples * torch.hann_window(8000)).abs().argmax(1).double()


def test_speed_moves_the_pitch_within_its_bounds(tones: Tensor) -> None:
    moved = loudest(sounds([{"speed": 0.2}], tones)) / loudest(tones.float())
    assert ((moved > 1 / 1.21) & (moved < 1.21)).all()
    assert len(set(moved.tolist())) == 4


def test_shift_moves_and_fills_with_silence(tones: Tensor) -> None:
    ramp = torch.arange(1, 8001, dtype=torch.float32).repeat(3, 1)
    moved = sounds([{"shift": 0.1}], ramp)
    for row in moved:
        inside = row[1000:7000]
        assert torch.allclose(inside.diff(), torch.ones(5999), atol=1e-2)
        assert 0 < abs(float(inside[0]) - 1001) <= 801


def test_noise_lies_so_many_decibels_below(tones: Tensor) -> None:
    noise = sounds([{"noise": {"above": 20, "below": 20}}], tones) - tones
    ratio = 20 * torch.log10(tones.float().std(1) / noise.std(1))
    assert torch.allclose(ratio, torch.tensor(20.0), atol=0.3)


def test_masks_take_out_what_they_say(tones: Tensor) -> None:
    masked = sounds([{"time_mask": {"by": 0.3, "masks": 1}}], tones)
    silent = (masked == 0) & (tones != 0)
    assert ((silent.float().mean(1) <= 0.3) & (silent.float().mean(1) > 0)).all()
    generator = torch.Generator().manual_seed(0)
    hiss = torch.randn(64, 8000, generator=generator) * 1000
    left = torch.fft.rfft(sounds([{"frequency_mask": {"by": 0.3, "masks": 1}}], hiss)).abs() > 1
    gone = ~left
    assert (gone.float().mean(1) < 0.6).all()
    assert (gone.any(1).float().mean() > 0.9).item()
    edges = (gone[:, 1:] != gone[:, :-1]).sum(1)
    assert (edges <= 2).all()


def test_equaliser_and_gain_stay_within_their_decibels(tones: Tensor) -> None:
    for step in ("equalise", "gain"):
        change = 20 * torch.log10(sounds([{step: 6}], tones).std(1) / tones.float().std(1))
        assert (change.abs() <= 6.1).all()
        assert change.abs().max() > 0.3


def test_an_empty_list_is_no_augmentation() -> None:
    assert AudioInput(rate=RATE, seconds=1, augment=()).augmentation(AudioInput(rate=RATE, seconds=1).spec) is None
    assert SequenceInput(channels=1, length=3, augment=()).augmentation(SequenceInput(channels=1, length=3).spec) is None
    assert AudioInput(rate=RATE, seconds=1, augment=({"speed": 0.2},)).variations() == ["speed 0.2"]


@pytest.mark.parametrize("step", ["jitter", "scale", "warp", "window"])
def test_series_keep_their_padding_and_their_mask(ragged: dict[str, Tensor], step: str) -> None:
    varied = series([step], ragged)
    assert torch.equal(varied["x" + MASK], ragged["x" + MASK])
    assert not varied["x"][~ragged["x" + MASK]].any()
    assert torch.equal(varied["x"], series([step], ragged)["x"])
    assert not torch.equal(varied["x"], series([step], ragged, epoch=2)["x"])
    longer = {"x": torch.nn.functional.pad(ragged["x"], (0, 0, 0, 5), value=9.0), "x" + MASK: torch.nn.functional.pad(ragged["x" + MASK], (0, 5))}
    if step != "jitter":  # whose noise is laid over the padded batch
        assert torch.allclose(series([step], longer)["x"][:, :30], varied["x"], atol=1e-4)


def test_warping_keeps_the_ends_and_the_order(ragged: dict[str, Tensor]) -> None:
    warped = series([{"warp": 0.5}], ragged)["x"][..., 1]
    for row, length in zip(warped, (30, 12, 21), strict=True):
        assert row[0] == pytest.approx(100)
        assert row[length - 1] == pytest.approx(100 + length - 1, abs=1e-3)
        steps = row[:length].diff()
        assert (steps > 0.45).all()
        assert (steps < 1.55).all()


def test_windows_are_parts(ragged: dict[str, Tensor]) -> None:
    cut = series([{"window": 0.3}], ragged)["x"][..., 1]
    for row, length in zip(cut, (30, 12, 21), strict=True):
        span = float(row[length - 1] - row[0])
        assert 0.69 * (length - 1) <= span <= length - 1
        assert torch.allclose(row[:length].diff(), row[:length].diff().mean(), atol=1e-3)


def test_scaling_leaves_the_mean_and_gaps_stay_gaps(ragged: dict[str, Tensor]) -> None:
    ragged["x"][0, 4, 1] = float("nan")
    scaled = series([{"scale": 0.3}, "jitter"], ragged)["x"]
    assert torch.isnan(scaled).nonzero().tolist() == [[0, 4, 1]]
    only = series([{"scale": 0.3}], ragged)["x"]
    factor = (only[1, :12, 1] - 105.5) / (ragged["x"][1, :12, 1] - 105.5)
    assert torch.allclose(factor, factor[0], atol=1e-3)
    assert 0.7 <= factor[0] <= 1.3
