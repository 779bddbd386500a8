"""One library training one network on Fashion-MNIST, on one core; prints CPU and wall seconds for so many samples after a warm-up.

python benchmarks/throughput_ways.py WAY ARRAYS.npz SAMPLES         (WAY: flambeau, tutorial, lightning[_bf16], fastai, keras[_fp32])

Everybody trains the same network (two convolutions and a hidden layer, 421,642 parameters), batches of 128, Adam at 0.001, on pictures
turned by up to 10 degrees, shifted by up to a tenth and flipped. All run in one process, which on one core is everybody's best.
Ours takes bf16 if its trial of real steps says so; Lightning and Keras are run in both precisions, and the faster one counts. The
tutorial's loop and fastai (whose mixed precision is for GPUs) compute in fp32.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

BATCH = 128
WARM = 20
"""Batches before the clock starts."""


def flambeau(pictures: np.ndarray, labels: np.ndarray, steps: int) -> Iterator[object]:
    import tempfile

    from ours import learner

    with tempfile.TemporaryDirectory() as folder:
        one = learner(pictures, labels, LAYERS, {"adam": 0.001}, BATCH, ["flip", {"rotate": 10}, {"shift": 0.1}], Path(folder))
        yield from one.steps()


LAYERS = [{"conv2d": 32}, "relu", {"max_pool": 2}, {"conv2d": 64}, "relu", {"max_pool": 2}, "flatten", {"linear": 128}, "relu"]


def torch_network():
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def torch_loader(pictures: np.ndarray, labels: np.ndarray, moved: bool = True):
    """A dataset of PIL pictures with torchvision's transforms behind a DataLoader, as the tutorials have it; `moved` turns and shifts them, too."""
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    vary = transforms.Compose([
        transforms.RandomHorizontalFlip(),
        *([transforms.RandomAffine(10, translate=(0.1, 0.1))] if moved else []),
        transforms.ToTensor(),
        transforms.Normalize((0.286,), (0.353,)),
    ])  # fmt: skip

    class Pictures(Dataset):
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, row: int):
            return vary(Image.fromarray(pictures[row])), int(labels[row])

    return DataLoader(Pictures(), BATCH, shuffle=True)


def tutorial(pictures: np.ndarray, labels: np.ndarray, steps: int) -> Iterator[object]:
    import torch
    from torch.nn.functional import cross_entropy

    network = torch_network()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for images, targets in torch_loader(pictures, labels):
        optimizer.zero_grad()
        loss = cross_entropy(network(images), targets)
        loss.backward()
        optimizer.step()
        yield loss


def lightning_bf16(pictures: np.ndarray, labels: np.ndarray, steps: int) -> Iterator[object]:
    return lightning(pictures, labels, steps, "bf16-mixed")


def lightning(pictures: np.ndarray, labels: np.ndarray, steps: int, precision: str = "32-true") -> Iterator[object]:
    import lightning
    import torch
    from torch.nn.functional import cross_entropy

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = torch_network()

        def training_step(self, batch, number):
            return cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 1e-3)

    class Tell(lightning.Callback):
        def on_train_batch_end(self, *words) -> None:
            CLOCK.tick()

    quiet = {"precision": precision, "logger": False, "enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
    trainer = lightning.Trainer(max_steps=steps, max_epochs=1, accelerator="cpu", devices=1, callbacks=[Tell()], **quiet)
    trainer.fit(Module(), torch_loader(pictures, labels))
    return iter(())


def fastai(pictures: np.ndarray, labels: np.ndarray, steps: int) -> Iterator[object]:
    from fastai.vision.all import (
        Adam,
        Callback,
        CancelFitException,
        CategoryBlock,
        CrossEntropyLossFlat,
        DataBlock,
        ImageBlock,
        Learner,
        Normalize,
        PILImageBW,
        aug_transforms,
    )  # fmt: skip

    class Tell(Callback):
        def after_batch(self) -> None:
            CLOCK.tick()
            if CLOCK.ticks >= steps:
                raise CancelFitException

    vary = aug_transforms(do_flip=True, max_rotate=10, min_zoom=1.0, max_zoom=1.0, max_lighting=0, max_warp=0, p_affine=1, pad_mode="border")
    block = DataBlock(
        (ImageBlock(cls=PILImageBW), CategoryBlock()),
        get_x=lambda row: pictures[row],
        get_y=lambda row: str(labels[row]),
        splitter=lambda rows: (list(rows[:-8]), list(rows[-8:])),
        batch_tfms=[*vary, Normalize.from_stats([0.286], [0.353], cuda=False)],
    )
    loaders = block.dataloaders(range(len(labels)), bs=BATCH, num_workers=0, device="cpu")
    learner = Learner(loaders, torch_network(), CrossEntropyLossFlat(), opt_func=Adam, cbs=[Tell()])
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-3)
    return iter(())


def keras_fp32(pictures: np.ndarray, labels: np.ndarray, steps: int) -> Iterator[object]:
    return keras(pictures, labels, steps, "float32")


def keras(pictures: np.ndarray, labels: np.ndarray, steps: int, policy: str = "mixed_bfloat16") -> Iterator[object]:
    import keras
    import tensorflow

    keras.mixed_precision.set_global_policy(policy)
    vary = keras.Sequential([
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(10 / 360, fill_mode="nearest"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
    ])  # fmt: skip
    network = keras.Sequential(
        [
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, dtype="float32"),
        ]
    )
    network.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    source = tensorflow.data.Dataset.from_tensor_slices((pictures[..., None].astype("float32") / 255, labels.astype("int32")))
    source = source.shuffle(len(labels)).batch(BATCH, drop_remainder=True).map(lambda x, y: (vary(x, training=True), y)).prefetch(1)

    class Tell(keras.callbacks.Callback):
        def on_train_batch_end(self, number, logs=None) -> None:
            CLOCK.tick()

    network.fit(source.repeat(), steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[Tell()])
    return iter(())


class Clock:
    """Notes CPU and wall time when the warm-up is over and at the last step."""

    def __init__(self) -> None:
        self.ticks = 0
        self.start = self.end = (0.0, 0.0)

    def tick(self) -> None:
        self.ticks += 1
        self.end = time.process_time(), time.perf_counter()
        if self.ticks == WARM:
            self.start = self.end


CLOCK = Clock()
WAYS = {way.__name__: way for way in (flambeau, tutorial, lightning, lightning_bf16, fastai, keras, keras_fp32)}


def main() -> None:
    way, file, samples = sys.argv[1:]
    with np.load(file) as arrays:
        pictures, labels = arrays["image_train"], arrays["label_train"]
    steps = WARM + int(samples) // BATCH
    for _ in islice(WAYS[way](pictures, labels, steps), steps):
        CLOCK.tick()
    assert CLOCK.ticks >= steps, f"{CLOCK.ticks} steps instead of {steps}"
    counted = (CLOCK.ticks - WARM) * BATCH
    print(json.dumps({"samples": counted, "cpu": CLOCK.end[0] - CLOCK.start[0], "wall": CLOCK.end[1] - CLOCK.start[1]}))


if __name__ == "__main__":
    main()
