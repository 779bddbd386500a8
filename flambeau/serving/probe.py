"""Whether a client that sends no more still listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

FIRST_SECONDS = 0.05
"""After the end of what a client sends, until it is asked for the first time: most answers are there by then. Each later wait is twice as long."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Every client of HTTP/1.1 skips it, whether it waits for it or not (RFC 9110, 15.2)."""


class Probe:
    """Asks again and again. A client that closed its own side alone (``nc -N``) looks like one that has left, until something is sent to it:
    the kernel of one that has left refuses that, and then the next write closes the connection.
    """

    def __init__(self, transport: asyncio.Transport, may_ask: Callable[[], bool]) -> None:
        """
        Args:
            may_ask: whether no part of an answer is on its way.
        """
        self._transport = transport
        self._may_ask = may_ask
        self._timer = asyncio.get_running_loop().call_later(FIRST_SECONDS, self._ask, FIRST_SECONDS)

    def end(self) -> None:
        """The connection is gone."""
        self._timer.cancel()

    def _ask(self, waited: float) -> None:
        if self._may_ask() and not self._transport.is_closing():
            self._transport.write(CONTINUE)
        self._timer = asyncio.get_running_loop().call_later(2 * waited, self._ask, 2 * waited)
