"""Epochs over a folder of 500 x 375 JPEG files at 160 pixels: ours against torchvision's ImageFolder and DataLoader, without a network.

python benchmarks/jpeg_folder.py [--full]

The files are pieces of scikit-learn's two photos: each cut out at a random place, size and angle, mirrored or not, in random brightness
and contrast, written with quality 90. Both sides give the same thing: batches of 128 standardised float pictures, turned by up to 10
degrees, shifted by up to a tenth, half of them mirrored. Our first epoch holds everything from the folder on: reading, hashing, looking
for unreadable, blank and copied files, the split, the statistics, the cache, then the epoch itself. torchvision does its work in two
workers, and may keep them; of two ways to write its transforms the faster one counts. Our epochs run on one thread or on all, whichever
varies a batch sooner in a short trial beforehand. All take turns, each time in a new process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measuring import record, spread
from PIL import Image, ImageEnhance

SIZE, BATCH, EPOCHS, CLASSES = 160, 128, 4, 10
OURS = {
    "decode: exact": {},
    "decode: exact, resizer: simd": {"resizer": "simd"},
    "decode: fast": {"decode": "fast"},
    "decode: fast, resizer: simd": {"decode": "fast", "resizer": "simd"},
}
"""What the recipe says of the pictures."""
AS_COMMAND = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000", "OPENBLAS_NUM_THREADS": "1"}
"""What `flambeau fit` sets for itself."""
PEERS = ("pillow", "tensors")
DRAFTED = ("drafted",)
"""The first of the peers with Pillow's own decoding at a part of the size, which few know; compared with ours that does the like."""


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--full", action="store_true", help="3,000 files and 5 rounds instead of 400 and 3")
    words.add_argument("--run", nargs=2, metavar=("WAY", "FOLDER"), help="one measurement, as JSON")
    asked = words.parse_args()
    if asked.run:
        way, folder = asked.run
        print(json.dumps(measured(ours(Path(folder), way) if way in OURS else torchvisions(Path(folder), way))))
        return
    files, rounds = (3000, 5) if asked.full else (400, 3)
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_photos(Path(scratch) / "photos", files)
        command = "python benchmarks/jpeg_folder.py" + (" --full" if asked.full else "")
        one_picture(folder, rounds, command)
        found: dict[str, list[list[tuple[float, float]]]] = {way: [] for way in (*OURS, *PEERS, *DRAFTED)}
        for _ in range(rounds):
            for way in found:
                found[way].append(in_a_child(way, folder))
    for way in OURS:
        for name, place in (("first epoch", 0), ("later epochs", 1)):
            report(f"{files} JPEG files at 160 px, {way}, {name}", found, PEERS, way, place, command)
    for way in list(OURS)[2:]:
        report(f"{files} JPEG files at 160 px, {way}, first epoch, against a loader that decodes so too", found, DRAFTED, way, 0, command)


def one_picture(folder: Path, rounds: int, command: str) -> None:
    """What reading a file costs by each way, and how far its grey levels are from those of the first way."""
    from flambeau.inputs.image import ImageInput

    files = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[:100]]
    readers = {way: ImageInput.model_validate({"size": SIZE, "resize": "stretch", "channels": 3, **OURS[way]}).read for way in OURS}
    pictures = {way: np.stack([read(file) for file in files]).astype(int) for way, read in readers.items()}
    times: dict[str, list[float]] = {way: [] for way in OURS}
    for _ in range(rounds):
        for way, read in readers.items():
            begin = time.process_time()
            for file in files:
                read(file)
            times[way].append(time.process_time() - begin)
    first = next(iter(OURS))
    for way in OURS:
        middle, between = spread([ours / other for ours, other in zip(times[first], times[way], strict=True)], ".2f")
        apart = np.abs(pictures[way] - pictures[first])
        levels = f"grey levels {apart.mean():.2f} apart on average, {(apart > 0).mean():.0%} of them differ"
        text = f"{median(times[way]) / len(files) * 1000:.2f} CPU ms, {middle} x the speed of {first}; {levels}"
        record(f"one JPEG file of 500 x 375 to {SIZE} px, {way}", text, rounds, between, command)


def report(what: str, found: dict[str, list[list[tuple[float, float]]]], peers: tuple[str, ...], way: str, place: int, command: str) -> None:
    """Writes how many times as fast as the better peer we are, round by round."""

    def seconds(one: str, kind: int) -> list[float]:
        return [measurement[place][kind] for measurement in found[one]]

    def ratios(kind: int) -> list[float]:
        best = map(min, zip(*(seconds(peer, kind) for peer in peers), strict=True))
        return [theirs / own for theirs, own in zip(best, seconds(way, kind), strict=True)]

    walls, cpus = ratios(0), ratios(1)
    own, theirs = median(seconds(way, 0)), min(median(seconds(peer, 0)) for peer in peers)
    middle, between = spread(walls, ".2f")
    measured = f"{middle} x torchvision's speed ({median(cpus):.2f} x by CPU seconds; {own:.2f} s against {theirs:.2f} s)"
    record(what, measured, len(walls), between, command)


