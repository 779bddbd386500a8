"""Numbers as the report writes them; None, which JSON has in place of NaN, is a dash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau.evaluation.estimates import LOWER_IS_BETTER

NONE = "–"
SIGNED = frozenset({"cohen_kappa", "matthews", "quadratic_kappa", "r2"})
"""Scores that can be below 0."""


def percent(share: float | None) -> str:
    """0.9321 -> "93.2%"."""
    return NONE if share is None else f"{share:.1%}"


def decimal(value: float | None) -> str:
    """Three digits that count: 0.214, 12.3, 3.1e-06; whole numbers from 1,000 on."""
    if value is None:
        return NONE
    if 1000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.3f}" if 1e-3 <= abs(value) < 10 or value == 0 else f"{value:.3g}"


def whole(value: int | None) -> str:
    """1234567 -> "1,234,567"."""
    return NONE if value is None else f"{value:,}"


def large(value: float | None) -> str:
    """1234567 -> "1.2 M"."""
    if value is None:
        return NONE
    for limit, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= limit:
            return f"{value / (1e3 if unit == ' k' else limit):.1f}{unit}"
    return f"{value:,.0f}"


def size(value: int | None) -> str:
    """Bytes as people say them: 4,900,000 -> "4.9 MB"."""
    if value is None:
        return NONE
    return f"{value:,} B" if value < 1000 else f"{value / 1e3:.1f} kB" if value < 1e6 else f"{value / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Seconds as people say them: 83 -> "1 min 23 s"."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def score(name: str, figure: Mapping[str, Any]) -> str:
    """A score in the unit of its metric: shares in percent, the others as they are."""
    return decimal(figure["value"]) if is_plain(name) else percent(figure["value"])


def ends(name: str, figure: Mapping[str, Any]) -> str:
    """The interval of a score: "84.3–93.2%"."""
    if figure.get("low") is None or figure.get("high") is None:
        return NONE
    if is_plain(name):
        return f"{decimal(figure['low'])} – {decimal(figure['high'])}"
    return f"{figure['low']:.1%} – {figure['high']:.1%}"


def is_plain(name: str) -> bool:
    """Whether a metric is a number rather than a share of something."""
    return name in LOWER_IS_BETTER or name in SIGNED or name in {"roc_auc", "weighted_roc_auc", "average_precision"}


def is_share(name: str) -> bool:
    """Whether a metric lies between 0 and 1 and larger is better, so that it can be drawn on that axis."""
    return name not in LOWER_IS_BETTER and name not in SIGNED
