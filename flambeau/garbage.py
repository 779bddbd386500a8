"""How often Python searches for garbage: while a program starts there is none, as what is imported stays."""

from __future__ import annotations

import gc

AT_START = 50_000
"""Objects that are made before the next search. Python's own number, 700, means 200 searches during a start: a tenth of its time."""
_USUAL = gc.get_threshold()


def search_rarely() -> None:
    """While modules are imported."""
    gc.set_threshold(AT_START)


def search_as_usual() -> None:
    """Before work that makes garbage begins, such as a training, or requests; a threshold that somebody else has set stays."""
    if gc.get_threshold()[0] == AT_START:
        gc.set_threshold(*_USUAL)
