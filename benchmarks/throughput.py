"""Samples a second of training one small network with rotation, shift and flip: ours, the tutorial's loop, Lightning, fastai, Keras.

python benchmarks/throughput.py [--full] [--peers tutorial lightning fastai keras]

Each turn is a new process on one core; the ways take turns; CPU seconds count, after a warm-up (ours with the trial of steps in it).
See throughput_ways.py for what each of them does. Needs the Debian package dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from fashion import write
from measuring import record, spread
from peers import environment, measurement

WAYS = Path(__file__).with_name("throughput_ways.py")
NAMES = {"tutorial": "the PyTorch tutorial's loop", "lightning": "Lightning", "fastai": "fastai", "keras": "Keras on TensorFlow"}
SETTINGS = {"lightning": ("lightning", "lightning_bf16"), "keras": ("keras", "keras_fp32")}
"""The ways in which a peer is tried, where it is more than one; the fastest counts."""
NEEDS = {
    "lightning": ([["lightning"]], "import lightning", True),
    "fastai": (
        # its declared upper bound of torch is older than ours, so its own packages come without theirs
        [
            ["--no-deps", "fastai", "fastcore", "fastdownload", "fastprogress", "fasttransform", "plum-dispatch<2.10", "beartype"],
            ["pandas", "matplotlib", "requests", "cloudpickle", "packaging", "pyyaml", "pillow", "scikit-learn", "python-fasthtml"],
        ],
        "from fastai.vision.all import Learner",
        True,
    ),
    "keras": ([["tensorflow-cpu", "keras"]], "import keras, tensorflow", False),
}


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--full", action="store_true", help="9 rounds of 40,000 samples instead of 3 of 6,000")
    words.add_argument("--peers", nargs="+", choices=NAMES, default=list(NAMES))
    asked = words.parse_args()
    rounds, samples = (9, 40_000) if asked.full else (3, 6_000)
    command = "python benchmarks/throughput.py" + (" --full" if asked.full else "")
    pythons: dict[str, str | Path] = {"flambeau": sys.executable}
    for peer in asked.peers:
        python, reason = environment(peer, *NEEDS[peer]) if peer in NEEDS else (Path(sys.executable), "")
        if python is None:
            record(f"training speed over {NAMES[peer]}", f"it cannot be had here: {reason}", 0, "-", command)
        else:
            pythons[peer] = python
    pythons = {way: python for peer, python in pythons.items() for way in SETTINGS.get(peer, (peer,))}
    speeds: dict[str, list[float]] = {way: [] for way in pythons}
    with tempfile.TemporaryDirectory() as scratch:
        file = write(Path(scratch) / "fashion_mnist.npz")
        for _ in range(rounds):
            for way, python in pythons.items():
                found = measurement(python, WAYS, way, str(file), str(samples))
                speeds[way].append(found["samples"] / found["cpu"])
    for peer in [peer for peer in asked.peers if SETTINGS.get(peer, (peer,))[0] in speeds]:
        best = max(SETTINGS.get(peer, (peer,)), key=lambda way: median(speeds[way]))
        ratios = [ours / theirs for ours, theirs in zip(speeds["flambeau"], speeds[best], strict=True)]
        middle, between = spread(ratios, ".2f")
        own, theirs = median(speeds["flambeau"]), median(speeds[best])
        record(f"training speed over {NAMES[peer]}", f"{middle} x ({own:,.0f} against {theirs:,.0f} samples a CPU second)", rounds, between, command)


if __name__ == "__main__":
    main()
