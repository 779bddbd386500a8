"""Variation of the training examples: whole batches at once, on the device, never in validation, test or serving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from flambeau import randomness
from flambeau.types import Batch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Draw:
    """The random numbers of one batch. Each example's are a function of (seed, epoch, its index), whatever batch it lies in."""

    seed: int
    epoch: int
    indices: npt.NDArray[np.int64]
    """(batch,) which examples of the split these are."""
    soft: Callable[[Tensor], Tensor]
    """Targets (batch,) -> targets that can be mixed with others, (batch, classes) for a classification."""

    def uniform(self, stream: int) -> npt.NDArray[np.float64]:
        """(batch,) numbers in [0, 1). Each purpose takes a `stream` of its own."""
        return randomness.uniform(self.seed, self.epoch, self.indices, stream)


Augmentation: TypeAlias = Callable[[Batch, Draw], Batch]
