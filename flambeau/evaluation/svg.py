"""Drawings as inline SVG: a frame with axes, lines, bars of intervals. Colours come from the style sheet, by class.

No line is told by its colour alone: each has a dash pattern of its own too, and every drawing has a title, a description and a
table with the same numbers beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from flambeau.evaluation.markup import Markup, join, tag
from flambeau.evaluation.words import switched_text

COLOURS = 8
"""Colours that can be told apart by colour-blind readers. Source: Okabe, Ito, Color Universal Design, 2008."""
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Frame:
    """Where data lies on the drawing. Ranges are in data, everything else in pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 380
    height: int = 250
    left: int = 66
    right: int = 14
    top: int = 20
    bottom: int = 42
    log: bool = False
    """Whether the y axis grows by factors."""

    def px(self, x: float) -> float:
        """Data -> pixels from the left."""
        low, high = self.x
        return self.left + _share(x, low, high) * (self.width - self.left - self.right)

    def py(self, y: float) -> float:
        """Data -> pixels from the top."""
        low, high, value = (log10(v) for v in (*self.y, y)) if self.log else (*self.y, y)
        return self.height - self.bottom - _share(value, low, high) * (self.height - self.top - self.bottom)


def _share(value: float, low: float, high: float) -> float:
    """How far a value is from low (0) to high (1); the middle where an axis has one value only, to the last bit."""
    return (value - low) / (high - low) if high != low else 0.5


def drawing(id_: str, key: str, width: float, height: float, *content: Markup, class_: str = "", **facts: object) -> Markup:
    """A picture with the title and the description that the catalogue has under `key` and `key`-desc."""
    title = switched_text("title", key, f"{id_}-title", **facts)
    description = switched_text("desc", f"{key}-desc", f"{id_}-desc", **facts)
    # The size is the natural one; the style sheet lets most drawings grow and shrink with the page.
    box = f"0 0 {width:g} {height:g}"
    named = {"role": "img", "aria_labelledby": f"{id_}-title {id_}-desc"}
    return tag("svg", title, description, *content, class_=f"plot {class_}".strip(), viewBox=box, width=width, height=height, **named)


def axes(frame: Frame, x_label: Markup, y_label: Markup, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> Markup:
    """Grid, tick labels and names of both axes."""
    right, bottom = frame.width - frame.right, frame.height - frame.bottom
    parts = [tag("line", x1=frame.left, x2=right, y1=frame.py(y), y2=frame.py(y), class_="grid") for y, _ in y_ticks]
    parts += [tag("text", text, x=frame.left - 7, y=frame.py(y) + 4, class_="tick end") for y, text in y_ticks]
    parts += [tag("text", text, x=frame.px(x), y=bottom + 17, class_="tick middle") for x, text in x_ticks]
    parts.append(tag("line", x1=frame.left, x2=right, y1=bottom, y2=bottom, class_="axis"))
    parts.append(tag("text", x_label, x=(frame.left + right) / 2, y=frame.height - 6, class_="label middle"))
    turn = f"rotate(-90 10 {(frame.top + bottom) / 2:g})"
    parts.append(tag("text", y_label, x=10, y=(frame.top + bottom) / 2, class_="label middle", transform=turn))
    return join(*parts)


def path(frame: Frame, points: Points, class_: str, steps: bool = False) -> Markup:
    """A line through the points; a lone point is a dot. With `steps` the line goes sideways first, then up or down."""
    places = [(frame.px(x), frame.py(y)) for x, y in points]
    if len(places) == 1:
        return tag("circle", cx=places[0][0], cy=places[0][1], r=3.5, class_=f"dot {class_}")
    moves = [f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}" for x, y in places[1:]]
    return tag("path", d=f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(moves), class_=f"line {class_}")


def legend(names: Sequence[Markup]) -> Markup:
    """Names of the lines "c0", "c1", ..., each behind a sample of its line."""
    return tag("ul", *(tag("li", _sample(f"c{i % COLOURS}"), name) for i, name in enumerate(names)), class_="legend")


def interval_bar(value: float | None, low: float | None, high: float | None) -> Markup:
    """A score from 0 to 1 as a dot on its interval. The numbers stand beside it, so screen readers pass over it."""
    parts = [tag("rect", x=0, y=5, width=200, height=4, rx=2, class_="track")]
    if low is not None and high is not None:
        parts.append(tag("rect", x=low * 200, y=2, width=max((high - low) * 200, 2.0), height=10, rx=3, class_="span"))
    if value is not None:
        parts.append(tag("circle", cx=value * 200, cy=7, r=3.4, class_="value"))
    return tag("svg", *parts, viewBox="-5 0 210 14", class_="interval", aria_hidden="true")


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) inside a range, at most `most` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / max(most - 1, 1)
    power = 10.0 ** floor(log10(rough))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= rough * 0.999), 10 * power)
    first = ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten inside a range, at most seven of them."""
    powers = list(range(floor(log10(low)), ceil(log10(high)) + 1))
    return [10.0**power for power in powers[:: ceil(len(powers) / 7)]]


def unbroken(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Runs of points that have a value: a line is not drawn through what was not measured."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _sample(style: str) -> Markup:
    return tag("svg", tag("line", x1=0, x2=26, y1=5, y2=5, class_=f"line {style}"), viewBox="0 0 26 10", aria_hidden="true")
