"""When a connection is read on, and for how long its client may leave answers unread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized

from uvicorn.protocols.http.flow_control import FlowControl

from flambeau.serving.config import Limits


class Flow(FlowControl):
    """uvicorn's, with bounds."""

    def __init__(self, transport: asyncio.Transport, ahead: Sized, limits: Limits, feed: Callable[[bytes], None]) -> None:
        """
        Args:
            ahead: the requests that were sent ahead of the answers. While some wait nothing is read: there would be more and more of them.
            feed: takes what was kept, as if it had been read now.
        """
        super().__init__(transport)
        self._loop = asyncio.get_running_loop()
        self._ahead = ahead
        self._limits = limits
        self._feed = feed
        self.rest = b""
        """What was read and waits to be made sense of, as if it was still with the kernel."""
        self._held: asyncio.TimerHandle | None = None
        self._slow_reader: asyncio.TimerHandle | None = None

    def resume_reading(self) -> None:
        """Read on, where nothing speaks against it."""
        if not self.read_paused or self.must_wait:
            return
        if self.rest:
            self._loop.call_soon(self._go_on)
        else:
            super().resume_reading()

    @property
    def must_wait(self) -> bool:
        """Whether something speaks against it."""
        return self._held is not None or len(self._ahead) > 0

    def keep(self, rest: bytes) -> None:
        """Read no more, and make sense of this once reading goes on."""
        self.rest = rest
        self.pause_reading()

    def hold(self, seconds: float) -> None:
        """Leave what the client sends unread for a while; it waits with the kernel, where it costs nothing."""
        if not self._transport.is_closing():
            self.pause_reading()
            if self._held is not None:  # by an answer to one that was sent ahead
                self._held.cancel()
            self._held = self._loop.call_later(seconds, self.let_go)

    def let_go(self) -> bool:
        """Read on -> whether it was held."""
        if self._held is None:
            return False
        self._held.cancel()
        self._held = None
        self.resume_reading()
        return True

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """The client reads again, or has left."""
        super().resume_writing()
        if self._slow_reader is not None:
            self._slow_reader.cancel()
            self._slow_reader = None

    def close(self) -> None:
        """The connection is gone."""
        self.rest = b""
        self.resume_writing()
        if self._held is not None:
            self._held.cancel()

    def _go_on(self) -> None:
        if self.rest and not self.must_wait and not self._transport.is_closing():
            rest, self.rest = self.rest, b""
            self._feed(rest)
            self.resume_reading()

    def _watch_reader(self, unread: int | None = None) -> None:
        """Ends the connection if too little of the answer is read.

        Args:
            unread: bytes that waited for the client when this was looked at before.
        """
        waiting = self._transport.get_write_buffer_size()
        if unread is not None and unread - waiting < self._limits.write_seconds * self._limits.min_body_rate:
            self._transport.abort()
        else:
            self._slow_reader = self._loop.call_later(self._limits.write_seconds, self._watch_reader, waiting)
