"""Training as a generator: steps, and an epoch after its last step. Whoever iterates decides how far it goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flambeau.errors import Notice, UsageError
from flambeau.machine import available_threads, keep_freed_memory
from flambeau.training.checkpoint import Found, clear_checkpoints, find_checkpoint, save_checkpoint
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, machine, using_threads
from flambeau.training.health import notices
from flambeau.training.learner import Learner, Scorer
from flambeau.training.parameters import Group
from flambeau.training.source import BatchSource
from flambeau.training.watch import Best, Event, Patience, checkpointed, interruptible, keep_best, stop_early
from flambeau.types import Epoch

CHANGEABLE = frozenset({"checkpoint_seconds", "device", "threads"})
"""Settings that a resumed training may have otherwise: the others would make it a different training."""


def log(notice: Notice) -> None:
    """Hands a notice to Python's logging."""
    logging.getLogger("flambeau").warning("[%s] %s", notice.code, notice.what)


def train(
    network: nn.Module,
    loss: nn.Module,
    batches: BatchSource,
    valid: BatchSource,
    score: Scorer,
    config: TrainingConfig,
    folder: Path,
    monitor: str,
    resume: bool = False,
    *,
    groups: Sequence[Group] = (),
    notify: Callable[[Notice], None] = log,
) -> Generator[Epoch, None, None]:
    """A network and its data -> the epochs of its training, as they end. At the end the network has the weights that are kept.

    A resumed training gives the epochs before the restart once more, and equals an uninterrupted one to the bit on the same kind of machine.

    Args:
        network: has `logits(inputs)` and `activation`; parameters that do not require a gradient stay as they are.
        loss: (logits (batch, out_features), targets) -> loss of each example (batch,).
        batches: the train split. Epochs are numbered from 1.
        valid: the validation split.
        score: answers (examples, out_features) and truths -> metrics by name.
        config: how to train.
        folder: where the checkpoints lie.
        monitor: name of the metric by which an epoch is the best; "valid_loss" is one.
        resume: go on from the newest whole checkpoint in `folder`, if there is one. Otherwise those there are removed.
        groups: parameters that learn at a pace of their own.
        notify: takes what is worth a warning.

    Raises:
        Interrupted: a signal came; the checkpoint is written.
        RecipeError: the loss or a gradient is not finite; the layer is named. Or: the optimizer does not fit the groups.
        DataError: an input is not finite, or all checkpoints are damaged.
        UsageError: the checkpoint is of another training.
        DeviceError: the device is not there, its memory does not suffice, or the disk is full.
    """
    keep_freed_memory()
    device = choose_device(config.device)
    identity = _identity(network, batches, config, device)
    found, threads = _earlier(folder, resume, identity, config.threads or available_threads(), notify)
    best, patience = (Best(**found.state["best"]), Patience(**found.state["patience"])) if found else (Best(), Patience())
    with using_threads(threads), ExitStack() as at_end:
        learner = Learner(network, loss, batches, valid, score, config, monitor, device, groups, notify)
        if found:
            learner.load(found.state["learner"])
        at_end.callback(_keep, learner, best)

        def save() -> None:
            if learner.is_finite:
                state = {"learner": learner.state(), "best": vars(best), "patience": asdict(patience)}
                save_checkpoint(folder, {**state, "identity": identity, "threads": threads})

        yield from list(learner.history)
        for event in at_end.enter_context(closing(interruptible(_watched(learner, best, patience, config, save), save))):
            if isinstance(event, Epoch):
                for notice in notices(learner.history):
                    notify(notice)
                yield event


def events(learner: Learner) -> Iterator[Event]:
    """The steps of each epoch that is left, and the epoch after them."""
    while learner.position.epoch < learner.config.epochs:
        yield from learner.steps()
        yield learner.close_epoch()


def _watched(learner: Learner, best: Best, patience: Patience, config: TrainingConfig, save: Callable[[], None]) -> Iterator[Event]:
    watched = events(learner)
    if config.stop_early is not None:
        watched = stop_early(watched, patience, config.stop_early)
    if config.keep_best:
        watched = keep_best(watched, best, learner.weights)
    return checkpointed(watched, save, config.checkpoint_seconds)


def _keep(learner: Learner, best: Best) -> None:
    """Gives the network the weights that the training is worth: the best, or the last (their running mean, where there is one)."""
    learner.network.load_state_dict(best.weights or learner.weights())


def _identity(network: nn.Module, batches: BatchSource, config: TrainingConfig, device: torch.device) -> dict[str, Any]:
    """What a training must have in common with its checkpoint, and what it should."""
    return {
        "config": config.model_dump(mode="json", exclude=set(CHANGEABLE)),
        "network": {name: list(tensor.shape) for name, tensor in network.state_dict().items()},
        "data": {"examples": batches.num_examples, "steps": batches.num_steps},
        "machine": machine(device, config.precision),
    }


def _earlier(folder: Path, resume: bool, identity: dict[str, Any], threads: int, notify: Callable[[Notice], None]) -> tuple[Found | None, int]:
    """The checkpoint to go on from, and the number of threads."""
    if not resume:
        clear_checkpoints(folder)
        return None, threads
    found = find_checkpoint(folder)
    return found, _check(found, identity, threads, notify) if found else threads


def _check(found: Found, identity: dict[str, Any], threads: int, notify: Callable[[Notice], None]) -> int:
    """Whether the checkpoint is of this training -> the number of threads to go on with: that of the checkpoint.

    Raises:
        UsageError: it is of another one.
    """
    before = found.state["identity"]
    differing = [f"training.{name}" for name, value in identity["config"].items() if before["config"].get(name) != value]
    differing += [part for part in ("network", "data") if before[part] != identity[part]]
    if differing:
        raise UsageError("resume-differs", where=str(found.path), differing=", ".join(differing))
    for damaged in found.damaged:
        notify(Notice("checkpoint-damaged", {"path": str(damaged), "used": found.path.name}))
    changes = [
        f"{name}: {before['machine'].get(name)} -> {value}" for name, value in identity["machine"].items() if before["machine"].get(name) != value
    ]
    if changes:
        notify(Notice("resume-inexact", {"changes": "; ".join(changes)}))
    recorded = int(found.state["threads"])
    if recorded != threads:
        notify(Notice("resume-threads", {"recorded": recorded, "now": threads}))
    return recorded
