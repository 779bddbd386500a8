"""From a raw value to the series that is cached. Shared by the recipe side and the fitted side."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.inputs.series.decode import Series, series
from flambeau.types import TensorSpec

Keep: TypeAlias = Literal["start", "end"]


class Reading(Config):
    """How a value becomes a series. Every field is settled."""

    channels: int = Field(ge=1, le=65_536)
    length: int | None = Field(ge=1)
    """Times of every series; None where they differ."""
    max_length: int = Field(ge=1)
    keep: Keep

    @property
    def spec(self) -> TensorSpec:
        """What `read` returns."""
        length = None if self.length is None else min(self.length, self.max_length)
        return TensorSpec(("time", "features"), (length, self.channels), "float32")

    @property
    def key(self) -> str:
        """All that changes what `read` returns."""
        return f"sequence 1 {self.model_dump_json()}"

    def read(self, value: object) -> Series:
        """An array or nested lists -> (time, channels).

        Raises:
            DataError: it is no series, or has another number of channels or, where all have one length, another length.
        """
        found = series(value)
        if found.shape[1] != self.channels:
            raise DataError("sequence-channels", expected=self.channels, got=found.shape[1], times=len(found))
        if self.length is not None and len(found) != self.length:
            raise DataError("sequence-length", expected=self.length, got=len(found))
        return found[: self.max_length] if self.keep == "start" else found[-self.max_length :]
