"""Which way of computing a step is fastest here? No fixed answer is right, so each is tried on a few real steps.

Precision and memory format, then one fused kernel or several, then fewer threads, then a compiled network: the winner so far is
what the next question starts from. Steps of the candidates take turns, so that a busy moment of the machine hits all of them;
one that is clearly slower is dropped at once; one whose losses go elsewhere, or that fails, is refused. At the end the winner has to beat the
plain way once more. All this stops when its share of the training is spent; where that share pays for too few steps, a part of each
batch has to do. The winner is kept for this machine, network and batch.
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

from flambeau.errors import RecipeError
from flambeau.machine import available_threads
from flambeau.storage import write_atomically
from flambeau.training.candidate import Candidate
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, machine
from flambeau.training.learner import Learner
from flambeau.training.objective import split
from flambeau.training.progress import Position
from flambeau.training.source import BatchSource
from flambeau.types import Batch

ROUNDS = 3
"""Timed steps of each candidate in a race, after one that warms up."""
SLOWER = 1.25
"""A candidate whose timed steps take so many times the best one's is not timed again."""
HOPELESS = 4.0
"""One whose very first step takes so many times the quickest first step is not timed at all: bf16 on a processor that has none.
Not so on a GPU, where a first step loads kernels for longer than it computes."""
GAIN = 0.97
"""A change must bring a step below this share of the time without it; less is noise."""
RESTLESS = 1.2
"""The median step may take so many times the quickest one on a quiet machine."""
SHARE = 0.02
"""Share of the whole training that the trial may cost."""
FEWEST = 15
"""Steps that this share has to pay for, at least; fewer tell nothing."""
PARTS = (1, 2, 4)
"""In so many parts a batch may be cut, so that the share of a short training pays for steps on one of them."""
SMALLEST = 16
"""Examples that such a part has, at least: a step on fewer tells little of one on all."""
COMPILING = 120.0
"""Seconds that torch.compile takes for networks of the usual size, at most."""
COMPILE_PAYS = 20
"""So many times that has to be left of the training before a compiled network is tried."""


