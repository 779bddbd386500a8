"""One HTTP request and its reply, on bare ASGI; and how a body is taken in without trusting it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from flambeau.errors import FlambeauError, UsageError
from flambeau.serving.config import Limits
from flambeau.serving.express import EXTENSION, Express

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

LARGE = 64 << 10
"""Bytes of JSON from which on it is read in a thread: a megabyte of numbers takes 80 ms, in which the loop would do nothing else."""


class ClientLeft(Exception):
    """The client closed its connection: nobody waits for an answer any more."""


@dataclass(slots=True)
class Request:
    """What a client asks."""

    scope: Message
    receive: Receive
    num_bytes: int = 0
    """Of the body, so far."""
    is_read: bool = False
    """Whether the whole body has been taken in."""
    headers: dict[bytes, bytes] = field(init=False)
    """By name in lower case; of a name that comes twice, the last."""
    express: Express | None = field(init=False)
    """The shortcut past ASGI's messages, where the server has one."""

    def __post_init__(self) -> None:
        self.headers = dict(self.scope["headers"])
        # taken out of the scope, to which it leads back: a request that is part of a ring stays until garbage is searched for
        self.express = self.scope.get("extensions", {}).pop(EXTENSION, {}).get("request")

    def header(self, name: bytes) -> bytes:
        """The value of a header (its name in lower case), b"" where there is none."""
        return self.headers.get(name, b"")

    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case."""
        return self.header(b"content-type").partition(b";")[0].strip().lower().decode("latin-1")

    def asks(self, flag: str) -> bool:
        """Whether the query has ``flag=1``."""
        return f"{flag}=1".encode() in self.scope["query_string"].split(b"&")

    def has_rest(self) -> bool:
        """Whether a part of the body has not been read."""
        declared = self.header(b"content-length")
        return not self.is_read and (declared.strip(b"0") != b"" or self.header(b"transfer-encoding") != b"")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client gets."""

    body: bytes
    status: int = 200
    media: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = field(default=())


class Intake:
    """Takes request bodies in: bounded in size, in time, and in what all of them hold together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held_bytes = 0
        """Of all requests that have not been answered."""

    async def read(self, request: Request, max_bytes: int, feed: Callable[[bytes], object]) -> None:
        """Hand the body to `feed`, piece by piece.

        Raises:
            UsageError: it is empty, compressed, too large or too slow.
            FlambeauError: the server holds too much already.
            ClientLeft: the client went away in between.
        """
        encoding = request.header(b"content-encoding").strip().lower()
        if encoding not in (b"", b"identity"):
            raise UsageError("encoding-unknown", encoding=encoding.decode("latin-1"))
        declared = request.header(b"content-length")
        if declared.isdigit() and (len(declared) > 18 or int(declared) > max_bytes):
            raise UsageError("body-too-large", limit=max_bytes)
        body = request.express.body() if request.express is not None else None
        if body is not None:
            self._take(request, body, max_bytes, feed)
            request.is_read = True
        else:
            try:
                await self._read(request, max_bytes, feed)
            except TimeoutError:
                raise UsageError("body-slow", received=request.num_bytes) from None
        if not request.num_bytes:
            raise UsageError("request-empty")

    def release(self, request: Request) -> None:
        """The request has been answered: its body no longer counts."""
        self.held_bytes -= request.num_bytes

    async def _read(self, request: Request, max_bytes: int, feed: Callable[[bytes], object]) -> None:
        begin = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(begin + self._limits.body_seconds) as deadline:
            while not request.is_read:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                self._take(request, message.get("body", b""), max_bytes, feed)
                request.is_read = not message.get("more_body", False)
                if not request.is_read:  # a slow line may take its time, a client that dribbles may not
                    deadline.reschedule(begin + self._limits.body_seconds + request.num_bytes / self._limits.min_body_rate)

    def _take(self, request: Request, piece: bytes, max_bytes: int, feed: Callable[[bytes], object]) -> None:
        request.num_bytes += len(piece)
        self.held_bytes += len(piece)
        if request.num_bytes > max_bytes:
            raise UsageError("body-too-large", limit=max_bytes)
        if self.held_bytes > self._limits.max_held_bytes:
            raise FlambeauError("queue-full", seconds_to_wait=1)
        if piece:
            feed(piece)


async def beside_the_loop(request: Request, work: Callable[[], T]) -> T:
    """`work()`, which reads the body of a request: in a thread if that is large."""
    return work() if request.num_bytes < LARGE else await asyncio.to_thread(work)


async def unless_gone(request: Request, futures: Sequence[asyncio.Future[T]]) -> list[T]:
    """The results of `futures`, in order; all of them are cancelled as soon as the client leaves.

    Raises:
        ClientLeft: it did.
    """
    if request.express is None:
        return await _unless_disconnected(request, futures)
    request.express.watch(lambda: [future.cancel() for future in futures])
    try:
        return [await future for future in futures]
    except asyncio.CancelledError:
        if request.express.has_left:
            raise ClientLeft from None
        raise
    finally:
        request.express.unwatch()


async def _unless_disconnected(request: Request, futures: Sequence[asyncio.Future[T]]) -> list[T]:
    """The same by ASGI's messages, which need a task that waits for the last of them."""
    leaving = asyncio.ensure_future(_disconnect(request.receive))
    leaving.add_done_callback(lambda _: [future.cancel() for future in futures])
    try:
        return [await future for future in futures]
    except asyncio.CancelledError:
        if leaving.done() and not leaving.cancelled():
            raise ClientLeft from None
        raise
    finally:
        leaving.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
