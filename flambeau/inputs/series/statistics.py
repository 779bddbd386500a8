"""What is fitted to the series of the training split: the scale of each channel, and which channels have gaps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydantic import model_validator

from flambeau.choice import problem
from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.types import Array


class ChannelStatistics(Config):
    """By what each channel is standardised, (value - mean) / std, and which ones get a flag for missing values."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Above 0; 1 for a channel that never changes."""
    gaps: tuple[bool, ...]
    """Whether a value of this channel was missing in training."""

    @model_validator(mode="after")
    def _sensible(self) -> ChannelStatistics:
        if not self.mean or not len(self.mean) == len(self.std) == len(self.gaps) or min(self.std) <= 0:
            raise problem("rows-form")
        return self


def measured(arrays: Iterable[Array], channels: int, standardise: bool) -> ChannelStatistics:
    """Series (time, channels) float32 with NaN where a value is missing -> their statistics, by two sums about the first series' means.

    Raises:
        DataError: there are no series.
    """
    number, sums, squares = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    gaps, about = np.zeros(channels, np.bool_), None
    for array in arrays:
        missing = np.isnan(array)
        values = np.where(missing, 0, array).astype(np.float64)
        counts = (~missing).sum(0)
        if about is None:
            about = values.sum(0) / np.maximum(counts, 1)  # near the mean, so that large offsets do not cost digits
        values = np.where(missing, 0, values - about)
        number, sums, squares = number + counts, sums + values.sum(0), squares + np.square(values).sum(0)
        gaps |= missing.any(0)
    if about is None:
        raise DataError("inputs-unseen")
    middle = sums / np.maximum(number, 1)
    std = np.sqrt(np.maximum(squares / np.maximum(number, 1) - middle**2, 0))
    mean = about + middle
    still = ~(std > 1e-6 * np.abs(mean))
    if not standardise:
        mean, std = np.zeros(channels), np.ones(channels)
    return ChannelStatistics(mean=tuple(mean.tolist()), std=tuple(np.where(still, 1.0, std).tolist()), gaps=tuple(gaps.tolist()))
