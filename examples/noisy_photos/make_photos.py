"""Writes a folder of small, colour, noisy photos: handwritten digits on backgrounds cut from real photographs.

    python examples/noisy_photos/make_photos.py photos

Everything comes from scikit-learn, nothing is downloaded: the digits of its UCI set (8 x 8, enlarged) and its two sample photographs
(china.jpg by Romain Guy and flower.jpg by dany13, both CC BY 2.0). The same arguments write the same bytes on the same versions of
numpy and Pillow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

Picture = npt.NDArray[np.float64]
"""Levels from 0 to 255, (height, width, channels)."""

SIDE = 48
"""Pixels of a photo's height and width."""
BRIGHTEST = 16
"""Largest level in scikit-learn's digits."""
SPECKS = 0.08
"""Share of the pixels that the sensor loses: half of them white, half black (salt and pepper)."""
GRAIN = 14.0
"""Standard deviation of the sensor's Gaussian noise, in grey levels."""


def write_photos(folder: Path, classes: int = 6, each: int = 100, seed: int = 0) -> Path:
    """Writes `each` photos of each of the first `classes` digits: folder/3/017.jpg."""
    digits = load_digits()
    scenes = [scene.astype(np.float64) for scene in load_sample_images().images]
    for label in range(classes):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        shapes = digits.images[digits.target == label][:each]
        for number, shape in enumerate(shapes):
            random = np.random.default_rng((seed, label, number))
            photo = _noisy(_photo(shape, scenes[int(random.integers(len(scenes)))], random), random)
            Image.fromarray(photo).save(folder / str(label) / f"{number:03d}.jpg", quality=95, subsampling=0)
    return folder


def _photo(shape: Picture, scene: Picture, random: np.random.Generator) -> Picture:
    """One digit (8, 8), painted in a colour that stands out, on a piece of a scene."""
    top, left = (int(random.integers(room - SIDE)) for room in scene.shape[:2])
    ground = scene[top : top + SIDE, left : left + SIDE]
    ink = np.asarray(_mask(shape, random), np.float64)[..., None] / 255
    under = (ground * ink).sum() / (3 * ink.sum())
    colour = random.uniform(0, 60, 3) if under > 110 else random.uniform(195, 255, 3)
    return np.asarray(ground * (1 - ink) + colour * ink)


def _mask(shape: Picture, random: np.random.Generator) -> Image.Image:
    """One digit (8, 8) -> where the ink is, SIDE x SIDE, a little turned and moved."""
    side = int(random.integers(int(SIDE * 0.7), int(SIDE * 0.95)))
    digit = Image.fromarray((shape * (255 / BRIGHTEST)).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(digit.rotate(random.uniform(-12, 12), Image.Resampling.BILINEAR), tuple(int(random.integers(SIDE - side + 1)) for _ in range(2)))
    return mask


def _noisy(photo: Picture, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The photo as a poor sensor gives it: grain everywhere, and lost pixels."""
    grainy = photo + random.normal(0, GRAIN, photo.shape)
    fate = random.random(photo.shape[:2])
    grainy[fate < SPECKS / 2] = 0
    grainy[fate > 1 - SPECKS / 2] = 255
    return grainy.clip(0, 255).round().astype(np.uint8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes a folder of small, colour, noisy photos of handwritten digits.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=int, default=6, help="only the digits below this one")
    parser.add_argument("--each", type=int, default=100, help="photos of each digit")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(write_photos(given.folder, given.classes, given.each, given.seed))
