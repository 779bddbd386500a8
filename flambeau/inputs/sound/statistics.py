"""Mean and standard deviation of each row of the pictures of many sounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from pydantic import model_validator

from flambeau.choice import problem
from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.inputs.sound.features import Features
from flambeau.types import Array

LEAST_STD = 1.0
"""One decibel: a band in which nothing ever sounds is not magnified."""
AT_ONCE = 64
"""Clips that are computed together."""


class RowStatistics(Config):
    """By what each row of the picture is standardised: (value - mean) / std."""

    mean: tuple[float, ...]
    """One for each row."""
    std: tuple[float, ...]
    """As mean; above 0."""

    @model_validator(mode="after")
    def _sensible(self) -> RowStatistics:
        if not self.mean or len(self.std) != len(self.mean) or min(self.std) <= 0:
            raise problem("rows-form")
        return self


def measured(arrays: Iterable[Array], features: Features, rate: int) -> RowStatistics:
    """Clips (time,) int16 -> the statistics of their rows, through the module that the network will see them through.

    Raises:
        DataError: there are no clips.
    """
    import torch

    module = features.module(rate).eval()
    number, sums, squares = 0, np.zeros(features.rows), np.zeros(features.rows)
    with torch.no_grad():
        for clips in _batches(arrays):
            rows = module(torch.from_numpy(clips).float() / 32768).double().numpy()
            number += rows.shape[0] * rows.shape[2]
            sums += rows.sum((0, 2))
            squares += np.square(rows).sum((0, 2))
    if number == 0:
        raise DataError("inputs-unseen")
    mean = sums / number
    std = np.sqrt(np.maximum(squares / number - mean**2, 0))
    return RowStatistics(mean=tuple(mean.tolist()), std=tuple(np.maximum(std, LEAST_STD).tolist()))


def _batches(arrays: Iterable[Array]) -> Iterator[Array]:
    waiting: list[Array] = []
    for array in arrays:
        waiting.append(array)
        if len(waiting) == AT_ONCE:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)
