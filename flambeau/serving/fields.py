"""What a form has to know of the fields of an example: kind, choices, sizes, and typical values out of what was fitted.

No example of the data is shown: means and the most frequent words are enough to try a model, and tell of nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeAlias

from flambeau.inputs.columns import PARTS_OF_DATE, Column, Number, Vector
from flambeau.inputs.input import Preprocessor
from flambeau.inputs.table import FittedNumber, TablePreprocessor

Field: TypeAlias = dict[str, Any]

MOST_CHOICES = 100
MOST_NUMBERS = 1_000
"""Of a typical vector; a wider one is left out."""
HOUR = PARTS_OF_DATE.index("hour sin")
AT_MIDNIGHT = 1e-9
"""The mean of the sine and of 1 - the cosine of hours up to which all dates of a column are days without a time."""


def fields_of(inputs: Mapping[str, Preprocessor]) -> dict[str, Field]:
    """The fields of an example, in order: ``{"age": {"kind": "number", "typical": 38.6}, "photo": {"kind": "image"}}``."""
    found: dict[str, Field] = {}
    for name, chosen in inputs.items():
        if isinstance(chosen, TablePreprocessor):
            found |= _columns(chosen)
        elif chosen.type == "sequence":
            length, channels = chosen.spec.shape
            found[name] = {"kind": chosen.type, "length": length, "channels": channels}
        else:
            found[name] = {"kind": chosen.sent_as if chosen.type == "custom" else chosen.type}
    return found


def _columns(table: TablePreprocessor) -> dict[str, Field]:
    numbers, categories = iter(table.numbers), iter(table.categories)
    return {name: {"kind": kind.name, **_facts(kind, numbers, categories)} for name, kind in table.columns.items()}


def _facts(kind: Column, numbers: Iterator[FittedNumber], categories: Iterator[Sequence[str | None]]) -> Field:
    if kind.words:
        words = [word for word in next(categories) if word is not None]
        return {"choices": words[:MOST_CHOICES], "more": max(0, len(words) - MOST_CHOICES), **_typical(words[0] if words else None)}
    own = list(islice(numbers, len(kind.parts)))
    if kind.name == "date":
        return _date(own)
    is_measured = isinstance(kind, Number | Vector) and kind.scale != "none"
    middles = [_middle(number) for number in own] if is_measured else []
    if isinstance(kind, Vector):
        return {"width": kind.width, **_typical(middles if 0 < len(middles) <= MOST_NUMBERS else None)}
    return _typical(middles[0] if middles else None)


def _typical(value: object) -> Field:
    return {} if value is None else {"typical": value}


def _middle(number: FittedNumber) -> float:
    """Mean or median of the training examples, in four digits."""
    middle = math.copysign(math.expm1(abs(number.middle)), number.middle) if number.log else number.middle
    return float(f"{middle:.4g}")


def _date(parts: Sequence[FittedNumber]) -> Field:
    """Whether the dates have a time, and their mean."""
    sine, cosine = parts[HOUR], parts[HOUR + 1]
    has_time = abs(sine.middle) > AT_MIDNIGHT or 1 - cosine.middle > AT_MIDNIGHT
    try:
        moment = datetime.fromtimestamp(parts[0].middle * 86_400, UTC)
    except (ValueError, OverflowError, OSError):
        return {"time": has_time}
    return {"time": has_time, "typical": moment.strftime("%Y-%m-%dT%H:%M" if has_time else "%Y-%m-%d")}
