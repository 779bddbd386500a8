"""The HTTP application: a table of paths, two roads to it (whole requests, ASGI's messages), and one place where errors become answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import orjson

from flambeau.errors import FlambeauError, UsageError
from flambeau.serving import inference, openapi, problems
from flambeau.serving.batcher import Batcher, Ticket
from flambeau.serving.config import Limits
from flambeau.serving.exchange import HOLD, Asked, ClientLeft, Door, Hold, Intake, Message, Receive, Reply, Request, Send, lines, unless_gone
from flambeau.serving.fields import fields_of
from flambeau.serving.forward import Result
from flambeau.serving.metrics import MEDIA, UNKNOWN_ROUTE, Metrics
from flambeau.serving.model import ServedModel
from flambeau.serving.pages import Pages
from flambeau.serving.predict import Predict
from flambeau.serving.rules import check_rules
from flambeau.serving.whole import LARGEST, Whole

log = logging.getLogger("flambeau.serving")

T = TypeVar("T")
Handler: TypeAlias = Callable[[Request], Reply | Door]
"""The answer at once, or how the body is to be understood that asks the model."""

SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CLOSED_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""For everything that is not a page: should a browser ever show it, nothing in it runs."""

_SAFE_LINES = lines((*SECURITY, CLOSED_POLICY))
_OPEN_LINES = lines(SECURITY)
"""Where a page brings a policy of its own."""
BUG = "a request could not be answered"
BUSY = 503
REFUSALS_PER_SECOND = 800
"""A refusal costs about 0.1 ms: so many leave nine tenths of one core to those who are answered."""
REFUSALS_AT_ONCE = 100
LONGEST_HOLD = 1.0
"""Seconds for which a client that was refused is left unread at most: as long as Retry-After has asked it to wait."""
LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read and thrown away: closed at once, the client would see a reset instead of the answer."""


def create_app(model: ServedModel, limits: Limits) -> App:
    """A loaded model -> the ASGI application that answers for it. Times the model, so it takes a moment."""
    return App(model, limits)


class Brake:
    """Refusing takes time from answering: clients that come back at once, whatever Retry-After says, are read later and later."""

    def __init__(self) -> None:
        self._free = 0.0

    def delay(self, now: float) -> float:
        """Count one refusal -> seconds for which its connection is better left unread."""
        free = max(self._free, now - REFUSALS_AT_ONCE / REFUSALS_PER_SECOND) + 1 / REFUSALS_PER_SECOND
        self._free = min(free, now + LONGEST_HOLD)  # those who come over new connections are not held, and would add to it without end
        return max(0.0, self._free - now)


class App:
    """One model behind HTTP."""

    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self.model = model
        self.is_draining = False
        """Set when the server is about to end: it is no longer ready, but answers what still comes."""
        self._brake = Brake()
        self._intake = Intake(limits)
        self._metrics = Metrics(lambda: self._batcher.num_waiting, lambda: self._intake.held_bytes)
        self._batcher = Batcher(model.predictor, limits, self._metrics.batch)
        self._routes = self._table(limits)
        self.addresses = frozenset(path.encode() for path in self._routes if path.isascii())
        """The paths, as they come over the line; what asks for one of them may come whole."""

    @property
    def max_batch(self) -> int:
        """Examples that are answered together at most."""
        return self._batcher.capacity.max_batch

    def close(self) -> None:
        """End the worker thread."""
        self._batcher.close()

    def _table(self, limits: Limits) -> Mapping[str, Mapping[str, Handler]]:
        """Path -> method -> what answers. Every path is spelled out, so there is nothing to match and nothing to escape from."""
        model, pages = self.model, Pages()
        bounds = limits.model_dump(include={"max_body_bytes", "max_items"})
        about = {**model.signature, "name": model.name, "runtime": model.runtime, "fields": fields_of(model.predictor.inputs), "limits": bounds}
        documents = {
            "/model": about,
            "/openapi.json": openapi.document(model, limits),
            "/v2": inference.server_metadata(),
            "/v2/health/live": {"live": True},
            f"/v2/models/{model.name}": inference.model_metadata(model),
        }
        gets: dict[str, Handler] = {path: _always(Reply(orjson.dumps(content))) for path, content in documents.items()}
        gets |= {path: _always(reply) for path, reply in pages.assets.items()}
        gets |= {"/": pages.page, "/docs": pages.page, "/words.json": pages.words, "/metrics": self._show_metrics}
        gets |= {"/v2/health/ready": self._ready, f"/v2/models/{model.name}/ready": self._ready}
        posts: dict[str, Handler] = {"/predict": Predict(model, limits).door, f"/v2/models/{model.name}/infer": inference.Infer(model, limits).door}
        return {path: {"GET": get, "HEAD": get} for path, get in gets.items()} | {path: {"POST": post} for path, post in posts.items()}

    def take(self, whole: Whole) -> None:
        """Answer a request that came whole, now or once the model has."""
        begin = time.perf_counter()
        try:
            reply = self._begin(whole, begin)
        except FlambeauError as error:
            reply = _refusal(error.alone())
        except Exception:
            log.exception(BUG)
            reply = _refusal(FlambeauError("server-bug"))
        if reply is not None:
            self._reply(whole, reply, begin)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI: answer one request."""
        assert scope["type"] == "http"
        begin = time.perf_counter()
        # taken out of the scope, to which it leads back: a request that is part of a ring stays until garbage is searched for
        hold: Hold | None = scope.get("extensions", {}).pop(HOLD, {}).get("for")
        request = Request.of(scope)
        try:
            reply = await self._answer(scope, request, receive)
        except ClientLeft:
            self._batcher.forget()
            return
        finally:
            self._intake.release(request)
        await _send(request, reply, receive, send)
        self._count(request, reply, begin, hold)

    def _begin(self, whole: Whole, begin: float) -> Reply | None:
        """The answer, or None where the model is asked for it."""
        request, body, whole.body = whole.request, whole.body, b""
        found = self._routed(request)
        if isinstance(found, Reply):
            return found
        self._intake.take_whole(request, body, found)
        asked = found.understand(request, body)
        ticket = self._batcher.submit(asked.reads, request.num_bytes, partial(self._finish, whole, asked, begin))
        whole.give_up = partial(self._give_up, whole, ticket, begin)
        return None

    def _routed(self, request: Request) -> Reply | Door:
        methods = self._routes.get(request.path)
        if methods is None:
            raise UsageError("path-unknown")
        handler = methods.get(request.method)
        if handler is None:
            raise UsageError("method-unknown", method=request.method[:20], allow=", ".join(methods))
        if request.method == "POST" and request.header(b"sec-fetch-site") == b"cross-site":  # an HTML form needs no leave of ours to send this
            raise UsageError("cross-site")
        return handler(request)

    async def _answer(self, scope: Message, request: Request, receive: Receive) -> Reply:
        """What to answer, whatever happens."""
        try:
            check_rules(scope)
            found = self._routed(request)
            return found if isinstance(found, Reply) else await self._ask(request, receive, found)
        except FlambeauError as error:
            return _refusal(error.alone())
        except asyncio.CancelledError:  # the server's time to drain is over
            return _refusal(FlambeauError("server-draining", seconds_to_wait=1))
        except ClientLeft:
            raise
        except Exception:
            log.exception(BUG)
            return _refusal(FlambeauError("server-bug"))

    async def _ask(self, request: Request, receive: Receive, door: Door) -> Reply:
        """What the model answers; what takes long besides is done in a thread."""
        body = await self._intake.read(request, receive, door)
        understand = partial(door.understand, request, body)
        del body
        asked = await asyncio.to_thread(understand) if request.num_bytes > LARGEST and not door.is_quick else understand()
        del understand
        begin = time.perf_counter()
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        ticket = self._batcher.submit(asked.reads, request.num_bytes, partial(_settle, future))
        try:
            results = await unless_gone(receive, future)
        finally:
            ticket.drop()
        reply = partial(asked.reply, results, time.perf_counter() - begin)
        return await asyncio.to_thread(reply) if asked.is_slow else reply()

    def _finish(self, whole: Whole, asked: Asked, begin: float, results: Sequence[Result]) -> None:
        """The model has answered."""
        try:
            reply = asked.reply(results, time.perf_counter() - begin)
        except FlambeauError as error:
            reply = _refusal(error.alone())
        except Exception:
            log.exception(BUG)
            reply = _refusal(FlambeauError("server-bug"))
        self._reply(whole, reply, begin)

    def _give_up(self, whole: Whole, ticket: Ticket, begin: float, has_left: bool) -> None:
        ticket.drop()
        self._batcher.forget()
        if has_left:
            self._intake.release(whole.request)
        else:
            self._reply(whole, _refusal(FlambeauError("server-draining", seconds_to_wait=1)), begin)

    def _reply(self, whole: Whole, reply: Reply, begin: float) -> None:
        self._intake.release(whole.request)
        head = b"content-type: %b\r\ncontent-length: %d\r\n" % (reply.media, len(reply.body))
        safe = _OPEN_LINES if reply.is_page else _SAFE_LINES
        whole.reply(reply.status, head + safe + lines(reply.headers), reply.body)
        self._count(whole.request, reply, begin, whole.hold)

    def _count(self, request: Request, reply: Reply, begin: float, hold: Hold | None) -> None:
        if reply.status == BUSY and not self.is_draining and hold is not None and (delay := self._brake.delay(time.monotonic())) > 0:
            hold(delay)
        self._metrics.request(request.path if request.path in self._routes else UNKNOWN_ROUTE, reply.status, time.perf_counter() - begin)

    def _ready(self, _: Request) -> Reply:
        if self.is_draining:
            raise FlambeauError("server-draining", seconds_to_wait=1)
        return Reply(b'{"ready":true}')

    def _show_metrics(self, _: Request) -> Reply:
        return Reply(self._metrics.text(), media=MEDIA)


def _refusal(error: FlambeauError) -> Reply:
    return Reply(problems.body_of(error), problems.status_of(error), problems.MEDIA, problems.headers_of(error))


def _settle(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _always(reply: Reply) -> Handler:
    return lambda _: reply


async def _send(request: Request, reply: Reply, receive: Receive, send: Send) -> None:
    is_head, rest = request.method == "HEAD", request.has_rest()
    headers = [(b"content-type", reply.media), (b"content-length", str(len(reply.body)).encode()), *SECURITY, *reply.headers]
    if not reply.is_page:
        headers.append(CLOSED_POLICY)
    if rest:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else reply.body, "more_body": rest})
    if rest:
        await _linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(receive: Receive) -> None:
    """Throw the rest of a body away for a moment, whatever its size."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        return
