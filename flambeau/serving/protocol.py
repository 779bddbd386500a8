"""uvicorn's HTTP protocol with what it lacks: time and size limits for headers, for answers that nobody reads, and a limit on connections."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from flambeau.errors import FlambeauError, UsageError
from flambeau.serving import problems
from flambeau.serving.app import App
from flambeau.serving.config import Limits
from flambeau.serving.exchange import HOLD, Request, lines
from flambeau.serving.flow import Flow
from flambeau.serving.whole import LARGEST, METHODS, Whole

MAX_PIPELINE = 8
"""Requests that a client may send ahead of the answers; uvicorn alone would collect them without end."""
PIECES_SECONDS = 0.05
"""So long a small body may take to come if its request is to count as whole: many clients send it behind the head, in a packet of its own."""
LAST_CALL_SECONDS = 1.0
"""When the server ends: how long a connection that was just accepted, or just answered, may still bring its next request."""


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, made from our limits."""

    def __init__(self, app: App, limits: Limits) -> None:
        self.application = app
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

    flow: Flow

    def __init__(
        self, config: ServerConfig, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._application = config.application
        self._limits = config.limits
        self._max_header_bytes = config.limits.max_header_bytes
        self._in_head = True
        """Whether a request line or headers are awaited."""
        self._num_raw = 0
        """Bytes received since the head began, in pieces after its first."""
        self._num_parsed = 0
        """Bytes of the request line and of the headers that are complete."""
        self._has_spoken = False
        self._pieces: list[bytes] | None = None
        """Of the body of a request that may come whole."""
        self._num_pieces = 0
        """Bytes of them."""
        self._in_pieces: asyncio.TimerHandle | None = None
        """Ends the wait for the rest of such a body."""
        self._keep_alive = True
        """Whether such a request leaves the connection open."""
        self._running: Whole | RequestResponseCycle | None = None
        """What is being answered."""
        self._idle_since: float | None = None
        """When the last answer was given, between two requests."""
        self._slow_head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline, self._limits)
        if len(self.connections) > self._limits.max_connections:
            self._refuse(FlambeauError("connections-too-many", seconds_to_wait=1))
        else:
            self._slow_head = self.loop.call_later(self._limits.header_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._unset_slow_head()
        self._taken()
        self._unset_keepalive_if_required()
        self.flow.close()
        super().connection_lost(exc)
        running, self._running = self._running, None
        if isinstance(running, Whole):
            running.end_early(has_left=True)
        elif running is not None:
            running.disconnected = True
            running.message_event.set()
        self.cycle = None  # type: ignore[assignment] # it leads back to here

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._has_spoken = True
        if self._in_head:
            self._num_raw += len(data)
        self._feed(data)
        if self._pieces is not None and self._in_pieces is None and not self.transport.is_closing():
            self._in_pieces = self.loop.call_later(PIECES_SECONDS, self._by_asgi)
        if self._in_head and not self.transport.is_closing():
            if self._num_raw > self._limits.max_header_bytes:
                self._refuse(UsageError("header-too-large", limit=self._limits.max_header_bytes))
            elif self._slow_head is None:
                self._slow_head = self.loop.call_later(self._limits.header_seconds, self._head_is_late)

    def shutdown(self) -> None:
        """The server ends: close between two requests, but take one that may be on its way: the first, or one of a client that keeps asking."""
        held = self.flow.let_go()
        if self._pieces is not None:
            self._by_asgi()
        keeps_asking = self._idle_since is not None and self.loop.time() - self._idle_since < LAST_CALL_SECONDS
        if (self._in_head or held or keeps_asking) and not self.transport.is_closing():
            self._unset_slow_head()
            self._slow_head = self.loop.call_later(LAST_CALL_SECONDS, self.transport.close)
        else:
            super().shutdown()

    def on_message_begin(self) -> None:
        """A request line begins."""
        if len(self.pipeline) >= MAX_PIPELINE:
            raise ValueError  # stops the parser, which calls send_400_response
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._idle_since = None  # not with any byte: an empty line between two requests is no request
        self._in_head = True
        self._num_raw = self._num_parsed = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._num_parsed += len(url)
        if self._num_parsed > self._max_header_bytes:
            raise ValueError
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header is complete."""
        self._num_parsed += len(name) + len(value) + 4
        if self._num_parsed > self._max_header_bytes:
            raise ValueError  # stops the parser, which calls send_400_response
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self.parser.should_upgrade():
            return  # the parser stops here, and `_without_upgrade` goes on
        self._in_head = False
        self._unset_slow_head()
        self._pieces, self._num_pieces = [], 0
        if self.url in self._application.addresses and self.parser.get_method() in METHODS and not self.expect_100_continue:
            self._keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        else:
            self._by_asgi()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._pieces is None:
            super().on_body(body)
            return
        self._pieces.append(body)
        self._num_pieces += len(body)
        if self._num_pieces > LARGEST:
            self._by_asgi()

    def on_message_complete(self) -> None:
        """The body is complete."""
        if self._in_head:
            return
        if self._pieces is None:
            super().on_message_complete()
        elif self.flow.write_paused:
            self._by_asgi()
            super().on_message_complete()
        else:
            body = b"".join(self._taken())
            self._queue(Whole(self._request(), body, self._keep_alive, self._write, self.flow.hold))

    def on_response_complete(self) -> None:
        """An answer has been given."""
        self._running = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.flow.resume_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was answered for a while, or something was since: one timer serves all requests of a connection."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def give_up(self) -> bool:
        """The time to answer is over -> whether an answer was still owed."""
        return isinstance(self._running, Whole) and self._running.end_early(has_left=False)

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not take; `msg`, uvicorn's own text, is not passed on."""
        if self._owes_answer():
            self.transport.close()  # anything written now would be taken for the answer to an earlier request
            return
        too_large = self._num_parsed > self._limits.max_header_bytes
        self._refuse(UsageError("header-too-large", limit=self._limits.max_header_bytes) if too_large else UsageError("request-not-http"))

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

    def _request(self) -> Request:
        return Request(METHODS[self.parser.get_method()], self.url.decode("ascii"), b"", self.headers)

    def _queue(self, whole: Whole) -> None:
        """Answer it now, or after those that were sent before it."""
        is_free = self.cycle is None or self.cycle.response_complete
        self.cycle = whole  # type: ignore[assignment] # has what it is asked for
        if is_free:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_asgi_task(self, cycle: Whole | RequestResponseCycle, app: Any) -> None:
        """Answer a request."""
        self._running = cycle
        self._idle_since = None  # again, as an earlier request may have been answered since this one began
        if isinstance(cycle, Whole):
            self._application.take(cycle)
        else:
            super()._start_asgi_task(cycle, app)

    def _write(self, whole: Whole, status: int, head: bytes, body: bytes) -> None:
        """Send the answer to a request that came whole."""
        ours = lines(self.server_state.default_headers)
        is_last = b"connection: close" in ours
        end = b"\r\n" if whole.keep_alive or is_last else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], ours, head, end, body)))
        if is_last or not whole.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _taken(self) -> list[bytes]:
        """The body so far, for which nothing is kept any more."""
        pieces, self._pieces = self._pieces or [], None
        if self._in_pieces is not None:
            self._in_pieces.cancel()
            self._in_pieces = None
        return pieces

    def _by_asgi(self) -> None:
        """Answer the request whose head is complete as uvicorn does, with what has come of its body."""
        pieces = self._taken()
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        self.scope["extensions"] = {HOLD: {"for": self.flow.hold}}
        for piece in pieces:
            super().on_body(piece)

    def _owes_answer(self) -> bool:
        """Whether a request that came whole still waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete and (self.cycle.response_started or not self.cycle.more_body)

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
