"""Time series: measurements over time in one or more channels; from arrays or nested lists. A series is (time, channels) float32."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field

from flambeau.inputs.augment.series_steps import SAFE_SERIES, SeriesStep
from flambeau.inputs.input import Input, Preprocessor
from flambeau.inputs.pixels import data_url
from flambeau.inputs.plot import series as drawn
from flambeau.inputs.series.reading import Keep, Reading
from flambeau.inputs.series.recognition import decide, looks_like_series
from flambeau.inputs.series.statistics import ChannelStatistics, measured
from flambeau.types import Array, TensorSpec

if TYPE_CHECKING:
    from torch import nn

    from flambeau.inputs.augment import Augmentation


def _open_word(value: object) -> object:
    return None if value == "auto" else value


class SequenceInput(Input):
    """A column of time series."""

    type: Literal["sequence"] = "sequence"
    channels: int | None = Field(None, ge=1, le=65_536)
    """Measurements at each time. Left open: as in the data."""
    length: Literal["varies"] | Annotated[int, Field(ge=1)] | None = None
    """Times of every series, or varies: series of different lengths are padded, and the network is told where. Left open: as in the data."""
    max_length: int = Field(4096, ge=1, le=1 << 20)
    """Longer series are cut."""
    keep: Keep = "end"
    """What is kept of a series that is cut: its end or its start."""
    standardise: Literal["data", "none"] = "data"
    """data: each channel by mean and standard deviation of the training series. none: as measured."""
    augment: Annotated[tuple[SeriesStep, ...] | None, BeforeValidator(_open_word)] = None
    """What varies in training: a list of steps, [] for nothing. Left open, or auto: a little jitter, scaling and time warping."""

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether nearly all of the values are series: tables of numbers (time, channels), or lists of numbers over time."""
        return looks_like_series(values)

    def resolve(self, values: Sequence[object]) -> Self:
        """Channels, length and augmentation settled, by the sample."""
        augment = SAFE_SERIES if self.augment is None else self.augment
        if self.channels is not None and self.length is not None:
            return self.model_copy(update={"augment": augment})
        found = decide(values)
        length = self.length or found.length or "varies"
        return self.model_copy(update={"channels": self.channels or found.channels, "length": length, "augment": augment})

    @property
    def reading(self) -> Reading:
        """The part that turns a raw value into an array."""
        assert self.channels is not None and self.length is not None, "only a resolved input can read"
        length = None if self.length == "varies" else self.length
        return Reading(channels=self.channels, length=length, max_length=self.max_length, keep=self.keep)

    def read(self, value: object) -> Array:
        """An array or nested lists, (time,) or (time, channels) -> (time, channels) float32 with NaN where a value is missing."""
        return self.reading.read(value)

    @property
    def spec(self) -> TensorSpec:
        """(time, channels) float32; time is None where lengths differ."""
        return self.reading.spec

    def reading_key(self) -> str:
        """Channels, length and what is cut."""
        return self.reading.key

    def fit(self, arrays: Iterable[Array]) -> SequencePreprocessor:
        """Series of the training split -> the fitted preprocessor."""
        reading = self.reading
        return SequencePreprocessor(reading=reading, statistics=measured(arrays, reading.channels, self.standardise == "data"))

    def is_alike(self, one: Array, other: Array) -> bool:
        """Whether two series are equal; where both have gaps at the same places, so are these."""
        return bool(np.array_equal(one, other, equal_nan=True))

    def is_blank(self, array: Array) -> bool:
        """Whether no channel ever changes."""
        values = np.where(np.isnan(array), np.nanmax(array, axis=0, initial=-np.inf), array)
        return bool(len(array) > 1 and (values == values[0]).all())

    def variations(self) -> list[str]:
        """Each augmentation step and how far it goes: "scale 0.1"."""
        return [" ".join([step.name, *(f"{value:g}" for value in step.model_dump().values())]) for step in self.augment or ()]

    def augmentation(self, spec: TensorSpec) -> Augmentation | None:
        """What varies batches of series (batch, time, channels); None if the list is empty."""
        if not self.augment:
            return None
        from flambeau.inputs.augment.series import SeriesVariation

        return SeriesVariation(self.augment)


class SequencePreprocessor(Preprocessor):
    """The preprocessing of time series, fitted."""

    type: Literal["sequence"] = "sequence"
    reading: Reading
    statistics: ChannelStatistics

    @property
    def spec(self) -> TensorSpec:
        """(time, channels) float32; time is None where lengths differ."""
        return self.reading.spec

    @property
    def longest(self) -> int:
        """As long as series are kept."""
        return self.reading.max_length

    @property
    def gives(self) -> TensorSpec:
        """(time, channels and flags of gaps) float32."""
        return TensorSpec(("time", "features"), (self.spec.shape[0], self.reading.channels + sum(self.statistics.gaps)), "float32")

    def read(self, value: object) -> Array:
        """An array or nested lists, (time,) or (time, channels) -> (time, channels) float32 with NaN where a value is missing."""
        return self.reading.read(value)

    def picture(self, array: Array) -> str:
        """(time, channels) -> a data: URL of a PNG with a line for each of the first channels."""
        return data_url(drawn(array.astype(np.float64))[None])

    def excerpt(self, array: Array) -> str:
        """The size of the series: "12 channels x 25 times"."""
        return f"{array.shape[1]:,} channels x {array.shape[0]:,} times"

    def module(self) -> nn.Module:
        """(batch, time, channels) -> standardised, gaps as 0 and a flag, float32; with a mask where lengths differ."""
        from flambeau.inputs.graph.series import PreparePadded, PrepareSeries

        prepare = PrepareSeries(self.statistics.mean, self.statistics.std, self.statistics.gaps)
        return PreparePadded(prepare) if self.spec.shape[0] is None else prepare
