"""What our own server offers an application beyond ASGI: a body that has come already, an answer in one write, word of a client that left.

ASGI stays the contract: where a scope has no express, or it declines, the application speaks ASGI's messages. On a small model the
difference is most of what HTTP costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "flambeau.express"
"""Its name in the scope's extensions; there it is the value of "request"."""


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they go over the line; what is in them is our own, so nothing is escaped."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class Express:
    """One request's shortcut."""

    __slots__ = ("_cycle", "_listen", "_watched", "has_left", "hold", "on_leave")

    def __init__(self, cycle: RequestResponseCycle, watched: list[Express], listen: Callable[[], None], hold: Callable[[float], None]) -> None:
        """
        Args:
            watched: those of the connection's requests that want to know when the client leaves; the connection tells them.
            listen: has the connection read on, where a large body had stopped it.
            hold: leaves what the client sends next unread for so many seconds.
        """
        self._cycle = cycle
        self._watched = watched
        self._listen = listen
        self.hold = hold
        self.has_left = False
        self.on_leave: Callable[[], object] | None = None

    def body(self) -> bytes | None:
        """The whole body, once, if it is here already; None if it has to be awaited."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected:
            return None
        body = bytes(cycle.body)
        cycle.body = bytearray()
        cycle.message_event.clear()
        self._listen()
        return body

    def reply(self, status: int, head: bytes, body: bytes) -> bool:
        """Send a whole answer -> whether that was possible; if not, nothing was sent.

        Args:
            head: its header lines, each with its line end; what is in them is our own.
        """
        cycle = self._cycle
        is_last = any(name == b"connection" for name, _ in cycle.default_headers)
        if cycle.disconnected or cycle.response_started or cycle.flow.write_paused or is_last:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.transport.write(b"".join((STATUS_LINE[status], lines(cycle.default_headers), head, end, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    def watch(self, on_leave: Callable[[], object]) -> None:
        """Have `on_leave` called when the client leaves, until `unwatch`."""
        self.on_leave = on_leave
        self._watched.append(self)
        self._listen()
        if self._cycle.disconnected:
            self.leave()

    def unwatch(self) -> None:
        """No more word of it."""
        self.on_leave = None
        self._watched.remove(self)

    def leave(self) -> None:
        """The connection says: the client has left."""
        self.has_left = True
        if self.on_leave is not None:
            self.on_leave()
