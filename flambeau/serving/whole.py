"""A request that came whole, with its body: answered without a task and in one write.

On a small model that is most of what HTTP costs. Everything else goes the way of ASGI: bodies that are large or take their time, queries,
and what is no path of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flambeau.serving.exchange import Hold, Request

METHODS = {b"GET": "GET", b"POST": "POST"}
LARGEST = (64 << 10) - 1
"""Bytes of a body that may go this way: making sense of more may hold up everybody else."""
PIECES_SECONDS = 0.05
"""So long a small body may take to come if its request is to count as whole: many clients send it behind the head, in a packet of its own."""
UNUSUAL = frozenset({b"expect", b"transfer-encoding"})
"""Headers that may ask what only the way of ASGI looks at."""


class Whole:
    """One such request. It stands where uvicorn has its cycle, and has what uvicorn asks of that."""

    __slots__ = ("_write", "body", "disconnected", "give_up", "hold", "keep_alive", "request", "response_complete")

    more_body = False
    response_started = False
    message_event = asyncio.Event()
    """Nobody waits for it."""

    def __init__(self, request: Request, body: bytes, keep_alive: bool, write: Callable[[Whole, int, bytes, bytes], None], hold: Hold) -> None:
        """
        Args:
            write: sends the answer: (this, status, header lines, body).
            hold: leaves what the client sends next unread for so many seconds.
        """
        self.request = request
        self.body = body
        self.keep_alive = keep_alive
        self.hold = hold
        self.disconnected = False
        self.response_complete = False
        self.give_up: Callable[[bool], None] | None = None
        """Set while the model is awaited. Called with True where the client has left, with False where its time is over and it is still told."""
        self._write = write

    def reply(self, status: int, head: bytes, body: bytes) -> None:
        """Send the answer.

        Args:
            head: its header lines, each with its line end; what is in them is our own, so nothing is escaped.
        """
        self.give_up = None
        self.response_complete = True
        self._write(self, status, head, body)

    def end_early(self, has_left: bool) -> bool:
        """No longer wait for the model -> whether it was awaited."""
        give_up, self.give_up = self.give_up, None
        if give_up is None:
            return False
        give_up(has_left)
        return True
