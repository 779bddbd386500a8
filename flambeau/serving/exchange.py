"""One HTTP request and its reply; and how a body is taken in without trusting it.

A request comes over one of two roads: whole, in one piece with its body (`whole.py`), or by ASGI's messages, piece by piece.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypeVar

from flambeau.errors import FlambeauError, UsageError
from flambeau.serving.config import Limits
from flambeau.serving.forward import Read, Result

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Hold: TypeAlias = Callable[[float], None]
T = TypeVar("T")

HOLD = "flambeau.hold"
"""What our own server adds to a scope's extensions: under "for", a function that leaves what the client sends next unread for so many seconds."""


class ClientLeft(Exception):
    """The client closed its connection: nobody waits for an answer any more."""


class Request:
    """What a client asks, but for its body."""

    __slots__ = ("headers", "is_read", "method", "num_bytes", "path", "query")

    def __init__(self, method: str, path: str, query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """
        Args:
            headers: names in lower case, values; of a name that comes twice, the last counts.
        """
        self.method = method
        self.path = path
        self.query = query
        self.headers = dict(headers)
        self.num_bytes = 0
        """Of the body, so far."""
        self.is_read = False
        """Whether the whole body has been taken in."""

    @classmethod
    def of(cls, scope: Message) -> Self:
        """The same from ASGI's scope."""
        return cls(scope["method"], scope["path"], scope["query_string"], scope["headers"])

    def header(self, name: bytes) -> bytes:
        """The value of a header (its name in lower case), b"" where there is none."""
        return self.headers.get(name, b"")

    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case."""
        return self.header(b"content-type").partition(b";")[0].strip().lower().decode("latin-1")

    def asks(self, flag: str) -> bool:
        """Whether the query has ``flag=1``."""
        return self.query != b"" and f"{flag}=1".encode() in self.query.split(b"&")

    def has_rest(self) -> bool:
        """Whether a part of the body has not been read."""
        declared = self.header(b"content-length")
        return not self.is_read and (declared.strip(b"0") != b"" or self.header(b"transfer-encoding") != b"")


@dataclass(slots=True)
class Reply:
    """What a client gets."""

    body: bytes
    status: int = 200
    media: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = field(default=())
    is_page: bool = False
    """Whether a browser shows it. Then `headers` say what it may do; anything else may do nothing."""


@dataclass(slots=True)
class Asked:
    """What a body turned out to ask of the model."""

    reads: Sequence[Read]
    """One for each example."""
    reply: Callable[[Sequence[Result], float], Reply]
    """(the results in order, the seconds they took) -> the answer. Raises a FlambeauError if that is an error."""
    is_slow: bool = False
    """Whether `reply` had better run beside the loop."""


@dataclass(frozen=True)
class Door:
    """How one kind of body is understood."""

    max_bytes: int
    understand: Callable[[Request, bytes], Asked]
    """Raises a FlambeauError: the body makes no sense."""
    example: str = "application/json"
    """The Content-Type of a body to show in examples."""
    is_quick: bool = False
    """Whether `understand` takes no time, whatever the size of the body."""


class Intake:
    """Takes request bodies in: bounded in size, in time, and in what all of them hold together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held_bytes = 0
        """Of all requests that have not been answered."""

    def take_whole(self, request: Request, body: bytes, door: Door) -> None:
        """Count a body that has come in one piece.

        Raises:
            UsageError: it is empty, compressed or too large.
            FlambeauError: the server holds too much already.
        """
        request.is_read = True
        _check_head(request, door.max_bytes)
        self._take(request, body, door.max_bytes)
        if not body:
            raise UsageError("request-empty", example=door.example)

    async def read(self, request: Request, receive: Receive, door: Door) -> bytes:
        """The body, taken in piece by piece.

        Raises:
            UsageError: it is empty, compressed, too large or too slow.
            FlambeauError: the server holds too much already.
            ClientLeft: the client went away in between.
        """
        _check_head(request, door.max_bytes)
        try:
            pieces = await self._pieces(request, receive, door.max_bytes)
        except TimeoutError:
            raise UsageError("body-slow", received=request.num_bytes) from None
        if not request.num_bytes:
            raise UsageError("request-empty", example=door.example)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def release(self, request: Request) -> None:
        """The request has been answered: its body no longer counts."""
        self.held_bytes -= request.num_bytes

    async def _pieces(self, request: Request, receive: Receive, max_bytes: int) -> list[bytes]:
        begin = asyncio.get_running_loop().time()
        pieces: list[bytes] = []
        async with asyncio.timeout_at(begin + self._limits.body_seconds) as deadline:
            while not request.is_read:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                piece = message.get("body", b"")
                self._take(request, piece, max_bytes)
                pieces.append(piece)
                request.is_read = not message.get("more_body", False)
                if not request.is_read:  # a slow line may take its time, a client that dribbles may not
                    deadline.reschedule(begin + self._limits.body_seconds + request.num_bytes / self._limits.min_body_rate)
        return pieces

    def _take(self, request: Request, piece: bytes, max_bytes: int) -> None:
        request.num_bytes += len(piece)
        self.held_bytes += len(piece)
        if request.num_bytes > max_bytes:
            raise UsageError("body-too-large", limit=max_bytes)
        if self.held_bytes > self._limits.max_held_bytes:
            raise FlambeauError("queue-full", seconds_to_wait=1)


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they go over the line; what is in them is our own, so nothing is escaped."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _check_head(request: Request, max_bytes: int) -> None:
    encoding = request.header(b"content-encoding")
    if encoding and (encoding := encoding.strip().lower()) not in (b"", b"identity"):
        raise UsageError("encoding-unknown", encoding=encoding.decode("latin-1"))
    declared = request.header(b"content-length")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > max_bytes):
        raise UsageError("body-too-large", limit=max_bytes)


async def unless_gone(receive: Receive, future: asyncio.Future[T]) -> T:
    """The result of `future`, which is cancelled as soon as the client leaves.

    Raises:
        ClientLeft: it did.
    """
    leaving = asyncio.ensure_future(_disconnect(receive))
    leaving.add_done_callback(lambda _: future.cancel())
    try:
        return await future
    except asyncio.CancelledError:
        if leaving.done() and not leaving.cancelled():
            raise ClientLeft from None
        raise
    finally:
        leaving.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
