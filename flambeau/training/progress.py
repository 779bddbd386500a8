"""How far a training is: the running epoch's sums, and which of two epochs is the better one."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from flambeau.evaluation.estimates import LOWER_IS_BETTER
from flambeau.types import Epoch


def rank(epoch: Epoch, monitor: str) -> tuple[float, float]:
    """An epoch -> how good it is (the larger the better): by the monitored metric, then by the validation loss."""
    if monitor == "valid_loss":
        return _score(-epoch.valid_loss), 0.0
    value = epoch.valid[monitor]
    return _score(-value if monitor in LOWER_IS_BETTER else value), _score(-epoch.valid_loss)


def is_gain(epoch: Epoch, earlier: list[Epoch], monitor: str) -> bool:
    """Whether `epoch` is better than every one of `earlier`."""
    return all(rank(epoch, monitor) > rank(other, monitor) for other in earlier)


def _score(value: float) -> float:
    """NaN and infinity are worse than any number."""
    return value if isfinite(value) else float("-inf")


@dataclass
class Position:
    """Between which two optimizer steps training stands."""

    epoch: int = 0
    """Epochs that are finished."""
    step: int = 0
    """Steps taken in the running one."""


@dataclass
class Tally:
    """Sums over the steps of the running epoch. Those on the device are added up there, so that no step waits for a figure."""

    loss: Tensor
    """() sum over the examples."""
    norms: Tensor
    """(layers,) sum of the gradients' norms over the observed steps."""
    num_examples: int = 0
    num_observed: int = 0
    seconds: float = 0.0
    logits: list[Tensor] = field(default_factory=list)
    """Of the observed steps, each (batch, out_features)."""
    targets: list[Tensor] = field(default_factory=list)

    @classmethod
    def empty(cls, num_layers: int, device: torch.device) -> Tally:
        """Nothing summed yet."""
        exact = torch.float32 if device.type == "mps" else torch.float64
        return cls(torch.zeros((), dtype=exact, device=device), torch.zeros(num_layers, dtype=exact, device=device))

    def add(self, loss: Tensor, num_examples: int) -> None:
        """Takes in one step."""
        self.loss.add_(loss, alpha=num_examples)
        self.num_examples += num_examples

    def observe(self, norms: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Takes in what only some steps look at."""
        self.norms.add_(norms)
        self.num_observed += 1
        self.logits.append(logits)
        self.targets.append(targets)

    @property
    def mean_loss(self) -> float:
        """Over the examples so far."""
        return self.loss.item() / max(self.num_examples, 1)

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return dict(vars(self))

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        device = self.loss.device
        self.loss, self.norms = state["loss"].to(device), state["norms"].to(device)
        self.num_examples, self.num_observed, self.seconds = state["num_examples"], state["num_observed"], state["seconds"]
        self.logits, self.targets = ([tensor.to(device) for tensor in state[name]] for name in ("logits", "targets"))
