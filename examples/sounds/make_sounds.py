"""Writes two classes of short WAV files, low and high tones with noise: python make_sounds.py FOLDER"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np

EACH = 20
RATE = 8000


def write_sounds(folder: Path) -> Path:
    """FOLDER/low/*.wav and FOLDER/high/*.wav."""
    random = np.random.default_rng(0)
    for label, hertz in (("low", 300), ("high", 900)):
        for number in range(EACH):
            time = np.arange(random.integers(3000, 6000)) / RATE
            tone = np.sin(2 * np.pi * hertz * random.uniform(0.8, 1.25) * time) + random.normal(0, 0.1, len(time))
            file = folder / label / f"{number}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(file), "wb") as writer:
                writer.setnchannels(1)
                writer.setsampwidth(2)
                writer.setframerate(RATE)
                writer.writeframes((tone * 8000).astype("<i2").tobytes())
    return folder


if __name__ == "__main__":
    write_sounds(Path(sys.argv[1]))
