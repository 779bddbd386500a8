"""How long a training will take, from a few real steps on a copy of the network."""

from __future__ import annotations

import copy
import time
from itertools import islice
from statistics import median

import torch
from torch import nn

from flambeau.machine import available_threads
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, using_threads
from flambeau.training.objective import Objective
from flambeau.training.source import BatchSource

STEPS = 4
"""Batches that are timed; the first one warms up and is not counted."""


def estimate_seconds(network: nn.Module, loss: nn.Module, batches: BatchSource, valid: BatchSource, config: TrainingConfig) -> float:
    """Seconds that all epochs would take on this machine, validation included. The network itself is not touched."""
    device = choose_device(config.device)
    trial = copy.deepcopy(network).to(device).train()
    objective = Objective(trial, loss.to(device), config, device, notify=lambda notice: None)
    times = []
    with using_threads(config.threads or available_threads()), objective.own_randomness():
        for step, batch in enumerate(islice(batches.epoch(1), STEPS)):
            started = time.perf_counter()
            objective.backward(batch, step)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - started)
    seconds = median(times[1:] or times)
    # validation has no way back, which is two thirds of a step
    share = 1 + valid.num_examples / max(batches.num_examples, 1) / 3
    return seconds * batches.num_steps * config.epochs * share
