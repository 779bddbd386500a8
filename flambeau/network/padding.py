"""Sequences of different lengths in one tensor. What is behind the end of one is padding: it is never part of an answer.

The one mechanism: where lengths differ, `Padded` goes from module to module. A module that works on each time alone needs to know
nothing of it; one that looks at several times is `OverTime` and takes care of the mask.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn


class Padded(NamedTuple):
    """Sequences of different lengths in one tensor."""

    values: Tensor
    """(batch, time, ...)"""
    mask: Tensor
    """(batch, time) bool: True where a time is real. The real ones come first, one at least."""


Flow: TypeAlias = Tensor | Padded
"""What goes from module to module."""


class OverTime(nn.Module):
    """A module that looks at more than one time: it takes and gives a `Flow`."""


def through(module: nn.Module, x: Flow, *more: Flow) -> Flow:
    """What a module makes of x. One that works on each time alone gets the values, padding too."""
    if isinstance(x, Padded) and not isinstance(module, OverTime):
        return Padded(module(x.values), x.mask)
    return module(x, *more)  # type: ignore[no-any-return]


def parts(x: Flow) -> tuple[Tensor, Tensor | None]:
    """The values, and the mask where lengths differ."""
    return (x.values, x.mask) if isinstance(x, Padded) else (x, None)


def flow(values: Tensor, mask: Tensor | None) -> Flow:
    """The values with their mask, if there is one."""
    return values if mask is None else Padded(values, mask)


def zeroed(values: Tensor, mask: Tensor | None, filling: float = 0.0) -> Tensor:
    """(batch, time, features) with zeros (or another filling) where nothing is real."""
    return values if mask is None else values.masked_fill(~mask.unsqueeze(-1), filling)


def entering(values: Tensor, mask: Tensor) -> Padded:
    """What comes into a network: its padding is 0 whatever it was, and of a sequence without any time the first one counts as real."""
    shown = mask.reshape(*mask.shape, *[1] * (values.ndim - 2))
    some = torch.cat((torch.ones_like(mask[:, :1]), mask[:, 1:]), 1)
    return Padded(torch.where(shown, values, torch.zeros_like(values)), some)


def lengths(mask: Tensor) -> Tensor:
    """(batch, time) -> (batch,): how many times are real."""
    return mask.sum(1)


def up_to(counts: Tensor, time: int) -> Tensor:
    """How many are real -> the mask (batch, time)."""
    return torch.arange(time, device=counts.device) < counts.unsqueeze(1)


def backwards(values: Tensor, mask: Tensor | None) -> Tensor:
    """Each sequence from its last real time to its first, padding behind it again: (batch, time, features). Twice is once not at all."""
    if mask is None:
        return values.flip(1)
    times = torch.arange(values.shape[1], device=values.device)
    order = lengths(mask).unsqueeze(1) - 1 - times
    order = torch.where(order >= 0, order, times)
    return values.gather(1, order.unsqueeze(-1).expand(-1, -1, values.shape[2]))
