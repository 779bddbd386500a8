"""Optimizers that torch does not have, each as the one of torch that comes nearest, at the learning rate that suits that one."""

from __future__ import annotations

from dataclasses import dataclass

from flambeau.training.optimizer_config import OptimizerConfig
from flambeau.training.optimizers import AdamW, Muon, Sam, ScheduleFree, Sgd

DIGITS = 4
"""Of a learning rate that is computed."""


@dataclass(frozen=True)
class StandIn:
    """What steps in the place of an optimizer."""

    config: OptimizerConfig
    why: str
    """What it is of the other one, for people."""


def stand_in(config: OptimizerConfig) -> StandIn | None:
    """What stands in for an optimizer of a recipe; None: torch has it."""
    if isinstance(config, Muon):
        return StandIn(config.rest, "its optimizer of what is no hidden matrix")
    if isinstance(config, Sam):
        return StandIn(config.base.model_copy(update={"lr": config.lr}), "its base")
    if isinstance(config, ScheduleFree):
        return StandIn(_with_a_schedule(config), "without the mean of the weights")
    return None


def _with_a_schedule(config: ScheduleFree) -> OptimizerConfig:
    """The same kind of step without the mean. The momentum of SGD adds gradients up, which makes its steps 1 / (1 - momentum) times as long."""
    if config.kind == "adamw":
        return AdamW(lr=config.lr, betas=(config.momentum, config.beta2), eps=config.eps, weight_decay=config.weight_decay)
    lr = float(f"{config.lr * (1 - config.momentum):.{DIGITS}g}")
    return Sgd(lr=lr, momentum=config.momentum, nesterov=False, weight_decay=config.weight_decay)
