"""The step tuner tries, chooses, remembers, and leaves the network alone."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from flambeau.tasks.losses import ClassLoss
from flambeau.training import tuner
from flambeau.training.candidate import Candidate
from flambeau.training.config import TrainingConfig
from flambeau.training.tuner import Trial, plain, tune

LONG = 1000


@pytest.fixture(autouse=True)
def with_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choices are the same on every machine."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")


def test_bf16_is_not_tried_where_the_processor_has_none(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(tuner, "HOPELESS", float("inf"))  # however busy the machine is
    tried = trials(digits, small_net(), tmp_path, epochs=50 * LONG, compile=False)
    assert {trial.precision for trial in tried} == {"fp32"}
    assert {trial.memory_format for trial in tried} == {"contiguous", "channels_last"}


def config(**settings: Any) -> TrainingConfig:
    return TrainingConfig(**{"epochs": LONG, "threads": 1, **settings})


def trials(digits: Any, network: Any, folder: Path, **settings: Any) -> list[Trial]:
    return tune(network, ClassLoss([1.0] * 10), digits(slice(0, 300), 32), config(**settings), folder)


def test_every_open_choice_is_tried_and_one_is_chosen(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "HOPELESS", float("inf"))  # bf16 is, where the processor that runs this has none
    torch.manual_seed(0)
    network = small_net()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    tried = trials(digits, network, tmp_path, epochs=50 * LONG, compile=False)
    ways = {(trial.precision, trial.memory_format, trial.fused) for trial in tried}
    assert {(p, m) for p, m, _ in ways} == {(p, m) for p in ("fp32", "bf16") for m in ("contiguous", "channels_last")}
    assert {fused for _, _, fused in ways} == {True, False}
    assert sum(trial.chosen for trial in tried) == 1
    assert all(trial.milliseconds > 0 for trial in tried)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_copies_of_the_network_are_gone_at_once(digits: Any, small_net: Any, tmp_path: Path) -> None:
    """Not only when the garbage collector comes by: a training needs their memory."""
    network = small_net()
    gc.collect()
    gc.disable()
    try:
        assert len(trials(digits, network, tmp_path, epochs=50 * LONG, compile=False)) > 1
        assert [entry for entry in gc.get_objects() if type(entry) is type(network)] == [network]
    finally:
        gc.enable()


def pretend(
    monkeypatch: pytest.MonkeyPatch, seconds: Callable[[dict[str, Any]], float], shift: Callable[[dict[str, Any]], float] = lambda way: 0
) -> None:
    """Steps that are taken indeed, but whose time and loss are made up."""

    def step(self: Any) -> float:
        self.losses.append(next(self._steps) + shift(self.settings))
        return seconds(self.settings)

    monkeypatch.setattr(Candidate, "step", step)


def test_the_fastest_is_chosen_unless_its_losses_go_elsewhere(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(
        monkeypatch,
        lambda way: {"fp32": 2.0, "bf16": 1.0}[way["precision"]] - (0.5 if way["memory_format"] == "channels_last" else 0),
        lambda way: 100 if way["memory_format"] == "channels_last" else 0,
    )
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path, fused=True, compile=False) if trial.chosen]
    assert (chosen.precision, chosen.memory_format, chosen.milliseconds) == ("bf16", "contiguous", 1000.0)


def test_what_is_slow_in_turns_is_compared_with_what_takes_turns(
    digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step after one of another candidate finds its memory gone: it takes longer than one after its own."""
    times = {"contiguous": iter([2.0, 1.4, 2.2]), "channels_last": iter([2.5, 1.8])}
    pretend(monkeypatch, lambda way: next(times[way["memory_format"]], 1.5 if way["memory_format"] == "contiguous" else 1.0))
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path, precision="fp32", fused=True, compile=False) if trial.chosen]
    assert chosen.memory_format == "channels_last"


def test_a_gain_within_the_noise_changes_nothing(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, lambda way: 1.0 if way["precision"] == "fp32" else 0.99)
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path, compile=False) if trial.chosen]
    assert (chosen.precision, chosen.memory_format, chosen.fused) == ("fp32", "contiguous", True)


def test_threads_are_halved_for_as_long_as_that_is_faster(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "available_threads", lambda: 8)
    pretend(monkeypatch, lambda way: {8: 1.0, 4: 0.8, 2: 0.6, 1: 0.9}[way["threads"]])
    tried = trials(digits, small_net(), tmp_path, threads=None, compile=False)
    assert {trial.threads for trial in tried} == {8, 4, 2, 1}
    assert [trial.threads for trial in tried if trial.chosen] == [2]


