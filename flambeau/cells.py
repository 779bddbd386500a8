"""What a cell of a table says, as people and spreadsheets write it: nothing, a number, a day."""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal

import numpy as np

MISSING = frozenset({"", "na", "n/a", "n.a.", "nan", "<na>", "null", "none", "?", "-"})
"""Words, in lower case, that say that nothing is known."""
NOTHING = ("NAType", "NaTType")
"""What pandas calls the kinds of its missing values."""
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)\s?(?P<money>[¥￥$€£₩₹]?)\s?(?P<digits>[1-9][0-9]{0,2}(?:[,，][0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"\s?(?P<unit>[%％元円¥￥$€£₩₹]?)"
)
_DAY = re.compile(
    r"(?P<year>[0-9]{4})[-/.年](?P<month>[0-9]{1,2})(?:(?:[-/.]|月)(?P<day>[0-9]{1,2}))?[月日]?"
    r"(?:[T\s]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.[0-9]+)?)?)?"
)


def is_nothing(value: object) -> bool:
    """Whether there is no value: None, NaN, what pandas has for it (NA, NaT)."""
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value)) or type(value).__name__ in NOTHING


def is_missing(value: object) -> bool:
    """Whether a cell says nothing: no value, or a word for that."""
    return value.strip().casefold() in MISSING if isinstance(value, str) else is_nothing(value)


def number_of(value: object) -> float:
    """A cell -> its number: 3, True, "3.5", "1e3", "1,234.50", "¥1,234", "12%" (0.12).

    Commas stand between thousands; a comma before decimals (0,5 or 0,125) is not understood.

    Raises:
        ValueError: it is no number, or not finite.
        TypeError: it is of a kind that holds no number.
    """
    if not isinstance(value, str | int | float | Decimal | np.integer | np.floating | np.bool_):
        raise TypeError(type(value).__name__)
    found = _written(value.strip()) if isinstance(value, str) else float(value)
    if not math.isfinite(found):
        raise ValueError(value)
    return found


def _written(text: str) -> float:
    try:
        return float(text.replace("_", "x"))  # Python reads 1_000 as a number, people do not write it
    except ValueError:
        match = _NUMBER.fullmatch(text)
        if match is None or (match["money"] and match["unit"]):
            raise
    found = float(match["sign"] + re.sub("[,，]", "", match["digits"]))
    return found / 100 if match["unit"] in ("%", "％") else found


def moment_of(text: str) -> datetime:
    """2026-11-25, 2026-11-25T18:30+08:00, 2026/1/5 8:05, 2026-11, 2026年11月25日 -> the time; of a month its first day.

    Raises:
        ValueError: it is none of these.
    """
    said = text.strip()
    try:
        return datetime.fromisoformat(said.replace("/", "-"))
    except ValueError:
        match = _DAY.fullmatch(said)
        if match is None:
            raise
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group("year", "month", "day", "hour", "minute", "second"))
    return datetime(year, month, day if match["day"] else 1, hour, minute, second)
