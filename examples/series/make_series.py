"""Writes series of two channels and different lengths, round and square waves: python make_series.py FILE.npz"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

NUMBER = 60
LONGEST = 60


def write_series(file: Path) -> Path:
    """FILE with x (series, time, channels), NaN behind the end of each, and y."""
    random = np.random.default_rng(0)
    x = np.full((NUMBER, LONGEST, 2), np.nan, np.float32)
    y = np.where(np.arange(NUMBER) % 2, "round", "square")
    for series, label in zip(x, y, strict=True):
        length = random.integers(40, LONGEST)
        time = np.arange(length) / random.uniform(4, 6)
        wave = np.sin(time) if label == "round" else np.sign(np.sin(time))
        series[:length] = np.stack([wave, np.cos(time)], 1) + random.normal(0, 0.1, (length, 2))
    np.savez(file, x=x, y=y)
    return file


if __name__ == "__main__":
    write_series(Path(sys.argv[1]))