def test_a_winner_that_cannot_beat_the_plain_way_again_is_not_taken(
    digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = 0

    def seconds(way: dict[str, Any]) -> float:
        nonlocal taken
        taken += way["precision"] == "bf16"
        return 0.5 if way["precision"] == "bf16" and taken < 10 else 1.0

    pretend(monkeypatch, seconds)
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path, fused=True, memory_format="contiguous", compile=False) if trial.chosen]
    assert chosen.precision == "bf16"
    taken = 6
    [chosen] = [
        trial for trial in trials(digits, small_net(), tmp_path / "again", fused=True, memory_format="contiguous", compile=False) if trial.chosen
    ]
    assert chosen.precision == "fp32"


@pytest.mark.parametrize("plain_one", [1.0, 2.0])
@pytest.mark.parametrize(("epochs", "parts"), [(100, 1), (40, 2)])
def test_the_trial_ends_when_its_share_is_spent(
    digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int, parts: int, plain_one: float
) -> None:
    now = 0.0

    def step(self: Any) -> float:
        nonlocal now
        self.losses.append(next(self._steps))
        seconds = plain_one if self.settings["precision"] == "fp32" else 1.0
        now += seconds
        return seconds

    monkeypatch.setattr(Candidate, "step", step)
    monkeypatch.setattr(tuner.time, "perf_counter", lambda: now)
    tried = tune(small_net(), ClassLoss([1.0] * 10), digits(slice(0, 320), 32), config(epochs=epochs, threads=None), tmp_path)
    assert {trial.parts for trial in tried} == {parts}
    share = tuner.SHARE * 10 * epochs * parts  # of 10 steps: 20 and 16 seconds may go
    assert share - 8 < now <= share


def test_a_compiled_network_is_tried_in_a_long_training_only(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[bool] = []

    def compile_nothing(function: Any) -> Any:
        compiled.append(True)
        return function

    monkeypatch.setattr(torch, "compile", compile_nothing)
    pretend(monkeypatch, lambda way: 0.1 if way["compile"] else 0.2)
    assert not any(trial.compile for trial in trials(digits, small_net(), tmp_path))
    pretend(monkeypatch, lambda way: 0.5 if way["compile"] else 1.0)
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path / "long") if trial.chosen]
    assert chosen.compile and compiled
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path / "refused", compile=False) if trial.chosen]
    assert not chosen.compile


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(function: Any) -> Any:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", refuse)
    pretend(monkeypatch, lambda way: 1.0)
    tried = trials(digits, small_net(), tmp_path)
    assert [trial.compile for trial in tried if trial.chosen] == [False]


class Picky(nn.Module):
    """A network of the user, which computes in some ways only."""

    def __init__(self, dislikes: str) -> None:
        super().__init__()
        self.dislikes = dislikes
        self.conv, self.head, self.activation = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(256, 10), nn.Softmax(-1)

    def extra_repr(self) -> str:
        return ""  # the same, whatever it dislikes

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        images = torch.relu(self.conv(inputs["image"] / 255))
        if self.dislikes == "channels_last":
            return self.head(images.view(len(images), -1))
        rows = images.flatten(1)
        if self.dislikes == "bf16":
            rows = torch.zeros(rows.shape).index_add_(0, torch.arange(len(rows)), rows)
        if self.dislikes == "everything":
            raise RuntimeError("not today")
        return self.head(rows * float("nan") if self.dislikes == "bf16 in silence" and rows.dtype == torch.bfloat16 else rows)


@pytest.mark.parametrize("dislikes", ["channels_last", "bf16", "bf16 in silence"])
def test_a_way_that_a_network_cannot_go_is_not_gone(digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dislikes: str) -> None:
    monkeypatch.setattr(tuner, "HOPELESS", float("inf"))
    tried = trials(digits, Picky(dislikes), tmp_path, epochs=50 * LONG, compile=False)
    refused = dislikes.split()[0]
    assert len(tried) >= 2 and sum(trial.chosen for trial in tried) == 1
    assert not any(refused in (trial.precision, trial.memory_format) for trial in tried)


