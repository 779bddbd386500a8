"""Which way of computing a step is fastest here? No fixed answer is right, so each is tried on a few real steps.

Precision and memory format, then one fused kernel or several, then fewer threads: the winner so far is what the next question
starts from. Steps of the candidates take turns, so that a busy moment of the machine hits all of them; one that is clearly
slower is dropped at once; one whose losses go elsewhere is refused. The winner is kept for this machine, network and batch.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from flambeau.machine import available_threads
from flambeau.storage import write_atomically
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, machine, using_threads
from flambeau.training.learner import Learner
from flambeau.training.source import BatchSource

ROUNDS = 3
"""Timed steps of each candidate, after one that warms up."""
SLOWER = 1.25
"""A candidate whose first timed step takes so many times the best one's is not timed again."""
GAIN = 0.97
"""A change must bring a step below this share of the time without it; less is noise."""
RESTLESS = 1.2
"""The median step may take so many times the quickest one on a quiet machine."""
APART = 0.05
"""Largest difference of the losses, relative to the loss plus one, that rounding may explain."""
SHARE = 0.02
"""Share of the whole training that the trial may cost."""
SLOWEST = 15.0
"""How many steps' time the whole trial takes, about."""


@dataclass(frozen=True)
class Trial:
    """One way of computing a step, and what it took."""

    precision: str
    memory_format: str
    fused: bool
    threads: int
    milliseconds: float
    """Of the quickest step: what disturbs a step only ever makes it slower."""
    loss: float
    """Of the last step that was timed."""
    chosen: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of TrainingConfig that make it."""
        return {"precision": self.precision, "memory_format": self.memory_format, "fused": self.fused, "threads": self.threads}


def is_open(config: TrainingConfig) -> bool:
    """Whether the recipe leaves anything to be tried."""
    return config.precision == "auto" or config.memory_format == "auto"


def plain(config: TrainingConfig) -> TrainingConfig:
    """The config with what is open set to what always works: fp32, contiguous."""
    precision = "fp32" if config.precision == "auto" else config.precision
    memory_format = "contiguous" if config.memory_format == "auto" else config.memory_format
    return config.model_copy(update={"precision": precision, "memory_format": memory_format})


def tune(network: nn.Module, loss: nn.Module, batches: BatchSource, config: TrainingConfig, folder: Path) -> list[Trial]:
    """Every way that was tried, the chosen one marked; [] where the training is too short to be worth it, or the recipe leaves nothing open.

    Args:
        network: as for `train`; it is copied, not changed.
        folder: where winners are kept from run to run.
    """
    if not is_open(config) or config.optimizer.full_batch or batches.num_steps <= ROUNDS or batches.num_steps * config.epochs * SHARE < SLOWEST:
        return []
    known = folder / f"{_key(network, batches, config)}.json"
    kept = _kept(known)
    if kept is not None:
        return [kept]
    track = _Track(network, loss, batches, config)
    trials = track.run()
    if track.is_quiet:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(known, json.dumps(asdict(next(trial for trial in trials if trial.chosen))).encode())
    return trials


class _Track:
    """The candidates and their learners."""

    def __init__(self, network: nn.Module, loss: nn.Module, batches: BatchSource, config: TrainingConfig) -> None:
        self._network, self._loss, self._batches = network, loss, batches
        self._open = config
        self._base = plain(config)
        self._device = choose_device(config.device)
        self._times: dict[tuple[tuple[str, Any], ...], list[float]] = {}
        self._losses: dict[tuple[tuple[str, Any], ...], float] = {}

    @property
    def is_quiet(self) -> bool:
        """Whether the machine did little else meanwhile: what was found on a busy one is not worth keeping."""
        return all(median(times) <= RESTLESS * min(times) for times in self._times.values())

    def run(self) -> list[Trial]:
        """All trials, in the order in which they were made."""
        first = {**self._settings(self._base), "fused": self._base.optimizer.can_fuse if self._base.fused is None else self._base.fused}
        best = self._race([{**first, **change} for change in self._kernels()])
        if self._open.fused is None and self._base.optimizer.can_fuse:
            best = self._race([best, {**best, "fused": False}])
        if self._open.threads is None and self._device.type == "cpu" and best["threads"] > 1:
            best = self._race([best, {**best, "threads": max(best["threads"] // 2, 1)}])
        return [
            Trial(**dict(key), milliseconds=1000 * min(times), loss=self._losses[key], chosen=dict(key) == best) for key, times in self._times.items()
        ]

    def _settings(self, config: TrainingConfig) -> dict[str, Any]:
        return {"precision": config.precision, "memory_format": config.memory_format, "threads": config.threads or available_threads()}

    def _kernels(self) -> Iterator[dict[str, str]]:
        precisions = ("fp32", "bf16") if self._open.precision == "auto" else (self._base.precision,)
        formats = ("contiguous", "channels_last") if self._open.memory_format == "auto" else (self._base.memory_format,)
        return ({"precision": precision, "memory_format": memory_format} for precision in precisions for memory_format in formats)

    def _race(self, candidates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The fastest candidate; the first one wins unless another is faster by more than noise."""
        running = {_as_key(settings): self._steps(settings) for settings in candidates if _as_key(settings) not in self._times}
        for key, steps in running.items():
            self._step(key, steps)  # builds kernels; not counted
            self._times[key] = []
        for _ in range(ROUNDS):
            for key, steps in running.items():
                self._times[key].append(self._step(key, steps))
            quickest = min(min(times) for times in (self._times[_as_key(settings)] for settings in candidates))
            running = {key: steps for key, steps in running.items() if min(self._times[key]) <= SLOWER * quickest}
        first, *others = candidates
        best = dict(first)
        for settings in others:
            faster = self._seconds(settings) < GAIN * self._seconds(best)
            if faster and self._agrees(settings, first):
                best = dict(settings)
        return best

    def _seconds(self, settings: Mapping[str, Any]) -> float:
        return min(self._times[_as_key(settings)])

    def _agrees(self, settings: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
        ours, theirs = self._losses[_as_key(settings)], self._losses[_as_key(reference)]
        return abs(ours - theirs) <= APART * (1 + abs(theirs))

    def _steps(self, settings: Mapping[str, Any]) -> Iterator[float]:
        """The losses of steps on a copy of the network; every candidate sees the same batches with the same randomness."""
        config = self._base.model_copy(update=settings)
        learner = Learner(
            copy.deepcopy(self._network),
            copy.deepcopy(self._loss),
            self._batches,
            self._batches,
            lambda answers, truths: {},
            config,
            "",
            self._device,
        )
        for step in learner.steps():
            yield step.loss

    def _step(self, key: tuple[tuple[str, Any], ...], steps: Iterator[float]) -> float:
        """Seconds of one step."""
        with using_threads(dict(key)["threads"]):
            started = time.perf_counter()
            self._losses[key] = next(steps)
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            return time.perf_counter() - started


def _as_key(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(settings.items()))


def _key(network: nn.Module, batches: BatchSource, config: TrainingConfig) -> str:
    """What a winner holds for: machine, network, batch and what the recipe fixes."""
    shapes = {name: list(tensor.shape) for name, tensor in next(iter(batches.epoch(1))).inputs.items()}
    facts = [
        machine(choose_device(config.device), ""),
        available_threads(),
        str(network),
        shapes,
        config.model_dump(mode="json", include={"optimizer", "precision", "memory_format", "fused", "threads", "accumulate", "batch_size"}),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _kept(file: Path) -> Trial | None:
    """The winner of an earlier run; None if there is none that can be read."""
    try:
        return Trial(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
