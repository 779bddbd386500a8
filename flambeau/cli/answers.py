"""How predictions are written: as a line for people, as an object of JSON, as a row of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from flambeau.errors import FlambeauError
from flambeau.messages import printable
from flambeau.naming import natural
from flambeau.types import Classified, Prediction, Valued

DIGITS = 6
"""Of a number; those before the point are all shown."""
EXACT = (1, 1e15)
"""Sizes that are written without a power of ten."""
BETWEEN_LABELS = ";"
"""In a cell of CSV that holds several labels."""


@dataclass(frozen=True)
class Answer:
    """What one value got."""

    name: str
    """Of the value: its file, and its row where that has rows."""
    kept: Mapping[str, object]
    """Cells of its row that were asked for."""
    result: Prediction | FlambeauError


def as_line(answer: Answer, milliseconds: float) -> str:
    """For people; not for an error."""
    assert not isinstance(answer.result, FlambeauError)
    kept = "".join(f"   {printable(str(cell))}" for cell in answer.kept.values())
    return f"{printable(answer.name)}{kept}   {_line(answer.result)}   {milliseconds:6.1f} ms"


def as_object(answer: Answer) -> dict[str, object]:
    """For JSON."""
    from flambeau.predictor import plain

    result = answer.result
    told = {"error": result.to_json()} if isinstance(result, FlambeauError) else plain(result)
    row = {column: None if isinstance(cell, float) and not isfinite(cell) else cell for column, cell in answer.kept.items()}
    return {"input": answer.name, **({"row": row} if row else {}), **told}


def as_csv(answers: Sequence[Answer]) -> Iterator[str]:
    """A header, and a row for each answer: input, the kept columns, predicted, and by kind confidence and probability.CLASS, or low and high;
    error, where one has no answer."""
    rows = [_row(answer) for answer in answers]
    kept = list(answers[0].kept)
    columns = sorted({column: None for _, row in rows for column in row}, key=lambda column: column == "error")
    yield _written(["input", *kept, *columns])
    for answer, row in rows:
        yield _written([answer.name, *answer.kept.values(), *(row.get(column, "") for column in columns)])


def _row(answer: Answer) -> tuple[Answer, dict[str, object]]:
    result = answer.result
    if isinstance(result, FlambeauError):
        return answer, {"error": result.what}
    if isinstance(result, Valued):
        return answer, {**_named("predicted", result.value), **_named("low", result.low), **_named("high", result.high)}
    probabilities = {f"probability.{label}": result.probabilities[label] for label in sorted(result.probabilities, key=natural)}
    if isinstance(result, Classified):
        return answer, {"predicted": result.label, "confidence": result.confidence, **probabilities}
    return answer, {"predicted": BETWEEN_LABELS.join(result.labels), **probabilities}


def _named(name: str, value: float | dict[str, float] | None) -> dict[str, object]:
    """One number under a name, or several behind it."""
    if isinstance(value, dict):
        return {f"{name}.{of}": number for of, number in value.items()}
    return {} if value is None else {name: value}


def _written(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _line(result: Prediction) -> str:
    if isinstance(result, Valued):
        return _numbers(result.value) + (f"   ({_numbers(result.low)} – {_numbers(result.high)})" if result.low is not None else "")
    return "   ".join(f"{printable(label)} {probability:.1%}" for label, probability in list(result.probabilities.items())[:3])


def _numbers(value: float | dict[str, float] | None) -> str:
    if isinstance(value, dict):
        return "   ".join(f"{printable(name)} {_number(number)}" for name, number in value.items())
    return _number(value or 0.0)


def _number(value: float) -> str:
    """Six digits, and all those before the point: 5432604, 12.5."""
    if not EXACT[0] <= abs(value) < EXACT[1]:
        return f"{value:.6g}"
    shown = f"{value:.{max(0, DIGITS - len(str(int(abs(value)))))}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
