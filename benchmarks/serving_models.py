"""What the serving benchmarks serve: a tiny network on 28-pixel JPEGs in ONNX Runtime, and resnet18 at 224 pixels in OpenVINO int8.

Both are trained, tested and exported by flambeau itself, on pictures that scikit-learn carries, and kept in a scratch folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring import flambeau
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

RECIPES = {
    "tiny": """
inputs: {{image: {{type: image, size: [28, 28], channels: 1}}}}
network: [{{conv2d: 8}}, relu, {{max_pool: 2}}, {{conv2d: 16}}, relu, {{max_pool: 2}}, flatten]
training: {{epochs: 3}}
data: {{folder: {folder}}}
""",
    "resnet18": """
inputs: {{image: {{type: image, size: [224, 224], channels: 3, augment: []}}}}
network: {{timm: {{name: resnet18}}}}
training: {{epochs: 1, batch_size: 16}}
data: {{folder: {folder}, near_duplicates: ignore}}
""",
}


@dataclass(frozen=True)
class Case:
    """One model and the pictures that are sent to it."""

    name: str
    run: Path
    pictures: Path
    model: Path
    """The file that every server loads: .onnx or .xml."""
    size: int
    mode: str
    """Pillow's: "L" or "RGB"."""


def prepare(name: str, scratch: Path) -> Case:
    """The case, made now where it is not there from an earlier run."""
    pictures, run = scratch / name / "pictures", scratch / name / "run"
    if not (run / "model.flambeau" / "verification.json").exists():
        (write_digits if name == "tiny" else write_photos)(pictures)
        recipe = scratch / name / "recipe.yaml"
        recipe.write_text(RECIPES[name].format(folder=pictures), encoding="utf-8")
        flambeau("fit", "--recipe", str(recipe), "--run", str(run), "--force")
        if name == "resnet18":
            flambeau("export", str(run), "--to", "openvino", "--precision", "int8")
    artifact = run / "model.flambeau"
    if name == "tiny":
        return Case(name, run, pictures, artifact / "model.onnx", 28, "L")
    return Case(name, run, pictures, artifact / "exports" / "model.xml", 224, "RGB")


def write_digits(folder: Path) -> None:
    """1,797 handwritten digits, 28 x 28 grey JPEGs of about 600 bytes."""
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        picture = Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((28, 28), Image.Resampling.BICUBIC)
        _save(picture, folder / str(label) / f"{number:04d}.jpg")


def write_photos(folder: Path) -> None:
    """80 windows of 320 x 240 out of two photos, JPEGs of about 20 kB."""
    generator = np.random.default_rng(0)
    for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
        for number in range(40):
            top, left = generator.integers(0, photo.shape[0] - 240), generator.integers(0, photo.shape[1] - 320)
            _save(Image.fromarray(photo[top : top + 240, left : left + 320]), folder / name / f"{number:03d}.jpg")


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=90)
