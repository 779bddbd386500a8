"""A small training on scikit-learn's digits: the source of batches, the network, and a run with settings of the test's choice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from flambeau import randomness
from flambeau.errors import Notice
from flambeau.tasks.losses import ClassLoss
from flambeau.training.config import TrainingConfig
from flambeau.training.loop import train
from flambeau.types import Batch, Epoch


class PowerCut(Exception):
    """Ends a training in the middle of whatever it does."""


class Digits:
    """Rows of the digits as batches; the order of an epoch is a function of its number."""

    def __init__(self, rows: slice, batch_size: int | str, weights: Tensor | None = None) -> None:
        images, labels = load_digits(return_X_y=True)
        self.images = torch.tensor(images[rows] * 15.9, dtype=torch.uint8).reshape(-1, 1, 8, 8)
        self.labels = torch.tensor(labels[rows])
        self.weights = weights
        self.cut_after: int | None = None
        """Number of batches after which the power goes."""
        self.batch_size = len(self.labels) if batch_size == "all" else int(batch_size)

    @property
    def num_examples(self) -> int:
        return len(self.labels)

    @property
    def num_steps(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        return self._batches(torch.from_numpy(randomness.permutation(self.num_examples, 7, number)), start)

    def in_order(self) -> Iterator[Batch]:
        return self._batches(torch.arange(self.num_examples), 0)

    def _batches(self, order: Tensor, start: int) -> Iterator[Batch]:
        for rows in order.split(self.batch_size)[start:]:
            if self.cut_after is not None:
                if self.cut_after == 0:
                    raise PowerCut
                self.cut_after -= 1
            yield Batch({"image": self.images[rows]}, self.labels[rows], None if self.weights is None else self.weights[rows])


class SmallNet(nn.Module):
    """Convolution, batch norm, dropout, two dense layers: one of everything that has to survive a restart."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(96, 16)
        self.head = nn.Linear(16, 10)
        self.activation = nn.Softmax(-1)

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = torch.relu(self.norm(self.conv(inputs["image"] / 255)))
        x = torch.relu(self.conv2(x)).flatten(1)
        return self.head(torch.relu(self.dense(self.dropout(x))))


def accuracy(answers: np.ndarray, truths: np.ndarray) -> dict[str, float]:
    return {"accuracy": float((answers.argmax(-1) == truths).mean())}


def sha256(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass
class Run:
    """One training and what came of it."""

    network: nn.Module
    epochs: Iterator[Epoch]
    notices: list[Notice] = field(default_factory=list)

    def finish(self) -> list[Epoch]:
        return list(self.epochs)


def start(
    folder: Path,
    *,
    resume: bool = False,
    network: nn.Module | None = None,
    examples: int = 96,
    groups: Sequence[Any] = (),
    cut_after: int | None = None,
    cut_in_validation: int | None = None,
    **settings: Any,
) -> Run:
    """A training of the small network (or another) on the first `examples` digits."""
    settings = {"epochs": 3, "batch_size": 32, "threads": 1, "stop_early": None, "checkpoint_seconds": 3600.0, **settings}
    if settings["batch_size"] is None:
        del settings["batch_size"]
    config = TrainingConfig.model_validate(settings)
    if network is None:
        with torch.random.fork_rng([]):
            torch.manual_seed(3)
            network = SmallNet()
    run = Run(network, iter(()))
    batches, valid = Digits(slice(0, examples), config.batch_size), Digits(slice(1000, 1064), 40)
    batches.cut_after, valid.cut_after = cut_after, cut_in_validation
    loss = ClassLoss([1.0] * 10)
    run.epochs = train(network, loss, batches, valid, accuracy, config, folder, "accuracy", resume, groups=groups, notify=run.notices.append)
    return run


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., Run]:
    """`start` in a folder of the test's own."""
    return lambda **settings: start(settings.pop("folder", tmp_path / "checkpoints"), **settings)


@pytest.fixture
def digits() -> type[Digits]:
    return Digits


@pytest.fixture
def small_net() -> type[SmallNet]:
    return SmallNet


@pytest.fixture
def fingerprint() -> Callable[[nn.Module], str]:
    return sha256


@pytest.fixture
def power_cut() -> type[PowerCut]:
    return PowerCut
