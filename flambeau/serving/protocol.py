"""uvicorn's HTTP protocol with what it lacks: time and size limits for headers, for answers that nobody reads, and a limit on connections."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from flambeau.errors import FlambeauError, UsageError
from flambeau.serving import problems
from flambeau.serving.exchange import HOLD, Request, lines
from flambeau.serving.flow import Flow
from flambeau.serving.probe import Probe
from flambeau.serving.settings import ServerConfig
from flambeau.serving.whole import LARGEST, METHODS, PIECES_SECONDS, UNUSUAL, Whole

PIECE = 4096
"""Bytes that are made sense of at a time: while requests in them wait for the answers to earlier ones, what came behind them is kept as it is.
uvicorn alone would make requests of it without end."""
LAST_CALL_SECONDS = 1.0
"""When the server ends: how long a connection that was just accepted, or just answered, may still bring its next request."""


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
        self._is_unusual = False
        """Whether a header asks what only the way of ASGI looks at."""
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
        self._probe: Probe | None = None
        """Set once the client sends no more."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline, self._limits, self.data_received)
        if len(self.connections) > self._limits.max_connections:
            self._refuse(FlambeauError("connections-too-many", seconds_to_wait=1))
        else:
            self._slow_head = self.loop.call_later(self._limits.header_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end_head()
        self._unset_keepalive_if_required()
        self.flow.close()
        if self._probe is not None:
            self._probe.end()
        super().connection_lost(exc)
        self.pipeline.clear()
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
        if len(data) <= PIECE:
            self._feed(data)
        else:
            self._feed_in_pieces(data)
        if self._pieces is not None and self._in_pieces is None and not self.flow.rest and not self.transport.is_closing():
            self._in_pieces = self.loop.call_later(PIECES_SECONDS, self._by_asgi)
        if self._in_head and not self.flow.rest and not self.transport.is_closing():
            if self._num_raw > self._limits.max_header_bytes:
                self._refuse(UsageError("header-too-large", limit=self._limits.max_header_bytes))
            elif self._slow_head is None:
                self._slow_head = self.loop.call_later(self._limits.header_seconds, self._head_is_late)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more, which a program may say that reads on -> whether it is still owed an answer; else the connection is closed."""
        self._end_head()
        last = self._last_owed()
        if last is None or self.transport.is_closing():
            return False
        if not (self.pipeline and isinstance(self.pipeline[0][0], FlambeauError)):
            last.keep_alive = False
        if self._probe is None and self.parser.get_http_version() == "1.1":
            self._probe = Probe(self.transport, lambda: self._running is not None and not self._running.response_started)
        return True

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
        self.url, self.headers, self._is_unusual = b"", [], False
        self._idle_since = None  # not with any byte: an empty line between two requests is no request
        self._in_head = True
        self._num_raw = self._num_parsed = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._num_parsed += len(url)
        if self._num_parsed > self._max_header_bytes:
            raise ValueError  # stops the parser, and `_feed` refuses
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header is complete."""
        self._num_parsed += len(name) + len(value) + 4
        if self._num_parsed > self._max_header_bytes:
            raise ValueError
        name = name.lower()
        if name in UNUSUAL and value.lower() != b"chunked":
            self._is_unusual = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self.parser.should_upgrade():
            return  # the parser stops here, and `_without_upgrade` goes on
        self._in_head = False
        self._unset_slow_head()
        self._pieces, self._num_pieces = [], 0
        if self.url in self._application.addresses and self.parser.get_method() in METHODS and not self._is_unusual:
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
            return
        request = Request(METHODS[self.parser.get_method()], self.url.decode("ascii"), b"", self.headers)
        if self.flow.write_paused or b"host" not in request.headers:
            self._by_asgi()
            super().on_message_complete()
        else:
            body = b"".join(self._taken())
            self._queue(Whole(request, body, self._keep_alive, self._write, self.flow.hold))

    def on_response_complete(self) -> None:
        """An answer has been given."""
        self._running = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.loop.call_soon(self._start_next)  # not from here: hundreds of answers would be a stack of hundreds of calls
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
        too_large = self._num_parsed > self._limits.max_header_bytes
        self._refuse(UsageError("header-too-large", limit=self._limits.max_header_bytes) if too_large else UsageError("request-not-http"))

    def _feed(self, data: bytes) -> None:
        if self._in_head:
            self._num_raw += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._without_upgrade(data[stop.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _feed_in_pieces(self, data: bytes) -> None:
        for begin in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            if self.flow.must_wait:
                self.flow.keep(data[begin:])
                return
            self._feed(data[begin : begin + PIECE])

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

    def _start_next(self) -> None:
        if not self.pipeline or self.transport.is_closing():
            return
        cycle, app = self.pipeline.pop()
        if isinstance(cycle, FlambeauError):
            self._refuse(cycle)
        else:
            self._start_asgi_task(cycle, app)
        self.flow.resume_reading()

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
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
        self.headers.extend(headers)
        super().on_headers_complete()
        self.scope["extensions"] = {HOLD: {"for": self.flow.hold}}
        for piece in pieces:
            super().on_body(piece)

    def _last_owed(self) -> Whole | RequestResponseCycle | None:
        """The last request that is here in full and waits for its answer, or is being answered. One behind it that is not is forgotten."""
        if self.pipeline and self.pipeline[0][0] is self.cycle and self.cycle.more_body:
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._running  # type: ignore[assignment]
        return None if self.cycle is None or self.cycle.response_complete or self.cycle.more_body else self.cycle

    def _end_head(self) -> None:
        """Nothing more is awaited of a request that is not here in full."""
        self._taken()
        self._unset_slow_head()
        self._in_head = False

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
        """Answer without the application, once all that is owed before is answered, and close."""
        self._end_head()
        if self.transport.is_closing():
            return
        if self._last_owed() is not None:
            self.pipeline.appendleft((error, None))  # type: ignore[arg-type]
            self.flow.pause_reading()
        else:
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:  # else in the middle of an answer
                self.transport.write(problems.message_of(error))
            self.transport.close()
