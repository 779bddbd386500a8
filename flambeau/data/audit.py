"""Columns that give the answer away: their values alone predict the target of examples that were not looked at, almost without a mistake."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flambeau.cells import number_of

NEARLY_ALL = 0.98
"""Share of right answers, from one column alone, that no honest measurement reaches often."""
EASY = 0.9
"""Share of the most frequent target above which no column is accused: the target is nearly constant."""
LEAST_COVER = 0.5
"""Share of the examples whose value has to be known from the other half."""
FEW = 20
"""Different numbers up to which they are taken as words."""
LEAST_EXAMPLES = 40

Floats = npt.NDArray[np.float64]


def gives_away(values: Sequence[object], targets: Sequence[str]) -> bool:
    """Whether a column tells the target: learned on every second example, asked of the others.

    Args:
        values: of the column: numbers, or text that may be numbers; None where one is missing.
        targets: of the same examples; of a regression the range that the number is in.
    """
    if len(values) < LEAST_EXAMPLES or max(Counter(targets).values()) > EASY * len(targets):
        return False
    numbers = np.array([_number(value) for value in values])
    named = list(targets)
    if np.isnan(numbers).any() or len(np.unique(numbers)) <= FEW:
        answers = _by_word([str(value) for value in values[::2]], named[::2], [str(value) for value in values[1::2]])
    else:
        answers = _by_nearest(numbers[::2], named[::2], numbers[1::2])
    right = sum(answer == target for answer, target in zip(answers, named[1::2], strict=True))
    asked = sum(answer is not None for answer in answers)
    return asked >= LEAST_COVER * len(answers) and right >= NEARLY_ALL * asked


def _by_word(known: Sequence[str], targets: Sequence[str], asked: Sequence[str]) -> list[str | None]:
    """The most frequent target of examples with the same word; None for a word that never came."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for word, target in zip(known, targets, strict=True):
        seen[word][target] += 1
    return [seen[word].most_common(1)[0][0] if word in seen else None for word in asked]


def _by_nearest(known: Floats, targets: Sequence[str], asked: Floats) -> list[str | None]:
    """The target of the example with the closest number."""
    order = np.argsort(known, kind="stable")
    ranked = known[order]
    right = np.searchsorted(ranked, asked).clip(1, len(ranked) - 1)
    left_is_closer = asked - ranked[right - 1] <= ranked[right] - asked
    return [targets[place] for place in order[right - left_is_closer].tolist()]


def _number(value: object) -> float:
    try:
        return number_of(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
