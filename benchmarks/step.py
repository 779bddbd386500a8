"""A training step in the way that the step tuner chooses, against plain PyTorch: resnet18, mobilenetv3_small, a GRU, a transformer.

python benchmarks/step.py [--full] [--networks resnet18 ...] [--device cuda]

Both have the same network, the same batches in memory and AdamW. Plain is what a person writes: float32, contiguous, torch's default
number of threads, torch's default optimizer. Ours is the learner of `fit` with all that it does around a step. Their steps take turns;
the ratio is that of the times of neighbours. The cost of the tuner is its share in a training of 2,000 steps. On a GPU the batches are
16 times as large, lie in its memory, and the training has 20,000 steps.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from measuring import record, spread
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from flambeau.machine import available_threads
from flambeau.tasks.losses import ClassLoss
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, using_threads
from flambeau.training.learner import Learner
from flambeau.training.tuner import Trial, plain, tune
from flambeau.types import Batch

CLASSES, STEPS = 10, 200


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(40, 128, 2, batch_first=True)
        self.head = nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


class Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.1, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean(1))


def timm(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, num_classes=CLASSES)


NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet18": (lambda: timm("resnet18"), (16, 3, 128, 128)),
    "mobilenetv3_small": (lambda: timm("mobilenetv3_small_100"), (32, 3, 128, 128)),
    "gru": (Recurrent, (64, 50, 40)),
    "transformer": (Attentive, (32, 64, 128)),
}


class Trained(nn.Module):
    """A network as the learner wants it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.activation = nn.Softmax(-1)

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network(inputs["x"])


class Same:
    """The same few batches again and again."""

    def __init__(self, shape: tuple[int, ...], device: str) -> None:
        shape = shape if device == "cpu" else (16 * shape[0], *shape[1:])
        generator = torch.Generator().manual_seed(0)
        self._batches = [
            Batch(
                {"x": torch.randn(shape, generator=generator).to(device)},
                torch.randint(CLASSES, shape[:1], generator=generator).to(device),
            )
            for _ in range(4)
        ]
        self.num_steps, self.num_examples = STEPS, STEPS * shape[0]

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        return (self._batches[place % 4] for place in range(start, self.num_steps))

    def in_order(self) -> Iterator[Batch]:
        return self.epoch(1)


def plainly(network: nn.Module, batches: Same) -> Iterator[Tensor]:
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4, weight_decay=0.05)
    network.train()
    for batch in batches.epoch(1):
        optimizer.zero_grad()
        loss = cross_entropy(network(batch.inputs["x"]), batch.targets)
        loss.backward()
        optimizer.step()
        yield loss


def ours(network: nn.Module, batches: Same, device: str) -> tuple[Iterator[object], list[Trial], float, int]:
    """The learner's steps, what the tuner tried, its seconds and the threads that it chose."""
    trained, loss = Trained(network), ClassLoss([1.0] * CLASSES)
    config = TrainingConfig(optimizer={"adamw": {"lr": 1e-4, "weight_decay": 0.05}}, epochs=epochs(device), clip=None, device=device)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        trials = tune(trained, loss, batches, config, Path(folder))
        seconds = time.perf_counter() - started
    config = plain(config.model_copy(update=next(trial.settings for trial in trials if trial.chosen)))
    learner = Learner(trained, loss, batches, batches, lambda answers, truths: {}, config, "", choose_device(device))
    return learner.steps(), trials, seconds, config.threads or available_threads()


def compare(name: str, rounds: int, command: str, device: str) -> None:
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    batches = Same(shape, device)
    theirs = plainly(make().to(device), batches)
    steps, trials, seconds, threads = ours(make(), batches, device)
    chosen = next(trial for trial in trials if trial.chosen)
    walls, cpus, last = [], [], 0.0
    for number in range(rounds + 2):
        plain_wall, plain_cpu = step(theirs, available_threads(), device)
        wall, cpu = step(steps, threads, device)
        if number >= 2:  # the first two warm up
            walls.append(plain_wall / wall)
            cpus.append(plain_cpu / cpu)
            last += wall
    middle, between = spread(walls, ".2f")
    way = f"{chosen.precision}, {chosen.memory_format}, {'fused' if chosen.fused else 'not fused'}, threads {chosen.threads}"
    record(
        f"a step of {name} against plain PyTorch{where(device)}",
        f"{middle} x its speed, {spread(cpus, '.2f')[0]} x by CPU seconds ({way})",
        rounds,
        between,
        command,
    )
    share = seconds / (last / rounds * STEPS * epochs(device))
    question = f"share of the step tuner, {name}, {STEPS * epochs(device):,} steps{where(device)}"
    record(question, f"{share:.1%}", 1, f"{len(trials)} ways tried", command)


def epochs(device: str) -> int:
    return 10 if device == "cpu" else 100


def where(device: str) -> str:
    return "" if device == "cpu" else f" on {torch.cuda.get_device_name(device)}"


def step(steps: Iterator[object], threads: int, device: str) -> tuple[float, float]:
    """Wall and CPU seconds of one step."""
    with using_threads(threads):
        wall, cpu = time.perf_counter(), time.process_time()
        next(steps)
        if device != "cpu":
            torch.cuda.synchronize(device)
        return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--full", action="store_true", help="100 pairs of steps instead of 15")
    words.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    words.add_argument("--device", default="cpu")
    asked = words.parse_args()
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    command = "python benchmarks/step.py" + (" --full" if asked.full else "") + (f" --device {asked.device}" if asked.device != "cpu" else "")
    for name in asked.networks:
        compare(name, 100 if asked.full else 15, command, asked.device)


if __name__ == "__main__":
    main()
