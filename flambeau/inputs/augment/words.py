"""Batches of texts, varied: ids (batch, time) and their mask. What is drawn for a word depends on its place, never on the padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from flambeau import randomness
from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.word_steps import Delete, Drop, Swap, TextStep
from flambeau.inputs.words.vocabulary import UNKNOWN
from flambeau.types import MASK, Batch

STREAM = 1 << 20
"""Apart from the streams of other inputs."""


@dataclass(frozen=True)
class Words:
    """The augmentation of one text input, step by step."""

    steps: tuple[TextStep, ...]

    def __call__(self, batch: Batch, draw: Draw) -> Batch:
        """The tensors NAME (ids) and NAME.mask of the batch -> the same, varied."""
        name = next(name for name in batch.inputs if not name.endswith(MASK))
        ids, mask = batch.inputs[name], batch.inputs[name + MASK]
        for place, step in enumerate(self.steps):
            ids, mask = _vary(ids, mask, step, _drawn(draw, place, ids))
        return replace(batch, inputs={name: ids, name + MASK: mask})


def _drawn(draw: Draw, place: int, ids: Tensor) -> Tensor:
    """(batch, time) numbers in [0, 1) for the step at this place of the list."""
    numbers = randomness.uniform(draw.seed, draw.epoch, draw.indices[:, None], STREAM + place, np.arange(ids.shape[1]))
    return torch.from_numpy(numbers.astype(np.float32)).to(ids.device)


def _vary(ids: Tensor, mask: Tensor, step: TextStep, drawn: Tensor) -> tuple[Tensor, Tensor]:
    match step:
        case Drop(share=share):
            return torch.where(mask & (drawn < share), UNKNOWN, ids), mask
        case Delete(share=share):
            return _deleted(ids, mask, mask & (drawn < share))
        case Swap(share=share):
            return _swapped(ids, mask, drawn < share), mask
    raise AssertionError(f"{step.name} is not here")


def _deleted(ids: Tensor, mask: Tensor, gone: Tensor) -> tuple[Tensor, Tensor]:
    """The words that are left, moved up to the beginning; the first one stays where all would go."""
    kept = mask & ~gone
    kept[:, 0] |= ~kept.any(1)
    order = torch.argsort((~kept).to(torch.uint8), dim=1, stable=True)
    mask = torch.arange(ids.shape[1], device=ids.device) < kept.sum(1, keepdim=True)
    return ids.gather(1, order) * mask, mask


def _swapped(ids: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
    """Each wanted word changes places with the next one, unless that one or itself was moved by the one before."""
    places = torch.arange(ids.shape[1], device=ids.device).repeat(len(ids), 1)
    starts = wanted.clone()
    starts[:, -1] = False
    starts[:, :-1] &= mask[:, 1:]
    starts[:, 1:] &= ~wanted[:, :-1]
    places = places + starts.long()
    places[:, 1:] -= starts[:, :-1].long()
    return ids.gather(1, places)
