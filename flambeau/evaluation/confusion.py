"""Which class was taken for which: a heat map where it can be read, and the most frequent confusions always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import bar, figure, note, table
from flambeau.evaluation.markup import Markup, clean, join, name_of, tag
from flambeau.evaluation.svg import drawing
from flambeau.evaluation.words import say, switched

COUNTED = 16
"""Up to so many classes each cell has its number and the table is the whole matrix."""
NAMED = 40
"""Up to so many classes rows and columns have their names."""
DRAWN = 150
"""Up to so many classes there is a map at all."""
PAIRS = 200
"""Confusions in the list."""
LEVELS = 6
"""Steps of shade."""
NAME = 16
"""Characters of a name on the map."""
LETTER = 8.0
"""Pixels that a letter takes at most, nearly always."""

Row = Sequence[int]
Pair = tuple[int, int, int]


def confusion(scores: Mapping[str, Any]) -> Markup:
    """The part of the report about confusions."""
    matrix, labels = scores["confusion"], scores["labels"]
    pairs = _pairs(matrix)
    heading = tag("h3", say("confusion"))
    if len(labels) > DRAWN:
        return join(heading, note(say("confusion-too-many", n=len(labels))), _list(pairs, labels, matrix))
    twin = _matrix_table(matrix, labels) if len(labels) <= COUNTED else _list(pairs, labels, matrix)
    picture = tag("div", _map(matrix, labels), class_="scroll map", tabindex=0, role="region", **switched("aria_label", "chart-confusion"))
    drawn = figure("chart-confusion", picture, note(say("confusion-legend")), twin=twin)
    below = _list(pairs[:8], labels, matrix) if pairs else note(say("no-confusions"))
    frequent = tag("div", tag("h4", say("most-confused")), below, class_="card frequent")
    return join(heading, tag("div", drawn, frequent, class_="grid wide"))


@dataclass(frozen=True)
class _Grid:
    """Where the cells of the map lie, in pixels."""

    count: int
    cell: float
    edge: float
    """Room for the names, on the left and on top."""
    slanted: bool
    """Whether the names on top would touch if they lay flat."""

    @classmethod
    def of(cls, labels: Sequence[str]) -> _Grid:
        """The grid for these classes."""
        count = len(labels)
        cell = max(4.0, min(64.0, 460 / count))
        if count > NAMED:
            return cls(count, cell, 8.0, False)
        widest = LETTER * max(len(clean(label, NAME)) for label in labels)
        return cls(count, cell, 14 + widest, widest > cell)

    @property
    def side(self) -> float:
        """Right and lower end of the cells."""
        return self.edge + self.cell * self.count

    @property
    def overhang(self) -> float:
        """Room on the right for the last name on top."""
        return max(self.edge / 2 - 24, 0.0) if self.slanted else 0.0


def _map(matrix: Sequence[Row], labels: Sequence[str]) -> Markup:
    """Cells shaded by their share of the true class: right answers in one colour, confusions in another and scaled to their largest."""
    grid = _Grid.of(labels)
    totals = [max(sum(row), 1) for row in matrix]
    names = [clean(label, NAME) for label in labels]
    worst = max((n / totals[i] for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j), default=0.0) or 1.0
    cells = [
        _cell(grid, i, j, n, n / totals[i] / (1.0 if i == j else worst), f"{names[i]} → {names[j]}: {n}")
        for i, row in enumerate(matrix)
        for j, n in enumerate(row)
        if n
    ]
    frame = tag("rect", x=grid.edge, y=grid.edge, width=grid.side - grid.edge, height=grid.side - grid.edge, class_="empty")
    told = [_names(grid, i, name) for i, name in enumerate(names)] if grid.count <= NAMED else []
    middle, right = (grid.edge + grid.side) / 2, grid.side + 16
    across = tag("text", say("answer", "tspan"), x=middle, y=grid.side + 18, class_="label middle")
    down = tag("text", say("truth", "tspan"), x=right, y=middle, class_="label middle", transform=f"rotate(-90 {right:g} {middle:g})")
    width = grid.side + 24 + grid.overhang
    return drawing("chart-confusion", "chart-confusion", width, grid.side + 26, frame, *cells, *told, across, down, class_="heat")


def _cell(grid: _Grid, i: int, j: int, n: int, shade: float, told: str) -> Markup:
    level = min(LEVELS, 1 + int(shade**0.5 * LEVELS * 0.999))
    class_ = f"{'right' if i == j else 'wrong'} h{level}"
    x, y, size = grid.edge + j * grid.cell, grid.edge + i * grid.cell, grid.cell
    gap = 1.0 if size > 10 else 0.0
    rect = tag("rect", tag("title", told), x=x + gap, y=y + gap, width=size - 2 * gap, height=size - 2 * gap, rx=3.0 if gap else None, class_=class_)
    if grid.count > COUNTED:
        return rect
    return join(rect, tag("text", str(n), x=x + size / 2, y=y + size / 2 + 4, class_=f"count middle {class_}"))


def _names(grid: _Grid, i: int, name: str) -> Markup:
    """The name of a class beside its row and above its column."""
    middle, above = grid.edge + (i + 0.5) * grid.cell, grid.edge - 6
    row = tag("text", name, x=above, y=middle + 4, class_="tick end")
    if not grid.slanted:
        return join(row, tag("text", name, x=middle, y=above, class_="tick middle"))
    return join(row, tag("text", name, x=middle + 4, y=above, class_="tick start", transform=f"rotate(-60 {middle + 4:g} {above:g})"))


def _pairs(matrix: Sequence[Row]) -> list[Pair]:
    """(count, true class, answer) of all confusions, most frequent first."""
    found = [(n, i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) if n and i != j]
    return sorted(found, key=lambda pair: (-pair[0], pair[1], pair[2]))


def _list(pairs: Sequence[Pair], labels: Sequence[str], matrix: Sequence[Row]) -> Markup:
    rows = [_pair_row(labels[i], labels[j], n, n / sum(matrix[i])) for n, i, j in pairs[:PAIRS]]
    return table("confused-table", [say("truth"), say("answer"), say("times"), "", say("of-class")], rows, numeric=(2, 4))


def _pair_row(truth: str, answer: str, n: int, share: float) -> list[Markup | str]:
    return [name_of(truth), name_of(answer), numerals.whole(n), bar(share, "wrong"), numerals.percent(share)]


def _matrix_table(matrix: Sequence[Row], labels: Sequence[str]) -> Markup:
    rows = [[name_of(label), *(numerals.whole(n) for n in row)] for label, row in zip(labels, matrix, strict=True)]
    return table("matrix-table", [say("truth-by-answer"), *(name_of(label) for label in labels)], rows, numeric=range(1, len(labels) + 1))
