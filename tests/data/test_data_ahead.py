"""Reading ahead: the same items, in order, made meanwhile; errors arrive, and the thread ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from flambeau.data.ahead import AHEAD, read_ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_the_items_come_in_order_and_the_thread_ends() -> None:
    assert list(read_ahead(iter(range(100)))) == list(range(100))
    assert list(read_ahead(iter(()))) == [] and threads() == []


def test_the_next_items_are_made_while_one_is_used() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    ahead = read_ahead(items())
    assert next(ahead) == 0
    deadline = time.monotonic() + 5
    while len(made) < 1 + AHEAD and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert made == list(range(1 + AHEAD)), "not one more: they take memory"
    ahead.close()
    assert threads() == [] and len(made) <= 2 + AHEAD


def test_an_error_arrives_at_its_turn() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise OSError("the disk is gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(read_ahead(items()))
    assert seen == [1, 2] and threads() == []