@dataclass(frozen=True)
class Trial:
    """One way of computing a step, and what it took."""

    precision: str
    memory_format: str
    fused: bool
    threads: int
    compile: bool
    milliseconds: float
    """Of the quickest step: what disturbs a step only ever makes it slower."""
    loss: float
    """Of the last step that was timed."""
    parts: int = 1
    """The steps were on one of so many parts of each batch."""
    chosen: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of TrainingConfig that make it."""
        return {name: getattr(self, name) for name in ("precision", "memory_format", "fused", "threads", "compile")}


def is_open(config: TrainingConfig) -> bool:
    """Whether the recipe leaves anything to be tried."""
    return config.precision == "auto" or config.memory_format == "auto"


def plain(config: TrainingConfig) -> TrainingConfig:
    """The config with what is open set to what always works: fp32, contiguous, not compiled."""
    precision = "fp32" if config.precision == "auto" else config.precision
    memory_format = "contiguous" if config.memory_format == "auto" else config.memory_format
    return config.model_copy(update={"precision": precision, "memory_format": memory_format, "compile": bool(config.compile)})


def tune(network: nn.Module, loss: nn.Module, batches: BatchSource, config: TrainingConfig, folder: Path) -> list[Trial]:
    """Every way that was tried, the chosen one marked; [] where the training is too short to be worth it, or the recipe leaves nothing open.

    Args:
        network: as for `train`; it is copied, not changed.
        folder: where winners are kept from run to run.
    """
    parts = _parts(batches, config)
    if not is_open(config) or config.optimizer.full_batch or batches.num_steps <= ROUNDS or parts is None:
        return []
    known = folder / f"{_key(network, batches, config)}.json"
    kept = _kept(known)
    track = _Track(network, loss, batches, config, parts)
    try:
        is_enough = kept is not None and kept.parts <= parts and (kept.compile or not _may_compile(config, batches, kept.milliseconds / 1000))
        if kept is not None and is_enough and (kept.compile or track.is_possible(kept.settings)):  # code may have changed, and its name not
            return [kept]
        trials = track.run()
    finally:
        track.leave()
    if track.is_quiet:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(known, json.dumps(asdict(next(trial for trial in trials if trial.chosen))).encode())
    return trials


class _Part:
    """The same batches, but of each only the first of so many parts."""

    def __init__(self, batches: BatchSource, parts: int) -> None:
        self._batches, self._parts = batches, parts
        self.num_steps, self.num_examples = batches.num_steps, batches.num_examples // parts

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        return (split(batch, self._parts)[0] for batch in self._batches.epoch(number, start))

    def in_order(self) -> Iterator[Batch]:
        return self._batches.in_order()


class _Track:
    """Where the candidates race, for as long as the budget lasts."""

    def __init__(self, network: nn.Module, loss: nn.Module, batches: BatchSource, config: TrainingConfig, parts: int) -> None:
        self._network, self._loss, self._parts = network, loss, parts
        self._batches: BatchSource = batches if parts == 1 else _Part(batches, parts)
        self._open, self._base = config, plain(config)
        self._device = choose_device(config.device)
        self._candidates: list[Candidate] = []
        self._plain = self._candidate(self._plainly())
        self._started = time.perf_counter()

    def leave(self) -> None:
        """Gives the memory of the networks back; otherwise they would stay until the garbage collector finds them."""
        for one in self._candidates:
            one.leave()

    @property
    def is_quiet(self) -> bool:
        """Whether the machine did little else meanwhile: what was found on a busy one is not worth keeping."""
        return all(median(one.seconds) <= RESTLESS * one.best for one in self._candidates if one.seconds)

    def run(self) -> list[Trial]:
        """All that were timed, in the order in which they were made."""
        best = self._plain
        self._plain.step()
        if self._device.type != "cpu":  # it has loaded libraries, as the training itself would have to, for longer than many steps take
            self._started = time.perf_counter()
        self._plain.seconds.append(self._plain.step())  # from here on it is known what the budget is
        best = self._race(best, self._kernels())
        if self._open.fused is None and self._base.optimizer.can_fuse:
            best = self._race(best, [{"fused": False}])
        if self._open.threads is None and self._device.type == "cpu" and self._parts == 1:  # a part would need fewer than a whole batch
            best = self._with_fewer_threads(best)
        if _may_compile(self._open, self._batches, best.best):
            best = self._race(best, [{"compile": True}])
        best = self._confirmed(best)
        return [
            Trial(**one.settings, milliseconds=1000 * one.best, loss=one.losses[-1], parts=self._parts, chosen=one is best)
            for one in self._candidates
            if one.seconds
        ]

    def is_possible(self, settings: Mapping[str, Any]) -> bool:
        """Whether a step can be computed in this way."""
        one = self._candidate(settings)
        able = self._stepped(one) is not None
        one.leave()
        return able

    def _plainly(self) -> dict[str, Any]:
        base = self._base
        return {
            "precision": base.precision,
            "memory_format": base.memory_format,
            "fused": base.optimizer.can_fuse if base.fused is None else base.fused,
            "threads": base.threads or available_threads(),
            "compile": base.compile,
        }

    def _kernels(self) -> list[dict[str, Any]]:
        """Each precision with each memory format, as far as they are open, but the plain pair; what promises most comes first, as the
        budget may not last for all."""
        precisions = ("fp32", *(["bf16"] if _may_halve(self._device) else [])) if self._open.precision == "auto" else (self._base.precision,)
        formats = ("contiguous", "channels_last") if self._open.memory_format == "auto" else (self._base.memory_format,)
        ways = [{"precision": precision, "memory_format": memory_format} for precision in precisions for memory_format in formats]
        return ways[:0:-1]

    def _with_fewer_threads(self, best: Candidate) -> Candidate:
        """Half as many for as long as that is faster."""
        while best.settings["threads"] > 1:
            fewer = self._race(best, [{"threads": best.settings["threads"] // 2}])
            if fewer is best:
                break
            best = fewer
        return best

    def _race(self, best: Candidate, changes: Sequence[Mapping[str, Any]]) -> Candidate:
        """The best so far, or the fastest of those that a change makes of it if that is faster by more than noise."""
        running = self._warm(best, changes)
        start = len(best.seconds)
        for _ in range(ROUNDS):
            if not running or self._is_spent(best, *running):
                break
            able = self._take_turns(best, *running)
            if best not in able:  # it could go on for a while only
                return self._plain
            running = [one for one in able if one is not best and one.agrees(self._plain)]
            quickest = min([*best.seconds[start:], *(one.best for one in running)])  # in turns all are slower than alone
            running = [one for one in running if one.best <= SLOWER * quickest]
        faster = [one for one in running if _is_faster(one.seconds, best.seconds[start:])]
        winner = min(faster, key=lambda one: one.best, default=best)
        for one in self._candidates:
            if one not in (winner, self._plain):
                one.leave()
        return winner

    def _warm(self, best: Candidate, changes: Sequence[Mapping[str, Any]]) -> list[Candidate]:
        """The challengers after their first step, which builds kernels and is not counted; none that are hopeless."""
        warm: list[tuple[Candidate, float]] = []
        for change in changes:
            one = self._candidate({**best.settings, **change})
            if self._is_spent(one, one, best):  # the first step alone would be for nothing
                one.leave()
                break
            if (seconds := self._stepped(one)) is not None:
                warm.append((one, seconds))
        quickest = min((best.best, *(seconds for _, seconds in warm)))
        limit = HOPELESS * quickest if self._device.type == "cpu" else float("inf")
        return [one for one, seconds in warm if one.settings["compile"] or seconds <= limit]

    def _confirmed(self, best: Candidate) -> Candidate:
        """The winner, but the plain way if the winner is not faster in a race of the two; without time for one, the winner."""
        ours, theirs = len(best.seconds), len(self._plain.seconds)
        for _ in range(ROUNDS):
            if best is self._plain or self._is_spent(self._plain, best):
                return best
            if best not in self._take_turns(self._plain, best):
                return self._plain
        return best if _is_faster(best.seconds[ours:], self._plain.seconds[theirs:]) else self._plain

    def _take_turns(self, *candidates: Candidate) -> list[Candidate]:
        """Those of the candidates that could take one more step."""
        able = []
        for one in candidates:
            if (seconds := self._stepped(one)) is not None:
                one.seconds.append(seconds)
                able.append(one)
        return able

    def _stepped(self, one: Candidate) -> float | None:
        """Seconds of one more step; None where that cannot be computed in this way: not every network can be compiled, or takes its tensors
        in another memory format or in bfloat16, and not every GPU holds one more. What the plain way cannot do is nobody else's fault."""
        try:
            return one.step()
        except (RuntimeError, RecipeError):
            if one is self._plain:
                raise
            one.leave()
            return None

    def _is_spent(self, *coming: Candidate) -> bool:
        """Whether the share of the training that the trial may cost would be gone with one more step of each of these."""
        quickest = min(one.best for one in self._candidates)
        spent = time.perf_counter() - self._started + sum(min(one.best, self._plain.best) for one in coming)
        return spent > SHARE * quickest * self._parts * self._batches.num_steps * self._open.epochs

    def _candidate(self, settings: Mapping[str, Any]) -> Candidate:
        one = Candidate(settings, self._losses(settings), self._device)
        self._candidates.append(one)
        return one

    def _losses(self, settings: Mapping[str, Any]) -> Iterator[float]:
        """The losses of steps on a copy of the network."""
        learner = Learner(
            copy.deepcopy(self._network),
            copy.deepcopy(self._loss),
            self._batches,
            self._batches,
            lambda answers, truths: {},
            self._base.model_copy(update=settings),
            "",
            self._device,
        )
        while True:
            for step in learner.steps():
                yield step.loss
            learner.position = Position(learner.position.epoch + 1, 0)


