"""Our own trainer over arrays in memory, put together as `fit` does it, without files, test and export around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from flambeau.data.batches import Batches
from flambeau.inputs.image import ImageInput
from flambeau.inputs.statistics import Statistics
from flambeau.machine import keep_freed_memory
from flambeau.network.build import Network, build
from flambeau.network.spec import LayerList
from flambeau.tasks.classification import Classification
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device
from flambeau.training.learner import Learner
from flambeau.training.tuner import plain, tune

EPOCHS = 20
"""Of the training that the step tuner is told to prepare."""


def learner(pictures: np.ndarray, labels: np.ndarray, layers: list[Any], optimizer: Any, batch: int, augment: list[Any], folder: Path) -> Learner:
    """Pictures (n, 28, 28) uint8 and labels (n,) -> a learner at its first step, on one thread, after the trial of real steps."""
    keep_freed_memory()  # as every training does
    chosen = ImageInput.model_validate({
        "size": 28, "resize": "stretch", "channels": 1, "augment": augment, "standardise": Statistics(mean=(0.286,), std=(0.353,)),
    })  # fmt: skip
    preprocessor = chosen.fit([])
    target = Classification(target="y").fit([str(label) for label in labels])
    config = TrainingConfig(optimizer=optimizer, batch_size=batch, epochs=EPOCHS, threads=1, clip=None)
    vary = chosen.augmentation(preprocessor.spec)
    assert vary is not None
    rows = np.arange(len(labels))
    batches = Batches({"x": pictures[:, None]}, labels.astype(np.int64), rows, {"x": preprocessor}, batch, augment={"x": vary}, soft=target.soft)
    network: Network = build(
        LayerList(layers=layers), {"x": preprocessor.gives}, {"x": preprocessor.module()}, target.out_features, target.activation(), 0
    )
    settings = next((trial.settings for trial in tune(network, target.loss(), batches, config, folder) if trial.chosen), {})
    config = plain(config.model_copy(update=settings))
    return Learner(network, target.loss(), batches, batches, lambda answers, truths: {}, config, target.monitor, choose_device("cpu"))
