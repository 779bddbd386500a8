"""Real sounds and series that packages carry, as folders and .npz files that `flambeau fit` takes.

python benchmarks/signal_data.py FOLDER [NAME ...]

    FOLDER/prompts/<language>/*.wav      telephone prompts in five languages (Debian asterisk-core-sounds-*-wav; apt-get, dpkg-deb)
    FOLDER/japanese_vowels.npz ...       time series with their official splits (PyPI aeon): x_train (series, time, channels), y_train,
                                         x_test, y_test; series of different lengths end in NaN
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

SERIES = {"japanese_vowels": "JapaneseVowels", "basic_motions": "BasicMotions", "arrow_head": "ArrowHead", "gun_point": "GunPoint"}
LANGUAGES = ("en", "es", "fr", "it", "ru")


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("folder", type=Path)
    words.add_argument("names", nargs="*", default=[*SERIES, "prompts"])
    asked = words.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name in asked.names:
        print(prompts(asked.folder) if name == "prompts" else series(asked.folder, name))


def prompts(folder: Path) -> Path:
    """FOLDER/prompts with one sub-folder for each language."""
    home = folder / "prompts"
    if home.exists():
        return home
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        subprocess.run(["apt-get", "download", *(f"asterisk-core-sounds-{word}-wav" for word in LANGUAGES)], cwd=scratch, check=True)
        made = Path(scratch) / "prompts"
        for word in LANGUAGES:
            unpacked = Path(scratch) / word
            subprocess.run(["dpkg-deb", "-x", str(next(Path(scratch).glob(f"*-{word}-wav_*.deb"))), str(unpacked)], check=True)
            voice = next(path for path in unpacked.glob("usr/share/asterisk/sounds/*") if path.is_dir() and not path.is_symlink())
            for file in sorted(voice.rglob("*.wav")):
                place = made / word / "-".join(file.relative_to(voice).parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read_bytes())
        made.rename(home)
    return home


def series(folder: Path, name: str) -> Path:
    """FOLDER/NAME.npz."""
    home = folder / f"{name}.npz"
    if not home.exists():
        texts = _members(SERIES[name])
        splits = {split: _parsed(text) for split, text in texts.items()}
        longest = max(len(values) for rows, _ in splits.values() for values in rows)
        arrays = {f"x_{split}": np.stack([_extended(values, longest) for values in rows]) for split, (rows, _) in splits.items()}
        np.savez_compressed(home, **arrays, **{f"y_{split}": np.array(labels) for split, (_, labels) in splits.items()})
    return home


def _members(name: str) -> dict[str, str]:
    """train and test -> the text of the .ts file in the package."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, "aeon"], check=True)
        with zipfile.ZipFile(next(Path(scratch).glob("aeon*.whl"))) as wheel:
            return {split: wheel.read(f"aeon/datasets/data/{name}/{name}_{split.upper()}.ts").decode("utf-8") for split in ("train", "test")}


def _parsed(text: str) -> tuple[list[np.ndarray], list[str]]:
    """A .ts file -> series (time, channels) and labels: a line for each series, its channels and last its label between colons."""
    rows, labels = [], []
    for line in text[text.lower().index("@data") :].splitlines()[1:]:
        *channels, label = line.strip().split(":")
        if channels:
            rows.append(np.array([channel.split(",") for channel in channels], np.float32).T)
            labels.append(label.strip())
    return rows, labels


def _extended(values: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([values, np.full((length - len(values), values.shape[1]), np.nan, np.float32)])


if __name__ == "__main__":
    main()