def _parts(batches: BatchSource, config: TrainingConfig) -> int | None:
    """In how few parts a batch has to be cut for the trial to be worth it; None where the training is too short for any."""
    paid, examples = SHARE * batches.num_steps * config.epochs, batches.num_examples // max(batches.num_steps, 1)
    return next((parts for parts in PARTS if paid * parts >= FEWEST and (parts == 1 or examples >= SMALLEST * parts)), None)


def _may_halve(device: torch.device) -> bool:
    """Whether bf16 can be worth a trial: without AVX-512 a processor takes it apart, and one step costs as much as thirty."""
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX2"


def _is_faster(seconds: Sequence[float], others: Sequence[float]) -> bool:
    """Whether steps took less time than others that took turns with them: the quickest one, and most pairs."""
    pairs = [ours / theirs for ours, theirs in zip(seconds, others, strict=True)]
    return bool(pairs) and min(seconds) < GAIN * min(others) and median(pairs) < GAIN


def _may_compile(config: TrainingConfig, batches: BatchSource, seconds: float) -> bool:
    """Whether a training with steps of so many seconds is long enough to try a compiled network."""
    return config.compile is None and seconds * batches.num_steps * config.epochs > COMPILE_PAYS * COMPILING


def _key(network: nn.Module, batches: BatchSource, config: TrainingConfig) -> str:
    """What a winner holds for: machine, network, batch and what the recipe fixes."""
    shapes = {name: list(tensor.shape) for name, tensor in next(iter(batches.epoch(1))).inputs.items()}
    facts = [
        machine(choose_device(config.device), ""),
        available_threads(),
        str(network),
        shapes,
        config.model_dump(
            mode="json", include={"optimizer", "precision", "memory_format", "fused", "threads", "compile", "accumulate", "batch_size"}
        ),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _kept(file: Path) -> Trial | None:
    """The winner of an earlier run; None if there is none that can be read."""
    try:
        return Trial(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
