"""How many seconds of sound a second of one core turns into log-mel pictures, beside torch.stft with the same filters, and in all from WAV files.

OMP_NUM_THREADS=1 python benchmarks/audio_pipeline.py FOLDER      FOLDER: WAV files
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import numpy as np
import torch
from measuring import record, spread, timed

from flambeau.inputs.audio import AudioInput
from flambeau.inputs.sound.features import LogMel
from flambeau.inputs.sound.mel import filters

ROUNDS = 9


def main() -> None:
    torch.set_num_threads(1)
    files = sorted(Path(sys.argv[1]).glob("**/*.wav"))[:500]
    given = AudioInput().resolve(files[:200])
    clips = np.stack([given.read(file) for file in files])
    module = given.fit(iter(clips)).module().eval()
    waves = torch.from_numpy(clips)
    seconds = waves.numel() / given.reading.rate
    with torch.no_grad():
        module(waves)
        ours = [seconds / timed(lambda: module(waves))[1] for _ in range(ROUNDS)]
        theirs = [seconds / timed(lambda: reference(waves, given.features, given.reading.rate))[1] for _ in range(ROUNDS)]
    read = [seconds / timed(lambda: [given.read(file) for file in files])[1] for _ in range(ROUNDS)]
    command = f"OMP_NUM_THREADS=1 python benchmarks/audio_pipeline.py {Path(sys.argv[1]).name}"
    for what, values in (("log-mel in the graph", ours), ("log-mel through torch.stft", theirs), ("WAV file to cached clip", read)):
        record(f"{what}: times real time, CPU seconds", spread(values, ".0f")[0], ROUNDS, spread(values, ".0f")[1], command)
    print(f"graph / torch.stft: {median(ours) / median(theirs):.2f}")


def reference(waves: torch.Tensor, features: LogMel, rate: int) -> torch.Tensor:
    """The same by torch.stft."""
    frame, hop, size = features.samples(rate)
    spectrum = torch.stft(waves.float() / 32768, size, hop, frame, torch.hann_window(frame), pad_mode="constant", return_complex=True)
    energy = torch.from_numpy(filters(features.mels, size, rate, *features.band(rate))).float() @ spectrum.abs().square()
    return 10 * torch.log10(energy / energy.amax((1, 2), keepdim=True).clamp_min(1e-10) + 1e-4)


if __name__ == "__main__":
    main()
