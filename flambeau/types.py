"""The vocabulary that the rooms share. Nothing here behaves; everything here is data.

Axis names are spelled out everywhere: ("channels", "height", "width"), ("time", "features"), ("features",).
A batch axis is always in front and never named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Array: TypeAlias = npt.NDArray[np.generic]

Example: TypeAlias = Mapping[str, object]
"""One raw record: ``{"image": Path("cat/1.jpg"), "label": "cat"}``."""

MASK = ".mask"
"""Suffix of the tensor that says which times of a padded input are real: (batch, time) bool."""

Runner: TypeAlias = Callable[[Mapping[str, Array]], npt.NDArray[np.float32]]
"""Encoded inputs by name, batch axis first -> answers (batch, answers). What every export target is reduced to."""


class Frame(Protocol):
    """A data frame, of pandas or polars."""

    @property
    def columns(self) -> Any:
        """The names of its columns."""

    def __getitem__(self, name: Any, /) -> Any:
        """One of them."""


@dataclass(frozen=True)
class TensorSpec:
    """What one encoded value looks like, without the batch axis."""

    axes: tuple[str, ...]
    shape: tuple[int | None, ...]
    """One size per axis; None where it varies from value to value."""
    dtype: str
    """A numpy dtype name: "uint8", "float32", "int64"."""
    categories: int | tuple[int, ...] | None = None
    """For ids: how many different ones there are. For columns: the same for each, 0 for a column of numbers."""

    def __str__(self) -> str:
        return " x ".join(f"{axis} {'?' if size is None else size}" for axis, size in zip(self.axes, self.shape, strict=True))


@dataclass(frozen=True)
class SeenImages:
    """How the images were prepared that a pretrained model has seen; the image input follows where a recipe leaves it open."""

    model: str
    size: tuple[int, int]
    """Height and width in pixels."""
    mean: tuple[float, ...]
    """Of each channel, 0 to 1."""
    std: tuple[float, ...]
    interpolation: str
    """How it was resized: "bicubic", "bilinear"."""


@dataclass(frozen=True)
class SeenTexts:
    """How the texts were prepared that a pretrained encoder has seen; the text input follows where a recipe leaves it open."""

    model: str
    tokenizer: Path
    """Its tokenizer.json."""
    max_length: int
    """Tokens of a text at most, those around it included."""
    pretrained: bool = True
    """Whether it has learnt from them; otherwise any tokenizer will do."""


@dataclass(frozen=True)
class Batch:
    """One step's worth of examples, on the device."""

    inputs: dict[str, Tensor]
    """By input name, each (batch, *spec.shape)."""
    targets: Tensor | None
    """(batch,) class indices, (batch, classes) soft targets after mixup, (batch, labels) flags or (batch, values) numbers."""
    weights: Tensor | None = None
    """(batch,) weight of each example in the loss."""


@dataclass(frozen=True)
class Classified:
    """The answer to one example of a classification task."""

    label: str
    confidence: float
    """Probability of `label`, 0 to 1."""
    probabilities: dict[str, float]
    """By label, most probable first; sums to 1."""


@dataclass(frozen=True)
class Labelled:
    """The answer to one example that can have several labels, or none."""

    labels: tuple[str, ...]
    """Those whose probability reaches the threshold, most probable first."""
    probabilities: dict[str, float]
    """By label, most probable first; each of its own, 0 to 1."""


@dataclass(frozen=True)
class Valued:
    """The answer to one example of a regression, in the unit of the data."""

    value: float | dict[str, float]
    """One number; by name where several are predicted."""
    low: float | dict[str, float] | None = None
    """The lowest quantile that was asked for; None where there is one alone."""
    high: float | dict[str, float] | None = None
    """The highest quantile."""


Prediction: TypeAlias = Classified | Labelled | Valued


@dataclass(frozen=True)
class Score:
    """A figure and how far it can be trusted."""

    value: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    n: int
    """Number of examples behind the figure."""


@dataclass(frozen=True)
class Step:
    """One optimizer step that has been taken."""

    number: int
    """Counted from 0 over the whole run."""
    epoch: int
    loss: float
    """Mean over the examples of the step, penalties included."""
    lr: float
    gradient_norm: float
    """L2 norm over all parameters, before clipping."""
    num_examples: int
    seconds: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the training examples, and how the network did on the validation split after it."""

    number: int
    """Counted from 1, as people count."""
    train_loss: float
    valid_loss: float
    valid: Mapping[str, float]
    """Validation metrics by name ("accuracy", "macro_recall"), 0 to 1."""
    lr: float
    seconds: float
    best: bool = False
    """Whether this is the best epoch so far, by the monitored metric."""
    gradient_norms: Mapping[str, float] = field(default_factory=dict)
    """Mean L2 norm of the gradient by layer."""
    train: Mapping[str, float] = field(default_factory=dict)
    """Metrics on the training examples as they were seen (augmented), by name."""
