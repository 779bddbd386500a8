"""uvicorn's HTTP protocol with what it lacks: time and size limits for headers, for answers that nobody reads, and a limit on connections."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from flambeau.errors import FlambeauError, UsageError
from flambeau.serving import problems
from flambeau.serving.app import App
from flambeau.serving.config import Limits
from flambeau.serving.express import EXTENSION, Express

MAX_PIPELINE = 8
"""Requests that a client may send ahead of the answers; uvicorn alone would collect them without end."""
LAST_CALL_SECONDS = 1.0
"""When the server ends: how long a connection that was just accepted may still bring its request."""


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, made from our limits."""

    def __init__(self, app: App, limits: Limits) -> None:
        self.limits = limits
        super().__init__(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # a stranger's broken request is no event; our own failures go to our own log
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=limits.drain_seconds,
        )


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self, config: ServerConfig, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = config.limits
        self._in_head = True
        """Whether a request line or headers are awaited."""
        self._num_raw = 0
        """Bytes received since the head began, in pieces after its first."""
        self._num_parsed = 0
        """Bytes of the request line and of the headers that are complete."""
        self._has_spoken = False
        self._watched: list[Express] = []
        """Requests that want to know when the client leaves."""
        self._held: asyncio.TimerHandle | None = None
        """Set while what the client sends is left unread."""
        self._slow_head: asyncio.TimerHandle | None = None
        self._slow_reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            self._refuse(FlambeauError("connections-too-many", seconds_to_wait=1))
        else:
            self._slow_head = self.loop.call_later(self._limits.header_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._unset_slow_head()
        for timer in (self._slow_reader, self._held):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        for express in list(self._watched):
            express.leave()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._has_spoken = True
        if self._in_head:
            self._num_raw += len(data)
        self._feed(data)
        if self._in_head and not self.transport.is_closing():
            if self._num_raw > self._limits.max_header_bytes:
                self._refuse(UsageError("header-too-large", limit=self._limits.max_header_bytes))
            elif self._slow_head is None:
                self._slow_head = self.loop.call_later(self._limits.header_seconds, self._head_is_late)

    def shutdown(self) -> None:
        """The server ends: close at once between two requests, but take a first one that may be on its way."""
        held = self._held is not None
        self._let_go()
        if (self._in_head or held) and not self.transport.is_closing():
            self._unset_slow_head()
            self._slow_head = self.loop.call_later(LAST_CALL_SECONDS, self.transport.close)
        else:
            super().shutdown()

    def on_message_begin(self) -> None:
        """A request line begins."""
        if len(self.pipeline) >= MAX_PIPELINE:
            raise ValueError  # stops the parser, which calls send_400_response
        super().on_message_begin()
        self._unset_keepalive_if_required()  # not with any byte: an empty line between two requests is no request
        self._in_head = True
        self._num_raw = self._num_parsed = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header is complete."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self.parser.should_upgrade():
            return  # the parser stops here, and `_without_upgrade` goes on
        self._in_head = False
        self._unset_slow_head()
        self._unset_keepalive_if_required()
        super().on_headers_complete()
        self.scope["extensions"] = {EXTENSION: {"request": Express(self.cycle, self._watched, self._listen, self._hold)}}

    def on_message_complete(self) -> None:
        """The body is complete."""
        if not self._in_head:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not take; `msg`, uvicorn's own text, is not passed on."""
        if self._owes_answer():
            self.transport.close()  # anything written now would be taken for the answer to an earlier request
            return
        too_large = self._num_parsed > self._limits.max_header_bytes
        self._refuse(UsageError("header-too-large", limit=self._limits.max_header_bytes) if too_large else UsageError("request-not-http"))

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._slow_reader is not None:
            self._slow_reader.cancel()
            self._slow_reader = None

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._without_upgrade(data[stop.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _without_upgrade(self, rest: bytes) -> None:
        """Goes on with a request that offers another protocol, as if it did not (RFC 9110, 7.8). The parser has stopped behind its head and
        takes what follows for the other protocol, so another one begins with the same head without the offer."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        kept = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self._feed(b"\r\n".join((method + b" " + self.url + b" HTTP/" + version, *kept, b"", rest)))

    def _watch_reader(self, unread: int | None = None) -> None:
        """Ends the connection if too little of the answer is read.

        Args:
            unread: bytes that waited for the client when this was looked at before.
        """
        waiting = self.transport.get_write_buffer_size()
        if unread is not None and unread - waiting < self._limits.write_seconds * self._limits.min_body_rate:
            self.transport.abort()
        else:
            self._slow_reader = self.loop.call_later(self._limits.write_seconds, self._watch_reader, waiting)

    def _listen(self) -> None:
        """Read on after a large body, as only a connection that is read tells of a client that leaves. Not so while requests that were
        sent ahead wait: there would be more and more of them."""
        if not self.pipeline and self._held is None:
            self.flow.resume_reading()

    def _hold(self, seconds: float) -> None:
        """Leave what the client sends unread for a while; it waits with the kernel, where it costs nothing."""
        if not self.transport.is_closing():
            self.flow.pause_reading()
            self._held = self.loop.call_later(seconds, self._let_go)

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
            self.flow.resume_reading()

    def _owes_answer(self) -> bool:
        """Whether a request that came whole still waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete and (self.cycle.response_started or not self.cycle.more_body)

    def _count(self, num_bytes: int) -> None:
        self._num_parsed += num_bytes
        if self._num_parsed > self._limits.max_header_bytes:
            raise ValueError  # stops the parser, which calls send_400_response

    def _unset_slow_head(self) -> None:
        if self._slow_head is not None:
            self._slow_head.cancel()
            self._slow_head = None

    def _head_is_late(self) -> None:
        if self._has_spoken:
            self._refuse(UsageError("header-slow", seconds=self._limits.header_seconds))
        else:
            self.transport.close()

    def _refuse(self, error: FlambeauError) -> None:
        """Answer without the application, and close."""
        status, body = problems.status_of(error), problems.body_of(error)
        length = str(len(body)).encode()
        headers = [(b"content-type", problems.MEDIA), (b"content-length", length), (b"connection", b"close"), *problems.headers_of(error)]
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *(name + b": " + value for name, value in headers), b"", body]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
