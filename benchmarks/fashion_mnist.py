"""Fashion-MNIST: how far the accuracy recipe comes, and how soon the speed recipe is where the tutorial's loop comes to.

python benchmarks/fashion_mnist.py [--full] [--seeds N] [--only speed accuracy] [--goals SCORE...] [--alone]

Scores are those of the official test set; the recipes were chosen on a validation split. (The tests of three forerunners of first_images
and of five of quick_images were seen while the search for them went on by validation and time.) The tutorial's loop (PIL pictures, torchvision's
transforms, DataLoader, Adam at 0.001; the network of throughput_ways.py; pictures flipped at random, by which it gets there sooner) runs until
the first epoch at whose end it has the score; its evaluations do not count. Of ours everything counts from the split to the last epoch, the
trial of steps and the validation after each epoch too; the whole command stands beside it. Imports count for neither. Both run on one core,
each in a new process.
The accuracy recipe is not a race: its seeds run side by side, one on each core.
Without --full: 10,000 pictures, one seed, and a score that suits them.
Needs the Debian package dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
from fashion import arrays
from measuring import record, spread
from peers import measurement

RECIPES = {"first": "first_images", "speed": "quick_images", "accuracy": "best_images"}
SETTINGS = {"speed": ["training.optimizer.muon.rest.adamw.lr=0.01"]}
"""What the validation split of this data prefers to the recipe's own choice, which other data made (decision 22)."""
GOALS = {0.91: "first", 0.93: "speed"}
"""Score -> the recipe that reaches it."""
QUICK_GOALS = {0.86: "first"}
"""The same with 10,000 pictures."""
MOST_EPOCHS = 20
"""After so many the tutorial's loop is taken to never come there."""


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--full", action="store_true", help="all 60,000 pictures")
    words.add_argument("--seeds", type=int, default=0, help="4 with --full, else 1")
    words.add_argument("--only", nargs="+", choices=("speed", "accuracy"), default=["speed", "accuracy"])
    words.add_argument("--goals", nargs="+", type=float, choices=GOALS, default=list(GOALS), help="with --full: scores to reach")
    words.add_argument("--alone", action="store_true", help="without the tutorial's loop, which takes 20 epochs to never come to 93 %")
    words.add_argument("--run", nargs="+", help="one measurement, as JSON")
    asked = words.parse_args()
    if asked.run:
        print(json.dumps(tutorial(*asked.run[1:]) if asked.run[0] == "tutorial" else ours(*asked.run[1:])))
        return
    seeds = range(asked.seeds or (4 if asked.full else 1))
    command = "python benchmarks/fashion_mnist.py" + (" --full" if asked.full else "")
    what = "Fashion-MNIST" if asked.full else "Fashion-MNIST, 10,000 pictures"
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "fashion_mnist.npz"
        np.savez(file, **(arrays() if asked.full else {name: values[:10_000] for name, values in arrays().items()}))
        if "speed" in asked.only:
            for goal, recipe in {goal: GOALS[goal] for goal in asked.goals}.items() if asked.full else QUICK_GOALS.items():
                to_a_score(f"{what}: to {goal:.0%}", goal, recipe, file, seeds, command, asked.alone)
        if "accuracy" in asked.only and asked.full:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                runs = list(pool.map(lambda seed: in_a_child("ours", "accuracy", file, seed), seeds))
            shown, between = scores(runs)
            seconds = spread([run["whole"] for run in runs], ".0f")[0]
            record(f"{what}: test accuracy of the accuracy recipe", f"{shown}; {seconds} CPU seconds of fit", len(runs), between, command)


def to_a_score(what: str, goal: float, recipe: str, file: Path, seeds: range, command: str, alone: bool) -> None:
    """CPU seconds to a score: ours as the recipe says, the tutorial's loop, if it runs, in as many epochs as it takes; they take turns."""
    mine, theirs = [], []
    for seed in seeds:
        mine.append(in_a_child("ours", recipe, file, seed))
        if not alone:
            theirs.append(in_a_child("tutorial", file, seed, goal))
    shown, between = scores(mine)
    how = " ".join([RECIPES[recipe], *(f"--set {setting}" for setting in SETTINGS.get(recipe, []))])
    record(f"{what}, our score by {how}", shown, len(mine), between, command)
    own = spread([run["training"] for run in mine], ".1f")
    record(f"{what}, our CPU seconds", f"{own[0]} (whole command {spread([run['whole'] for run in mine], '.1f')[0]})", len(mine), own[1], command)
    if alone:
        return
    if any(run["seconds"] is None for run in theirs):
        best = max(run["score"] for run in theirs)
        record(f"{what}, the tutorial's loop over our CPU seconds", f"never, in {MOST_EPOCHS} epochs (best {best:.4f})", len(theirs), "-", command)
        return
    ratios = spread([other["seconds"] / one["training"] for one, other in zip(mine, theirs, strict=True)], ".1f")
    record(f"{what}, the tutorial's loop over our CPU seconds", f"{ratios[0]} x", len(theirs), ratios[1], command)


def scores(runs: list[dict]) -> tuple[str, str]:
    """Their mean, standard deviation (0 of a single one) and median as text, and their range."""
    values = [run["score"] for run in runs]
    middle, between = spread(values, ".4f")
    deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"mean {np.mean(values):.4f}, standard deviation {deviation:.4f}, median {middle}", between


def in_a_child(*words: object) -> dict:
    return measurement(sys.executable, Path(__file__), "--run", *map(str, words))


def ours(recipe: str, file: str, seed: str) -> dict[str, float]:
    """Test accuracy, CPU seconds from the first trial of a step to the last epoch, and of the whole command but for Python's own start."""
    import flambeau as fb
    from flambeau.events import Surveyed, Trained

    import_module("torch._dynamo")  # which torch imports for any optimizer, the tutorial's too: before both clocks start

    moments: dict[type, float] = {}

    def show(event: object) -> None:
        moments[type(event)] = time.process_time()

    with tempfile.TemporaryDirectory() as scratch:
        run = fb.fit(
            file,
            recipe=RECIPES[recipe],
            run=Path(scratch) / "run",
            seed=int(seed),
            settings=["training.threads=1", *SETTINGS.get(recipe, [])],
            show=show,
        )
    return {"score": run.test["accuracy"]["value"], "training": moments[Trained] - moments[Surveyed], "whole": time.process_time()}


def tutorial(file: str, seed: str, goal: str) -> dict[str, float | None]:
    """CPU seconds of training until the score, None if it never comes, and the best score."""
    import torch
    from throughput_ways import BATCH, torch_loader, torch_network
    from torch.nn.functional import cross_entropy

    torch.manual_seed(int(seed))
    with np.load(file) as data:
        pictures, labels = data["image_train"], data["label_train"]
        tests = torch.from_numpy(data["image_test"])[:, None]
        truths = torch.from_numpy(data["label_test"].astype(np.int64))
    network, loader = torch_network(), torch_loader(pictures, labels, moved=False)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    seconds, best = 0.0, 0.0
    for _ in range(MOST_EPOCHS):
        started = time.process_time()
        for images, targets in loader:
            optimizer.zero_grad()
            cross_entropy(network(images), targets).backward()
            optimizer.step()
        seconds += time.process_time() - started
        with torch.no_grad():
            answers = torch.cat([network((part / 255 - 0.286) / 0.353).argmax(1) for part in tests.split(BATCH)])
        best = max(best, float((answers == truths).float().mean()))
        if best >= float(goal):
            return {"seconds": seconds, "score": best}
    return {"seconds": None, "score": best}


if __name__ == "__main__":
    main()
