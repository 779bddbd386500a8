"""How often Python searches for garbage: rarely where nearly all that is made stays, or goes by itself, as in a start and in a server."""

from __future__ import annotations

import gc

RARE = 50_000
"""Objects that are made before the next search. Python's own number, 700, means 200 searches during a start, a tenth of its time, and
in a server with 500 requests at hand a search every few dozen requests that walks over all of them: 15 % of its time."""
_USUAL = gc.get_threshold()


def search_rarely() -> None:
    """While modules are imported or requests are answered; who searches more rarely already goes on so."""
    if 0 < gc.get_threshold()[0] < RARE:
        gc.set_threshold(RARE)


def search_as_usual() -> None:
    """Before work that makes garbage begins, such as a training; a threshold that somebody else has set stays."""
    if gc.get_threshold()[0] == RARE:
        gc.set_threshold(*_USUAL)
