"""How a network does on examples that it is not trained on: the same network, in evaluation mode, without gradients."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from flambeau.training.objective import Objective, learning_mode
from flambeau.training.source import BatchSource
from flambeau.types import Array

BATCHES = 64
"""Training batches that tell batch norm its statistics."""


@dataclass(frozen=True)
class Answered:
    """A network's answers to a whole split."""

    answers: Array
    """(examples, out_features) in answer space, float32."""
    truths: Array
    """(examples, ...) targets as the batches give them."""
    loss: float
    """Mean over the examples."""


def answer_all(network: nn.Module, objective: Objective, source: BatchSource) -> Answered:
    """Every example of a split in order -> answers, truths, mean loss."""
    network.eval()
    answers: list[Array] = []
    truths: list[Array] = []
    total = 0.0
    with torch.inference_mode():
        for batch in source.in_order():
            assert batch.targets is not None, "a validation split has targets"
            answer, losses = objective.evaluate(batch)
            answers.append(answer.cpu().numpy())
            truths.append(batch.targets.cpu().numpy())
            total += losses.double().sum().item()
    return Answered(np.concatenate(answers), np.concatenate(truths), total / sum(map(len, truths)))


@torch.no_grad()
def measure_statistics(network: nn.Module, objective: Objective, source: BatchSource, epoch: int) -> None:
    """Gives every batch norm that learns the mean statistics of the first training batches of an epoch, with the weights as they are."""
    learning_mode(network)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats and module.training]
    network.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    for batch in islice(source.epoch(epoch), BATCHES):
        objective.logits(batch.inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
