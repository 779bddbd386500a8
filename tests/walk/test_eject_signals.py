"""Plain files of models for sounds and series, through every network that comes with flambeau: the same bits as in the package."""

from __future__ import annotations

import csv
import json
import sys
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau.network.layer import IMAGE, SEQUENCE
from flambeau.network.spec import PRESETS, read_preset

sys.path.insert(0, str(Path(__file__).parent))

from ejected import SHORT, answered, imports, in_torch, run_alone

FOR_SOUNDS = [name for name in PRESETS if IMAGE in read_preset(name).takes]
FOR_SERIES = [name for name in PRESETS if SEQUENCE in read_preset(name).takes]
MFCC = {"rate": 4000, "seconds": 0.3, "align": "start", "level": False, "trim": None, "features": {"mfcc": {"coefficients": 8, "mels": 16}}}


def write_wave(path: Path, samples: np.ndarray, rate: int = 8000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 14 noisy tones of different lengths, half a second at most."""
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    for label, pitch in (("high", 1300), ("low", 300)):
        (folder / label).mkdir()
        for number in range(14):
            times = np.arange(int(random.integers(2000, 4000))) / 8000
            tone = 0.4 * np.sin(2 * np.pi * pitch * (1 + 0.1 * random.random()) * times)
            write_wave(folder / label / f"{number:02d}.wav", tone + random.normal(size=len(times)) * 0.02)
    return folder


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What no training sound was: another rate, two channels, much too long, much too short."""
    folder = tmp_path_factory.mktemp("strange")
    random = np.random.default_rng(1)
    for name, rate, channels, length in (("fast", 44_100, 1, 9000), ("stereo", 8000, 2, 6000), ("long", 8000, 1, 30_000), ("short", 11_025, 1, 90)):
        write_wave(folder / f"{name}.wav", random.uniform(-0.8, 0.8, length), rate, channels)
    return sorted(folder.iterdir())


@pytest.mark.parametrize(("network", "settings"), [*((name, {}) for name in FOR_SOUNDS), (FOR_SOUNDS[0], MFCC)])
def test_sounds(network: str, settings: Mapping[str, Any], sounds: Path, strange: list[Path], tmp_path: Path) -> None:
    recipe = {"inputs": {"audio": {"type": "audio", **settings}}, "network": network, "training": SHORT}
    run = fb.fit(sounds, recipe=recipe, run=tmp_path / "run", show=fb.silent)
    ejected = fb.eject(tmp_path / "run", tmp_path / "plain", with_data=network == "fast_cnn", show=fb.silent)
    assert ejected.num_checked > 3
    assert imports(tmp_path / "plain") == {"model", "torch", "numpy", "safetensors", "soundfile"}
    assert "soundfile" not in (tmp_path / "plain/requirements.txt").read_text(encoding="utf-8"), "only sounds other than WAV need it"
    files = [*strange, *sorted((sounds / "high").iterdir())[:3]]
    assert answered(tmp_path / "plain", *files) == in_torch(run.artifact, files)
    if "data.npz" in ejected.files:
        assert "validation loss" in run_alone(tmp_path / "plain", "train.py")


def made_series(varying: bool) -> dict[str, Any]:
    """60 walks in 3 channels of two kinds; where lengths vary, some with gaps."""
    random = np.random.default_rng(2)
    walks = []
    for number in range(60):
        walk = np.cumsum(random.normal(size=(int(random.integers(15, 25)) if varying else 20, 3)), 0).astype(np.float32)
        walk += 2 * (number % 2) * np.sin(np.arange(len(walk)))[:, None].astype(np.float32)
        if varying and number % 5 == 0:
            walk[3, 1] = np.nan
        walks.append(walk)
    return {"walk": walks if varying else np.stack(walks), "label": ["waves" if number % 2 else "walks" for number in range(60)]}


@pytest.mark.parametrize(("network", "varying"), [*((name, True) for name in FOR_SERIES), ("gru", False), ("transformer", False)])
def test_series(network: str, varying: bool, tmp_path: Path) -> None:
    data = made_series(varying)
    recipe = {"inputs": {"walk": {"type": "sequence"}}, "network": network, "training": SHORT}
    run = fb.fit(data, recipe=recipe, target="label", run=tmp_path / "run", show=fb.silent)
    fb.eject(run.artifact, tmp_path / "plain", show=fb.silent)
    assert imports(tmp_path / "plain") == {"model", "torch", "numpy", "safetensors"}
    values = [*data["walk"][:5], data["walk"][7][:2] if varying else data["walk"][7]]
    for place, value in enumerate(values):
        np.save(tmp_path / f"{place}.npy", value)
    files = [tmp_path / f"{place}.npy" for place in range(len(values))]
    assert answered(tmp_path / "plain", *files) == in_torch(run.artifact, values)


def test_series_out_of_a_long_table_with_their_data(tmp_path: Path) -> None:
    data = made_series(varying=True)
    table = tmp_path / "walks.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "t", "x", "y", "z", "label"])
        for number, (walk, label) in enumerate(zip(data["walk"], data["label"], strict=True)):
            writer.writerows([number, time, *("" if np.isnan(cell) else cell for cell in row.tolist()), label] for time, row in enumerate(walk))
    recipe = {"network": [{"conv1d_block": 8}, {"gru": 6}, "last_state"], "training": SHORT}
    run = fb.fit(table, recipe=recipe, target="label", id="id", time="t", run=tmp_path / "run", show=fb.silent)
    ejected = fb.eject(tmp_path / "run", tmp_path / "plain", with_data=True, show=fb.silent)
    assert "data.npz" in ejected.files
    assert "validation loss" in run_alone(tmp_path / "plain", "train.py")
    [field] = fb.load(run.artifact).fields
    walks = [[[None if np.isnan(cell) else cell for cell in row] for row in walk.tolist()] for walk in data["walk"][:6]]
    lines = tmp_path / "few.jsonl"
    lines.write_text("".join(json.dumps({field: walk}) + "\n" for walk in walks), encoding="utf-8")
    assert answered(tmp_path / "plain", lines) == in_torch(run.artifact, walks)
