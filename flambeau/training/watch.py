"""What watches a training: iterators around its events, each with its state in a plain object that the checkpoint holds."""

from __future__ import annotations

import csv
import json
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TypeAlias

from torch import Tensor

from flambeau.errors import Interrupted
from flambeau.machine import hangups
from flambeau.types import Epoch, Step

Event: TypeAlias = Step | Epoch


@dataclass
class Patience:
    """State of `stop_early`."""

    stale: int = 0
    """Epochs since the last gain."""


@dataclass
class Best:
    """State of `keep_best`."""

    weights: dict[str, Tensor] | None = None
    """Of the best epoch so far, on the CPU."""


def stop_early(events: Iterator[Event], state: Patience, patience: int) -> Iterator[Event]:
    """The events until `patience` epochs have passed without gain."""
    if state.stale >= patience:
        return
    for event in events:
        if isinstance(event, Epoch):
            state.stale = 0 if event.best else state.stale + 1
        yield event
        if state.stale >= patience:
            return


def keep_best(events: Iterator[Event], state: Best, weights: Callable[[], dict[str, Tensor]]) -> Iterator[Event]:
    """The same events; after each epoch that is the best so far, `weights` are taken into the state."""
    for event in events:
        if isinstance(event, Epoch) and event.best:
            state.weights = weights()
        yield event


def checkpointed(events: Iterator[Event], save: Callable[[], object], seconds: float) -> Iterator[Event]:
    """The same events; saves before it passes on an epoch, and between steps when `seconds` have gone by."""
    last = monotonic()
    for event in events:
        if isinstance(event, Epoch) or monotonic() - last >= seconds:
            save()
            last = monotonic()
        yield event


def interruptible(events: Iterator[Event], save: Callable[[], object]) -> Generator[Event, None, None]:
    """The same events; SIGINT, SIGTERM or SIGHUP lets the running step end, saves and raises. A second signal raises at once.

    Signals reach Python's main thread only: in any other this changes nothing.

    Raises:
        Interrupted: with the number of the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield from events
        return
    caught: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if caught and number not in hangups():  # of which a terminal and its shell send one each
            raise Interrupted("interrupted-at-once", signal=number)
        caught.append(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM, *hangups())}
    try:
        for event in events:
            yield event
            if caught:
                save()
                raise Interrupted("interrupted", signal=caught[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def recorded(epochs: Iterator[Epoch], folder: Path) -> Generator[Epoch, None, None]:
    """The same epochs; each is a line of metrics.jsonl and of metrics.csv as soon as it is over.

    `train` gives the epochs before a restart once more, so the files are written anew and hold each epoch once.
    """
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as lines, (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as table:
        rows = csv.writer(table)
        for epoch in epochs:
            facts = _plain(epoch)
            if epoch.number == 1:
                rows.writerow(facts)
            lines.write(json.dumps({**facts, "gradient_norms": {name: _number(norm) for name, norm in epoch.gradient_norms.items()}}) + "\n")
            rows.writerow(facts.values())
            lines.flush()
            table.flush()
            yield epoch


def _plain(epoch: Epoch) -> dict[str, object]:
    """An epoch as one row: train_loss, valid_loss, valid_accuracy, ... What is not finite is None: JSON has no word for it."""
    losses = {"train_loss": epoch.train_loss, "valid_loss": epoch.valid_loss, "lr": epoch.lr, "seconds": epoch.seconds}
    scores = {f"{split}_{name}": value for split, metrics in (("train", epoch.train), ("valid", epoch.valid)) for name, value in metrics.items()}
    return {"epoch": epoch.number, "best": epoch.best, **{name: _number(value) for name, value in {**losses, **scores}.items()}}


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