def in_a_child(way: str, folder: Path) -> list[tuple[float, float]]:
    """Wall and CPU seconds of the first epoch, and of a later one (the median)."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--run", way, str(folder)]
        settings = {"FLAMBEAU_CACHE": cache, **(AS_COMMAND if way in OURS else {})}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **settings})
    first, *later = json.loads(done.stdout)
    return [tuple(first), (median(wall for wall, _ in later), median(cpu for _, cpu in later))]


def measured(epochs: Iterator[int]) -> list[tuple[float, float]]:
    """Wall and CPU seconds from the start, the first thing that comes, to the end of the first epoch, and of each further one."""
    found = []
    next(epochs)
    wall, cpu = time.perf_counter(), cpu_seconds()
    for _ in epochs:
        found.append((time.perf_counter() - wall, cpu_seconds() - cpu))
        wall, cpu = time.perf_counter(), cpu_seconds()
    return found


def cpu_seconds() -> float:
    """Of this process and of the workers that it has now."""
    total = time.process_time()
    for worker in multiprocessing.active_children():
        numbers = Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
    return total


def ours(folder: Path, way: str) -> Iterator[int]:
    from flambeau.garbage import search_as_usual, search_rarely

    search_rarely()  # as the command line does until training begins
    import torch

    from flambeau.data.batches import Batches
    from flambeau.data.cache import encode
    from flambeau.data.cleaning import clean
    from flambeau.data.config import DataConfig
    from flambeau.data.source import open_source
    from flambeau.data.split import split
    from flambeau.inputs.image import ImageInput
    from flambeau.machine import keep_freed_memory

    keep_freed_memory()  # as `flambeau fit` does before it reads
    augment = [{"rotate": 10}, {"shift": 0.1}, "flip"]
    choose_threads(ImageInput.model_validate({"size": SIZE, "augment": augment}))
    yield -1
    config = DataConfig.model_validate({"folder": folder, "split": {"train": 0.98, "valid": 0.01, "test": 0.01}})
    source = open_source(config)
    image = ImageInput.model_validate({"size": SIZE, "augment": augment, **OURS[way]}).resolve(source.values("image")[:256])
    cache = encode(source, {"image": image}, folder)
    cleaned = clean(source, cache, {"image": image}, config)
    labels = [source.label(row) for row in range(len(source))]
    chosen = image.fit(cache.rows["image"][int(row)] for row in split(labels, cleaned.clusters, config.split, rows=cleaned.kept).train)
    vary = image.augmentation(chosen.spec)
    assert vary is not None
    batches = Batches(cache.rows, None, np.arange(len(source)), {"image": chosen}, BATCH, 0, {"image": vary})
    prepare = chosen.module()
    search_as_usual()
    for epoch in range(EPOCHS):
        with torch.no_grad():
            assert sum(len(prepare(batch.inputs["image"])) for batch in batches.epoch(epoch)) == len(source)
        yield epoch


def choose_threads(image: Any) -> None:
    """One thread or all: what is sooner at varying a batch now."""
    import torch

    from flambeau.inputs.augment import Draw
    from flambeau.types import Batch

    vary = image.augmentation(None)
    batch, draw = Batch({"image": torch.zeros(BATCH, 3, SIZE, SIZE, dtype=torch.uint8)}, None), Draw(0, 0, np.arange(BATCH), lambda targets: targets)
    times: dict[int, list[float]] = {1: [], torch.get_num_threads(): []}
    for _ in range(4):
        for threads, found in times.items():
            torch.set_num_threads(threads)
            started = time.perf_counter()
            vary(batch, draw)
            found.append(time.perf_counter() - started)
    torch.set_num_threads(min(times, key=lambda threads: min(times[threads][1:])))


def torchvisions(folder: Path, way: str) -> Iterator[int]:
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    yield -1
    move = [v2.RandomAffine(10, (0.1, 0.1), interpolation=v2.InterpolationMode.BILINEAR), v2.RandomHorizontalFlip()]
    first = [v2.Resize((SIZE, SIZE)), *move, v2.ToImage()] if way != "tensors" else [v2.ToImage(), v2.Resize((SIZE, SIZE), antialias=True), *move]
    last = [v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    data = ImageFolder(folder, v2.Compose([*first, *last]), **({"loader": drafted} if way in DRAFTED else {}))
    loader = DataLoader(data, BATCH, shuffle=True, num_workers=2, persistent_workers=True)
    for epoch in range(EPOCHS):
        assert sum(len(pictures) for pictures, _ in loader) == len(data)
        yield epoch


def drafted(path: str) -> Image.Image:
    """A picture, decoded at the smallest part of its size that is at least the wanted one."""
    with Image.open(path) as picture:
        picture.draft("RGB", (SIZE, SIZE))
        return picture.convert("RGB")


def write_photos(folder: Path, number: int) -> Path:
    """A folder of so many JPEG files in 10 classes."""
    from sklearn.datasets import load_sample_images

    dice = np.random.default_rng(0)
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    for place in range(number):
        home = folder / f"class{place % CLASSES}"
        home.mkdir(parents=True, exist_ok=True)
        piece(photos[place % 2], dice).save(home / f"{place:05}.jpg", quality=90)
    return folder


def piece(photo: Image.Image, dice: np.random.Generator) -> Image.Image:
    """500 x 375 pixels out of a photo."""
    zoom, angle = dice.uniform(0.4, 1.0), np.radians(dice.uniform(-25, 25))
    across, down = zoom * np.cos(angle), zoom * np.sin(angle)
    left, top = dice.uniform(0, photo.width - 500 * zoom), dice.uniform(0, photo.height - 375 * zoom)
    cut = photo.transform((500, 375), Image.Transform.AFFINE, (across, -down, left, down, across, top), Image.Resampling.BICUBIC)
    cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if dice.random() < 0.5 else cut
    return ImageEnhance.Contrast(ImageEnhance.Brightness(cut).enhance(dice.uniform(0.7, 1.3))).enhance(dice.uniform(0.7, 1.3))


if __name__ == "__main__":
    main()
