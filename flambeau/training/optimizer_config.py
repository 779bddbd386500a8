"""What all optimizers of a recipe have in common. No torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from flambeau.choice import Named
from flambeau.training.optimizer import Optimizer

if TYPE_CHECKING:
    from flambeau.training.parameters import ParameterGroup

LearningRate = Annotated[float, Field(gt=0, le=1000)]
WeightDecay = Annotated[float, Field(ge=0, le=10)]
Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Named):
    """One optimizer with its settings. A step of the loop is always ``optimizer.step(closure)``."""

    full_batch: ClassVar[bool] = False
    """Whether it needs all examples in each step."""
    averages: ClassVar[bool] = False
    """Whether it keeps a mean of the weights that is to be used instead of them, and needs no falling learning rate for it."""
    can_fuse: ClassVar[bool] = False
    """Whether torch has it as one kernel over all parameters."""

    lr: LearningRate
    """Learning rate: the length of a step, before the schedule scales it."""

    def build(self, groups: Sequence[ParameterGroup], fused: bool | None = None) -> Optimizer:
        """Groups of parameters -> torch's optimizer over them, in one kernel where it can and `fused` is not False."""
        return self._over(groups, self.can_fuse if fused is None else fused)

    @abstractmethod
    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer: ...


def torch_groups(groups: Sequence[ParameterGroup], lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Our groups -> torch's. "initial_lr" is what the schedule scales, "starts" the epoch from which they learn."""
    return [
        {
            "params": list(group.parameters),
            "initial_lr": lr * group.lr_scale,
            "weight_decay": weight_decay if group.decay else 0.0,
            "starts": group.starts,
        }
        for group in groups
    ]
