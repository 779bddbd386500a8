"""The watches around a training: patience, best weights, checkpoints by the clock, signals, the record on disk."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from flambeau.errors import Interrupted
from flambeau.training import watch
from flambeau.training.watch import Best, Event, Patience, checkpointed, interruptible, keep_best, recorded, stop_early
from flambeau.types import Epoch, Step


def epoch(number: int, best: bool = False, **metrics: float) -> Epoch:
    return Epoch(number, 1.0 / number, 2.0 / number, metrics or {"accuracy": 0.5}, 0.1, 1.0, best, {"conv": 0.5}, {"accuracy": 0.75})


def step(number: int) -> Step:
    return Step(number, 1, 1.0, 0.1, 1.0, 32, 0.01)


def test_stop_early_counts_epochs_without_gain_and_remembers_them() -> None:
    gains = [True, False, True, False, False, False]
    stream: list[Event] = [epoch(number + 1, gain) for number, gain in enumerate(gains)]
    state = Patience()
    assert len(list(stop_early(iter(stream), state, 2))) == 5 and state.stale == 2
    assert list(stop_early(iter(stream), state, 2)) == []
    assert len(list(stop_early(iter(stream), Patience(), 9))) == 6


def test_keep_best_takes_the_weights_after_the_best_epochs() -> None:
    taken: list[int] = []
    state = Best()
    stream: list[Event] = [step(0), epoch(1, True), step(1), epoch(2), epoch(3, True)]

    def weights() -> dict[str, torch.Tensor]:
        taken.append(1)
        return {"w": torch.tensor(len(taken))}

    assert list(keep_best(iter(stream), state, weights)) == stream
    assert len(taken) == 2 and state.weights == {"w": torch.tensor(2)}


def test_checkpoints_come_before_each_epoch_and_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 31.0, 31.0, 32.0, 61.0])
    monkeypatch.setattr(watch, "monotonic", lambda: next(clock))
    saved: list[Event] = []
    now: list[Event] = []

    def stream() -> Iterator[Event]:
        for event in [step(0), step(1), epoch(1), step(2)]:
            now[:] = [event]
            yield event

    seen = list(checkpointed(stream(), lambda: saved.extend(now), 30.0))
    assert len(seen) == 4 and saved == [seen[1], seen[2]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_step_end_and_saves(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    done: list[int] = []
    saved: list[int] = []

    def stream() -> Iterator[Event]:
        for count in range(5):
            if count == 2:
                os.kill(os.getpid(), number)
            done.append(count)
            yield step(count)

    with pytest.raises(Interrupted) as caught:
        list(interruptible(stream(), lambda: saved.append(len(done))))
    assert done == [0, 1, 2] and saved == [3]
    assert (caught.value.code, caught.value.exit_code) == ("interrupted", 128 + number)
    assert signal.getsignal(number) is before


def test_the_second_signal_stops_at_once() -> None:
    def stream() -> Iterator[Event]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the step must not go on")
        yield step(0)

    with pytest.raises(Interrupted) as caught:
        list(interruptible(stream(), lambda: pytest.fail("nothing is saved")))
    assert (caught.value.code, caught.value.exit_code) == ("interrupted-at-once", 143)


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        seen.extend((event, signal.getsignal(signal.SIGINT) is before) for event in interruptible(iter([step(0)]), lambda: None))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(step(0), True)]


def test_a_handler_that_python_did_not_set_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    real = signal.signal
    monkeypatch.setattr(watch.signal, "signal", lambda number, handler: real(number, handler) and None)
    try:
        assert list(interruptible(iter([step(0)]), lambda: None)) == [step(0)]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        real(signal.SIGINT, signal.default_int_handler)


def test_an_interrupted_training_goes_on_to_the_same_bits(begin: Callable[..., Any], fingerprint: Any, tmp_path: Path, small_net: Any) -> None:
    whole = begin(folder=tmp_path / "whole")
    epochs = whole.finish()
    run = begin()
    forward = run.network.logits
    calls: list[int] = []

    def interrupted(inputs: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 8:  # three steps and two batches of validation are an epoch
            os.kill(os.getpid(), signal.SIGINT)
        return forward(inputs)

    run.network.logits = interrupted
    with pytest.raises(Interrupted):
        run.finish()
    again = begin(resume=True)
    assert [e.valid_loss for e in again.finish()] == [e.valid_loss for e in epochs]
    assert fingerprint(again.network) == fingerprint(whole.network)


def test_each_epoch_is_one_line_on_disk_at_once(tmp_path: Path) -> None:
    stream = recorded(iter([epoch(1, True), epoch(2, accuracy=float("nan"))]), tmp_path)
    next(stream)
    first = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert first["epoch"] == 1 and first["best"] and first["valid_accuracy"] == 0.5 and first["gradient_norms"] == {"conv": 0.5}
    list(stream)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["valid_accuracy"] for line in lines] == [0.5, None]
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["train_loss"], row["valid_accuracy"]) for row in rows] == [("1", "1.0", "0.5"), ("2", "0.5", "")]


def test_a_restart_writes_no_line_twice(begin: Callable[..., Any], power_cut: Any, tmp_path: Path) -> None:
    with pytest.raises(power_cut):
        list(recorded(begin(cut_after=7).epochs, tmp_path))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "from": "after the checkpoint"}\n')
    list(recorded(begin(resume=True).epochs, tmp_path))
    assert [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3]
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 4
