"""Recipe side of noise removal. It runs in the exported graph (`graph/denoise.py`), after grayscale and before standardisation."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from flambeau.choice import Named, OneOf

if TYPE_CHECKING:
    from torch import nn


class Filter(Named):
    """One way to remove noise."""

    @abstractmethod
    def module(self) -> nn.Module:
        """(batch, channels, height, width) -> the same axes."""


class Median(Filter):
    """The median of each pixel's 3 x 3 or 5 x 5 neighbours: removes specks, keeps edges."""

    name: ClassVar[str] = "median"
    size: Literal[3, 5] = 3
    """Side of the neighbourhood in pixels."""

    def module(self) -> nn.Module:
        """(batch, channels, height, width) -> the same axes."""
        from flambeau.inputs.graph.denoise import Median3, Median5

        return Median3() if self.size == 3 else Median5()


class Median5(Filter):
    """The median of each pixel's 5 x 5 neighbours: another word for {median: 5}."""

    name: ClassVar[str] = "median5"
    size: Literal[5] = 5
    """Side of the neighbourhood in pixels."""

    def module(self) -> nn.Module:
        """(batch, channels, height, width) -> the same axes."""
        return Median(size=5).module()


class Gaussian(Filter):
    """A Gaussian mean: removes fine noise, softens edges."""

    name: ClassVar[str] = "gaussian"
    sigma: float = Field(1.0, gt=0, le=10)
    """Standard deviation in pixels."""

    def module(self) -> nn.Module:
        """(batch, channels, height, width) -> the same axes."""
        from flambeau.inputs.graph.denoise import Gaussian as GaussianModule

        return GaussianModule(self.sigma)


class Bilateral(Filter):
    """A mean over near pixels (5 x 5) of like colour: removes noise, keeps edges."""

    name: ClassVar[str] = "bilateral"
    colour: float = Field(30.0, gt=0, le=255)
    """Grey levels of difference at which a neighbour's weight has fallen to 61 %; summed over the channels."""
    space: float = Field(1.5, gt=0, le=10)
    """Pixels of distance at which a neighbour's weight has fallen to 61 %."""

    def module(self) -> nn.Module:
        """(batch, channels, height, width) -> the same axes."""
        from flambeau.inputs.graph.denoise import Bilateral as BilateralModule

        return BilateralModule(self.colour, self.space)


Denoise: TypeAlias = Annotated[Literal["none"] | Filter, OneOf("filter", Median, Median5, Gaussian, Bilateral, words=("none",))]
"""``none``, or a filter: ``median``, ``{median: 5}``, ``gaussian``, ``{gaussian: {sigma: 1.5}}``, ``bilateral``."""
