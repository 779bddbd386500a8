"""Mean and standard deviation of the channels of many pictures, in one pass and exactly."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydantic import model_validator

from flambeau.choice import problem
from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.types import Array

GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])
"""Share of red, green and blue in the perceived brightness. Source: ITU-R Recommendation BT.601."""
LEAST_STD = 1 / 255
"""One grey level: the training pictures may all be one colour, the next one is not."""
AT_ONCE = 1 << 16
"""Pixels whose levels multiplied (at most 255 x 255) still add up to less than 2**32."""


class Statistics(Config):
    """By what a picture is standardised: (level - mean) / std of its channel, levels from 0 (black) to 1 (white)."""

    mean: tuple[float, ...]
    """One for each channel that the network sees, or one for all."""
    std: tuple[float, ...]
    """As mean; above 0."""

    @model_validator(mode="after")
    def _sensible(self) -> Statistics:
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean) or min(self.std) <= 0:
            raise problem("statistics-form")
        return self

    def for_channels(self, channels: int) -> Statistics:
        """The same for so many channels: one number is repeated; three become the one of grey by its weights."""
        if len(self.mean) == channels:
            return self
        if channels == 1:
            return Statistics(mean=(float(GREY_WEIGHTS @ self.mean),), std=(float(GREY_WEIGHTS @ self.std),))
        return Statistics(mean=self.mean * channels, std=self.std * channels)


IMAGENET = Statistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""What nearly all pre-trained image networks were trained with."""


def measured(arrays: Iterable[Array], grayscale: bool) -> Statistics:
    """Pictures (channels, height, width) uint8 -> the statistics of all their pixels.

    Sums of levels and of products of channels are whole numbers, exact below 2**53, so that the order of the pictures
    does not matter; the grey ones follow from the same sums.

    Raises:
        DataError: there are no pictures.
    """
    number, sums, products = 0, np.zeros(1), np.zeros(1)
    which = "ci,di->cd" if grayscale else "ci,ci->c"
    for array in arrays:
        flat = array.reshape(array.shape[0], -1)
        number += flat.shape[1]
        for low in range(0, flat.shape[1], AT_ONCE):
            part = flat[:, low : low + AT_ONCE].astype(np.uint32)  # twice as quick as a product of small matrices of floats
            sums, products = sums + part.sum(1, dtype=np.uint32), products + np.einsum(which, part, part)
    if number == 0:
        raise DataError("inputs-unseen")
    mix = GREY_WEIGHTS[None] if grayscale and len(sums) == 3 else np.eye(len(sums))
    mean = mix @ sums / number
    variance = (np.diag(mix @ products @ mix.T) if grayscale else products) / number - mean**2
    std = np.sqrt(np.maximum(variance, 0)) / 255
    return Statistics(mean=tuple((mean / 255).tolist()), std=tuple(np.maximum(std, LEAST_STD).tolist()))
