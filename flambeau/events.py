"""What happens during a verb, as facts. The pipeline tells them to whoever wants to show them; nothing here knows how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Show: TypeAlias = Callable[[object], None]
"""Takes each event (one of the classes below, types.Epoch, or errors.Notice) as it happens."""


def silent(event: object) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Started:
    """The program and what it runs on."""

    version: str
    torch: str
    device: str


@dataclass(frozen=True)
class Progress:
    """How far a long piece of work is; shown only where a live line can be drawn."""

    stage: str
    """Key of the catalogue: "reading", "testing"."""
    done: int
    total: int


@dataclass(frozen=True)
class Remark:
    """Something worth a line; nothing is wrong."""

    code: str
    """Key of its text in the catalogue."""
    facts: dict[str, object]
    """Fill its placeholders."""


@dataclass(frozen=True)
class Surveyed:
    """What the data holds."""

    name: str
    kinds: Mapping[str, str]
    """Input column -> its modality."""
    target: str
    counts: Mapping[str, int]
    """Examples by class, most frequent first; or by range of the value, in order."""
    num_bad: int
    num_duplicates: int
    """Examples that look like another one."""
    listing: Path | None
    task: str = "classification"
    num_examples: int | None = None
    """None: the sum of `counts`."""
    given: bool = False
    """Whether the split is given, by the data or by the order of time: then copies of one thing may lie in two splits."""


@dataclass(frozen=True)
class SplitMade:
    """Examples of each split."""

    train: int
    valid: int
    test: int
    how: str
    """Key of the catalogue: "split-ordered", "split-given", "split-group", "split-stratified"."""
    seed: int


@dataclass(frozen=True)
class Planned:
    """What is about to be trained, and how."""

    network: str
    parameters: int
    flops: int
    inputs: Sequence[str]
    reason: str
    alternatives: Sequence[str]
    optimizer: str
    schedule: str
    batch_size: str
    epochs: int
    stop_early: int | None
    augment: Sequence[str]
    execution: Mapping[str, object]
    """Device, threads, precision, memory format, fused, compile."""
    trials: Sequence[str]
    """Ways of computing a step that were timed, a line each; empty where none was."""
    seconds: float | None
    """Estimate for all epochs, from real steps; None where none were timed."""
    prepared: Sequence[str] = ()
    """How inputs are prepared, where that is not the usual way."""
    weights: Sequence[str] = ()
    """Where weights come from, a line for each file."""
    keep_best: bool = True
    """Whether the weights of the best epoch are kept, not those of the last."""
    mean: str | None = None
    """Which mean of the weights is the result, as a recipe says it; None: the weights themselves."""


@dataclass(frozen=True)
class Trained:
    """The end of training."""

    kept: int
    """Number of the epoch whose weights are kept."""
    stopped: str | None
    """Why before the last epoch, as a sentence; None at the last."""
    advice: str
    """What the gap between train and validation means, and what to try."""
    calibrated: str | None = None
    """What was done to the probabilities, as a sentence; None: nothing."""


@dataclass(frozen=True)
class Tested:
    """How good the model is on the test split."""

    test: Mapping[str, object]
    baseline: Mapping[str, object]
    weakest: Mapping[str, object] | None
    task: str = "classification"


@dataclass(frozen=True)
class Saved:
    """Where everything lies."""

    artifact: Path
    num_bytes: int
    report: Path
    run: Path
    ending: str = ".jpg"
    """Of a file that the model can be asked about."""


@dataclass(frozen=True)
class Exported:
    """A model in another format, and the proof."""

    target: str
    path: Path
    num_bytes: int
    verification: Mapping[str, object]
    latency: Mapping[str, float]
    """Milliseconds of one example by runtime, one thread."""
    precision: str = "fp32"
    score: Mapping[str, object] | None = None
    """For lower precision, what the score on the test examples became: a Gate's fields."""
    serving: Mapping[str, object] | None = None
    """Which runner `flambeau serve` will take, and the trial behind it: the fields of serving.json."""


@dataclass(frozen=True)
class Ejected:
    """A model as plain files, and the proof."""

    path: Path
    files: tuple[str, ...]
    num_bytes: int
    num_checked: int
    """Examples on which the files gave the same arrays and answers, bit for bit."""
