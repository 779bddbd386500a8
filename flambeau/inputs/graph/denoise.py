"""Noise filters as tensor operations that export to any graph. (batch, channels, height, width) -> the same, grey levels in and out.

Beyond the border the outermost pixel is repeated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Pairs = tuple[tuple[int, int], ...]

MEDIAN_OF_9: Pairs = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8),
    (0, 3), (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip
"""Compare-exchanges after which element 4 is the median. Source: Paeth, Median Finding on a 3x3 Grid, Graphics Gems, 1990."""

SORT_5: Pairs = ((0, 3), (1, 4), (0, 2), (1, 3), (0, 1), (2, 4), (1, 2), (3, 4), (2, 3))
"""A sorting network of nine compare-exchanges. Source: Knuth, The Art of Computer Programming 3, 5.3.4."""

MIDDLE_OF_25 = (3, 4), (2, 3, 4), (1, 2, 3), (0, 1, 2), (0, 1)
"""In each row the places that can still be the median, once the columns and then the rows of a 5 x 5 table are sorted. Of
the others, six have 13 or more values below-right of them and six above-left: they fall away evenly."""


def neighbours(x: Tensor, radius: int, axis: int) -> list[Tensor]:
    """The 2 radius + 1 shifted copies of x along its height (2) or width (3), first the one from the lowest index."""
    pad = [radius, radius, 0, 0] if axis == 3 else [0, 0, radius, radius]
    padded = F.pad(x, pad, "replicate")
    return [padded.narrow(axis, start, x.shape[axis]) for start in range(2 * radius + 1)]


def exchange(values: list[Tensor], pairs: Pairs, wanted: Iterable[int]) -> list[Tensor]:
    """The wanted values after the compare-exchanges: of each pair the first becomes the smaller, the second the larger.

    A half of an exchange on which nothing wanted depends is not computed.
    """
    values, wanted = list(values), list(wanted)
    for (a, b), (use_a, use_b) in zip(pairs, _uses(pairs, wanted), strict=True):
        one, other = values[a], values[b]
        if use_a:
            values[a] = torch.minimum(one, other)
        if use_b:
            values[b] = torch.maximum(one, other)
    return [values[place] for place in wanted]


def _uses(pairs: Pairs, wanted: Iterable[int]) -> list[tuple[bool, bool]]:
    """For each pair, whether its smaller and its larger value are used later on."""
    used, uses = set(wanted), []
    for a, b in reversed(pairs):
        use = (a in used, b in used)
        uses.append(use)
        if any(use):
            used |= {a, b}
    return uses[::-1]


def median_by_forgetting(values: list[Tensor]) -> Tensor:
    """The median of an odd number of values.

    Among any n/2 + 2 of n values, the least and the greatest cannot be the median: they are dropped, the next value is
    taken in, until one remains. Source: Floyd, Rivest: Algorithm 489 (select); forgetful selection by Smith, Graphics Gems III, 1992.
    """
    kept, rest = values[: len(values) // 2 + 2], values[len(values) // 2 + 2 :]
    while len(kept) > 1:
        kept = without_extremes(kept) + rest[:1]
        rest = rest[1:]
    return kept[0]


def without_extremes(values: list[Tensor]) -> list[Tensor]:
    """Three or more values -> the same without the least and the greatest, in any order."""
    last, half = len(values) - 1, len(values) // 2
    halves = tuple((i, last - i) for i in range(half))  # now the least is in front of the middle, the greatest behind it
    least = tuple((0, i) for i in range(1, last - half + 1))
    greatest = tuple((i, last) for i in range(half, last))
    return exchange(values, halves + least + greatest, range(1, last))


class Median3(nn.Module):
    """The median of each pixel's 3 x 3 neighbours."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> the same."""
        return exchange([cell for row in neighbours(x, 1, 2) for cell in neighbours(row, 1, 3)], MEDIAN_OF_9, [4])[0]


class Median5(nn.Module):
    """The median of each pixel's 5 x 5 neighbours. Each column is sorted once and serves the five pixels beside it."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> the same."""
        ranks = exchange(neighbours(x, 2, 2), SORT_5, range(5))
        middle = (exchange(neighbours(rank, 2, 3), SORT_5, places) for rank, places in zip(ranks, MIDDLE_OF_25, strict=True))
        return median_by_forgetting(list(chain.from_iterable(middle)))


class Gaussian(nn.Module):
    """A separable Gaussian, cut off at 4 sigma."""

    kernel: Tensor

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.radius = int(4 * sigma + 0.5)
        offsets = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
        self.register_buffer("kernel", (weights / weights.sum()).float())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> the same."""
        channels, r = x.shape[1], self.radius
        kernel = self.kernel.expand(channels, 1, 1, -1)
        x = F.conv2d(F.pad(x, [r, r, 0, 0], "replicate"), kernel, groups=channels)
        return F.conv2d(F.pad(x, [0, 0, r, r], "replicate"), kernel.transpose(2, 3), groups=channels)


class Bilateral(nn.Module):
    """A mean over the pixels within 2 pixels' distance, each weighted by its nearness and by its likeness in colour.

    Source: Tomasi, Manduchi: Bilateral Filtering for Gray and Color Images, ICCV 1998; the colour distance is the sum of
    the absolute differences over the channels, and the window is round, as in OpenCV.
    """

    def __init__(self, colour: float, space: float, radius: int = 2) -> None:
        super().__init__()
        self.radius = radius
        self.colour_coefficient = -0.5 / colour**2
        steps = range(2 * radius + 1)
        squared = {(i, j): (i - radius) ** 2 + (j - radius) ** 2 for i in steps for j in steps}
        self.space_weights = {place: math.exp(-0.5 * d / space**2) for place, d in squared.items() if d <= radius**2}

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> the same."""
        rows = [neighbours(row, self.radius, 3) for row in neighbours(x, self.radius, 2)]
        total, weights = torch.zeros_like(x), torch.zeros_like(x[:, :1])
        for (i, j), nearness in self.space_weights.items():
            neighbour = rows[i][j]
            distance = (neighbour - x).abs().sum(1, keepdim=True)
            weight = nearness * torch.exp(self.colour_coefficient * distance * distance)
            total = total + weight * neighbour
            weights = weights + weight
        return total / weights