def test_a_winner_that_fails_later_is_given_up(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wins the first race and can go no further in the second: the memory of a GPU is full, say."""
    taken = 0

    def step(self: Any) -> float:
        nonlocal taken
        is_winner = self.settings["precision"] == "bf16" and self.settings["fused"]
        taken += is_winner
        if is_winner and taken > 4:
            raise torch.OutOfMemoryError("full")
        self.losses.append(next(self._steps))
        return {"fp32": 1.0, "bf16": 0.5}[self.settings["precision"]]

    monkeypatch.setattr(Candidate, "step", step)
    [chosen] = [trial for trial in trials(digits, small_net(), tmp_path, memory_format="contiguous", compile=False) if trial.chosen]
    assert (chosen.precision, chosen.fused, taken) == ("fp32", True, 5)


def test_a_network_that_cannot_take_a_step_says_so(digits: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not today"):
        trials(digits, Picky("everything"), tmp_path, compile=False)


def test_a_kept_winner_that_no_longer_works_is_looked_for_again(digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "RESTLESS", float("inf"))
    with monkeypatch.context() as way:
        pretend(way, lambda settings: 0.5 if settings["memory_format"] == "channels_last" else 1.0)
        first = trials(digits, Picky("nothing"), tmp_path, precision="fp32", compile=False)
        assert [trial.memory_format for trial in first if trial.chosen] == ["channels_last"]
        assert len(trials(digits, Picky("nothing"), tmp_path, precision="fp32", compile=False)) == 1
    again = trials(digits, Picky("channels_last"), tmp_path, precision="fp32", compile=False)
    assert [trial.memory_format for trial in again if trial.chosen] == ["contiguous"]


@pytest.mark.parametrize(("shift", "agrees"), [(0.04, True), (-0.04, True), (0.06, False), (-0.06, False)])
def test_losses_may_differ_by_rounding_only(
    digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: float, agrees: bool
) -> None:
    """The first losses are about 2.3: 0.05 of that plus one is what rounding may explain."""

    def step(self: Any) -> float:
        loss = next(self._steps)
        self.losses.append(loss + shift * (1 + loss) if self.settings["precision"] == "bf16" else loss)
        return {"fp32": 1.0, "bf16": 0.5}[self.settings["precision"]]

    monkeypatch.setattr(Candidate, "step", step)
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)
    tried = trials(digits, small_net(), tmp_path, memory_format="contiguous", fused=True, compile=False)
    assert [trial.precision for trial in tried if trial.chosen] == ["bf16" if agrees else "fp32"]


def test_the_candidates_take_turns(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy moment of the machine must hit all of them: between two steps of one, each of the others that still run has one."""
    order = []

    def step(self: Any) -> float:
        self.losses.append(next(self._steps))
        order.append((self.settings["precision"], self.settings["memory_format"]))
        return 1.0

    monkeypatch.setattr(Candidate, "step", step)
    trials(digits, small_net(), tmp_path, fused=True, compile=False)
    race = order[5:]  # two steps of the plain way, and one of each challenger to warm up
    assert len(race) == 12
    assert all(len(set(race[turn : turn + 4])) == 4 for turn in (0, 4, 8))


def test_a_winner_is_kept_for_the_same_work_only(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "RESTLESS", float("inf"))
    torch.manual_seed(0)
    first = trials(digits, small_net(), tmp_path)
    again = trials(digits, small_net(), tmp_path)
    assert again == [trial for trial in first if trial.chosen]
    assert len(trials(digits, small_net(), tmp_path, fused=False)) > 1
    for file in tmp_path.iterdir():
        file.write_text("{")
    assert len(trials(digits, small_net(), tmp_path)) > 1


def test_what_a_busy_machine_gave_is_not_kept(digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "RESTLESS", 0.0)
    assert trials(digits, small_net(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("epochs", "parts"), [(80, 1), (40, 2)])
def test_a_short_training_is_tried_on_a_part_of_each_batch(
    digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int, parts: int
) -> None:
    sizes = []

    class Watched(ClassLoss):
        def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            sizes.append(len(logits))
            return super().forward(logits, targets)

    monkeypatch.setattr(torch.nn.Module, "__deepcopy__", lambda self, memo: self, raising=False)
    monkeypatch.setattr(tuner._Track, "_is_spent", lambda self, *coming: False)  # however busy the machine is
    monkeypatch.setattr(tuner, "HOPELESS", float("inf"))
    tried = tune(small_net(), Watched([1.0] * 10), digits(slice(0, 320), 32), config(epochs=epochs, threads=None), tmp_path)
    assert {trial.parts for trial in tried} == {parts} and set(sizes) == {32 // parts}
    assert {trial.memory_format for trial in tried} == {"contiguous", "channels_last"}
    assert parts == 1 or len({trial.threads for trial in tried}) == 1


def test_what_parts_of_batches_gave_does_not_settle_a_long_training(
    digits: Any, small_net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner, "RESTLESS", float("inf"))

    def tried(epochs: int) -> list[Trial]:
        return tune(small_net(), ClassLoss([1.0] * 10), digits(slice(0, 320), 32), config(epochs=epochs), tmp_path)

    assert tried(40)[0].parts == 2
    assert len(tried(40)) == 1
    assert len(tried(80)) > 1
    assert tried(40)[0].parts == 1


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 20}, {"precision": "fp32", "memory_format": "contiguous"}, {"optimizer": "lbfgs"}],
    ids=["too short", "nothing open", "full batch"],
)
def test_nothing_is_tried_where_it_does_not_pay(digits: Any, small_net: Any, tmp_path: Path, settings: dict[str, Any]) -> None:
    assert trials(digits, small_net(), tmp_path, **settings) == []
    assert list(tmp_path.iterdir()) == []


def test_plain_is_what_always_works() -> None:
    settled = plain(config())
    assert (settled.precision, settled.memory_format, settled.compile) == ("fp32", "contiguous", False)
    fixed = config(precision="bf16", memory_format="channels_last", compile=True)
    assert plain(fixed) == fixed
