"""Everything that the report tells, as plain data: `report.json` holds it, and `report.html` is made from nothing else.

All classes hold strings, numbers, booleans, lists and mappings only. Lists may be empty and optional parts None: the report
then leaves a section out or says that nothing was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from flambeau.errors import DataError

FORMAT = 1
"""Version of report.json; grows when a field changes its meaning."""
MAX_BYTES = 200 << 20
"""A report.json over this size is not read."""


@dataclass(frozen=True)
class Check:
    """Something that was proven or failed: an export that answers the same, a split without overlap."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class ClassCount:
    """Examples of one class, or of one range of values, in each split."""

    label: str
    train: int
    valid: int
    test: int
    pictures: Sequence[str] = ()
    """A few small examples as ``data:image/...;base64,`` addresses."""


@dataclass(frozen=True)
class Problem:
    """One example that was left out or noticed."""

    name: str
    kind: str
    """In words: "unreadable", "blank"."""
    detail: str = ""


@dataclass(frozen=True)
class DataFacts:
    """What was learned from."""

    source: str
    classes: Sequence[ClassCount]
    split: str = ""
    """How it was split, in words."""
    problems: Sequence[Problem] = ()
    """The first ones; `num_problems` counts all."""
    num_problems: int = 0
    num_duplicates: int | None = None
    """Examples that look like another one; None where it was not looked for."""
    overlap: int | None = None
    """Examples of valid and test that look like one of train; None where it was not looked for."""
    notices: Sequence[str] = ()
    """Warnings, in words."""


@dataclass(frozen=True)
class LayerRow:
    """One line of the model table."""

    name: str
    output: str
    """Axes and sizes: "channels 32 x height 28 x width 28"."""
    parameters: int
    flops: int | None = None
    """Multiplications and additions for one example."""
    memory_bytes: int | None = None
    """Of the output for one example."""


@dataclass(frozen=True)
class WeightsFacts:
    """A file of weights with which a network, or one branch of it, started."""

    file: str
    place: str
    """The branch; "" where there is only one network."""
    way: Literal["names", "order"]
    """By what the tensors of the file were found."""
    prefix: str
    """What was left out in front of the file's names."""
    loaded: int
    total: int
    """Tensors of the network."""
    new: Sequence[str]
    """Tensors of the network that started at random."""
    unused: Sequence[str]
    """Tensors of the file that the network does not have."""


@dataclass(frozen=True)
class ModelFacts:
    """What was trained."""

    name: str
    parameters: int
    layers: Sequence[LayerRow] = ()
    why: str = ""
    """Why this network was chosen, in words."""
    input: str = ""
    """What goes in: "96x96 RGB"."""
    size_bytes: int | None = None
    weights: Sequence[WeightsFacts] = ()
    """What it started with; empty where all of it started at random."""


@dataclass(frozen=True)
class EpochFacts:
    """One pass over the training examples; the fields are those of `types.Epoch`, and one more."""

    number: int
    train_loss: float | None
    valid_loss: float | None
    valid: Mapping[str, float | None] = field(default_factory=dict)
    lr: float | None = None
    seconds: float = 0.0
    best: bool = False
    gradient_norms: Mapping[str, float | None] = field(default_factory=dict)
    train: Mapping[str, float | None] = field(default_factory=dict)
    kept: bool = False
    """Whether the network had its weights when training was over; `Epoch` does not know it."""


@dataclass(frozen=True)
class CalibrationFacts:
    """What was done to the probabilities after training; the fields are those of `training.calibration.Calibration`."""

    temperature: float
    before: float
    after: float


@dataclass(frozen=True)
class Mistake:
    """One example of the test with a wrong answer, or with a large error."""

    name: str
    truth: str
    answer: str
    confidence: float | None
    """Probability of the answer, 0 to 1; None where it has none."""
    truth_probability: float | None
    picture: str | None = None
    """The example as a ``data:image/...;base64,`` address."""
    suspect: bool = False
    """Whether the label rather than the answer may be wrong."""
    error: float | None = None
    """Answer minus truth, where they are numbers."""


@dataclass(frozen=True)
class ExportFacts:
    """One target that the model was exported to, compared on raw test examples."""

    name: str
    size_bytes: int
    passed: bool
    max_difference: float | None = None
    """Largest difference of a probability."""
    same: int | None = None
    """Examples with the same answer, of `n`."""
    n: int | None = None
    milliseconds: float | None = None
    """Median for one example."""


@dataclass(frozen=True)
class Reproduction:
    """What it takes to get the same model again."""

    command: str
    seed: int | None = None
    recipe: str = ""
    """The resolved recipe's text."""
    versions: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by what it is of."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time by stage."""


@dataclass(frozen=True)
class ReportFacts:
    """All facts of a run."""

    run: str
    """Name of the run."""
    created: str
    """When, as ISO 8601."""
    labels: Sequence[str]
    test: Mapping[str, Any] | None = None
    """What `evaluate` gives."""
    baseline: Mapping[str, Any] | None = None
    """What `baseline` gives."""
    curves: Sequence[Mapping[str, Any]] = ()
    """What `curve_points` gives."""
    checks: Sequence[Check] = ()
    data: DataFacts | None = None
    model: ModelFacts | None = None
    epochs: Sequence[EpochFacts] = ()
    calibration: CalibrationFacts | None = None
    mistakes: Sequence[Mistake] = ()
    num_mistakes: int | None = None
    """Wrong answers of the test in all."""
    exports: Sequence[ExportFacts] = ()
    reproduction: Reproduction | None = None
    task: str = "classification"
    format: int = FORMAT


def as_json(facts: ReportFacts) -> dict[str, Any]:
    """The facts as a tree for JSON. What JSON has no word for is replaced: NaN and infinity by null, half characters by their code."""
    tree: dict[str, Any] = _speakable(asdict(facts))
    return tree


def read_facts(path: Path) -> ReportFacts:
    """The facts in a report.json.

    Raises:
        DataError: the file is not there, is not such a file, or is of a newer format.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise DataError("report-missing", where=str(path), reason=error.strerror or type(error).__name__) from error
    try:
        facts = TypeAdapter(ReportFacts).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise DataError("report-unreadable", where=str(path), place=".".join(map(str, first["loc"])), reason=first["msg"]) from error
    if facts.format > FORMAT:
        raise DataError("report-newer", where=str(path), found=facts.format, known=FORMAT)
    return facts


def _speakable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_speakable(key): _speakable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_speakable(part) for part in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return None if isinstance(value, float) and not isfinite(value) else value
