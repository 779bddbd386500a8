"""Whatever is made one after the other, made ahead by a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

AHEAD = 2
"""Items that are ready or being made while one is used: one hides the time that making takes, two also that it varies."""
_END = object()


def read_ahead(items: Iterator[Item], most: int = AHEAD) -> Generator[Item, None, None]:
    """The same items in the same order, the next ones made by a thread while one is used.

    What their making raises is raised here, when its turn comes. The thread ends with the last item, with an error, or when this
    generator is closed; then the item that is being made is waited for.
    """
    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting: deque[Future[Item | object]] = deque(thread.submit(next, items, _END) for _ in range(most))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, items, _END))
                yield item  # type: ignore[misc]
        finally:
            for future in waiting:
                future.cancel()
