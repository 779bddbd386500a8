"""The HTTP application, on bare ASGI: a table of paths, and one place where errors become answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import orjson

from flambeau.errors import FlambeauError, UsageError
from flambeau.serving import inference, openapi, problems
from flambeau.serving.batcher import Batcher
from flambeau.serving.config import Limits
from flambeau.serving.exchange import ClientLeft, Intake, Message, Receive, Reply, Request, Send
from flambeau.serving.express import lines
from flambeau.serving.fields import fields_of
from flambeau.serving.metrics import MEDIA, UNKNOWN_ROUTE, Metrics
from flambeau.serving.model import ServedModel
from flambeau.serving.pages import Pages
from flambeau.serving.predict import Predict

log = logging.getLogger("flambeau.serving")

Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]

SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CLOSED_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""For everything that is not a page: should a browser ever show it, nothing in it runs."""


_SECURITY_LINES = lines(SECURITY)
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
        predict = Predict(model, self._batcher, self._intake, limits)
        infer = inference.Infer(model, self._batcher, self._intake, limits)
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
        gets |= {"/": _made(pages.page), "/docs": _made(pages.page), "/words.json": _made(pages.words), "/metrics": self._show_metrics}
        gets |= {"/v2/health/ready": self._ready, f"/v2/models/{model.name}/ready": self._ready}
        posts: dict[str, Handler] = {"/predict": predict, f"/v2/models/{model.name}/infer": infer}
        return {path: {"GET": get, "HEAD": get} for path, get in gets.items()} | {path: {"POST": post} for path, post in posts.items()}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI: answer one request."""
        assert scope["type"] == "http"
        begin = time.perf_counter()
        request = Request(scope, receive)
        path = scope["path"]
        try:
            reply = await self._answer(request, path)
        except ClientLeft:
            self._batcher.forget()
            return
        finally:
            self._intake.release(request)
        await _send(request, reply, send)
        if reply.status == BUSY and not self.is_draining and request.express is not None and (delay := self._brake.delay(time.monotonic())) > 0:
            request.express.hold(delay)
        self._metrics.request(path if path in self._routes else UNKNOWN_ROUTE, reply.status, time.perf_counter() - begin)

    async def _answer(self, request: Request, path: str) -> Reply:
        """What to answer, whatever happens."""
        try:
            methods = self._routes.get(path)
            if methods is None:
                raise UsageError("path-unknown")
            handler = methods.get(request.scope["method"])
            if handler is None:
                raise UsageError("method-unknown", method=request.scope["method"][:20], allow=", ".join(methods))
            return await handler(request)
        except FlambeauError as error:
            return _refusal(error.alone())
        except asyncio.CancelledError:  # the server's time to drain is over
            return _refusal(FlambeauError("server-draining", seconds_to_wait=1))
        except ClientLeft:
            raise
        except Exception:
            log.exception("a request could not be answered")
            return _refusal(FlambeauError("server-bug"))

    async def _ready(self, _: Request) -> Reply:
        if self.is_draining:
            raise FlambeauError("server-draining", seconds_to_wait=1)
        return Reply(b'{"ready":true}')

    async def _show_metrics(self, _: Request) -> Reply:
        return Reply(self._metrics.text(), media=MEDIA)


def _refusal(error: FlambeauError) -> Reply:
    return Reply(problems.body_of(error), problems.status_of(error), problems.MEDIA, problems.headers_of(error))


def _always(reply: Reply) -> Handler:
    async def handler(_: Request) -> Reply:
        return reply

    return handler


def _made(make: Callable[[Request], Reply]) -> Handler:
    async def handler(request: Request) -> Reply:
        return make(request)

    return handler


async def _send(request: Request, reply: Reply, send: Send) -> None:
    headers = reply.headers if any(name == CLOSED_POLICY[0] for name, _ in reply.headers) else (*reply.headers, CLOSED_POLICY)
    is_head, rest = request.scope["method"] == "HEAD", request.has_rest()
    if request.express is not None and not is_head and not rest:
        head = b"content-type: %b\r\ncontent-length: %d\r\n" % (reply.media, len(reply.body))
        if request.express.reply(reply.status, head + _SECURITY_LINES + lines(headers), reply.body):
            return
    headers = [(b"content-type", reply.media), (b"content-length", str(len(reply.body)).encode()), *SECURITY, *headers]
    if rest:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else reply.body, "more_body": rest})
    if rest:
        await _linger(request)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(request: Request) -> None:
    """Throw the rest of a body away for a moment, whatever its size."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while (message := await request.receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        return
