"""Clients that say that they send no more and wait for their answers, as ``nc -N`` does; and those that have really left."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from dataclasses import dataclass

import numpy as np
import pytest
import uvloop
from uvicorn.server import ServerState

from flambeau.serving.app import create_app
from flambeau.serving.probe import CONTINUE
from flambeau.serving.protocol import Protocol
from flambeau.serving.settings import ServerConfig

LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"


def posted(body, path=b"/predict", version=b"1.1"):
    return b"POST %b HTTP/%b\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n" % (path, version, len(body)) + body


@dataclass
class Listening:
    """A server in the loop of a test."""

    state: ServerState
    port: int
    text: object


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def with_server(request, make_model, limits):
    """Runs `main(listening)` beside a server whose model takes so many seconds."""

    def run(main, seconds):
        is_ready = False
        answered = []

        def runner(inputs):
            if is_ready:
                answered.append(len(inputs["image"]))
                time.sleep(seconds)
            else:
                time.sleep(0.008)
            return np.full((len(inputs["image"]), 10), 0.1, np.float32)

        async def whole():
            nonlocal is_ready
            app = create_app(make_model(runner), limits)
            is_ready = True
            config, state = ServerConfig(app, limits), ServerState()
            server = await asyncio.get_running_loop().create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
            try:
                await main(Listening(state, server.sockets[0].getsockname()[1], app._metrics.text))
            finally:
                server.close()
                app.close()
            await asyncio.sleep(0.05)
            assert not state.connections and app._intake.held_bytes == 0 and app._batcher.num_waiting == 0

        request.param(whole())
        return answered

    return run


def asked(port, sent, then=b""):
    """Send, say that this is all, and read to the end -> (the answers, those without an interim one, seconds)."""
    with socket.create_connection(("127.0.0.1", port), timeout=8) as connection:
        connection.sendall(sent)
        if then:
            time.sleep(0.1)
            connection.sendall(then)
        begin = time.monotonic()
        connection.shutdown(socket.SHUT_WR)
        data = b""
        while piece := connection.recv(65536):
            data += piece
    return data, re.findall(rb"HTTP/1.1 (\d+)", data.replace(CONTINUE, b"")), time.monotonic() - begin


@pytest.mark.parametrize("seconds", [0.02, 0.4])
def test_who_sends_no_more_is_answered(with_server, pictures, seconds):
    """Whole requests, those by ASGI's messages, several, HTTP/1.0, and what was complete before something that was not."""
    one = pictures[0]
    cases = [
        (posted(one), [b"200"]),
        (posted(one, b"/predict?preview=1"), [b"200"]),
        (posted(one + b"\0" * 200_000), [b"200"]),
        (posted(one) * 3, [b"200"] * 3),
        (posted(one) + posted(one, b"/predict?preview=1") + LIVE, [b"200"] * 3),
        (posted(one, version=b"1.0"), [b"200"]),
        (posted(one) + posted(one)[:-9], [b"200"]),
        (posted(one) + posted(one + b"\0" * 200_000)[:-9], [b"200"]),
        (posted(one) + LIVE[:9], [b"200"]),
        (posted(one) + b"\x16\x03\x01", [b"200", b"400"]),
    ]

    async def main(server):
        for sent, expected in cases:
            data, statuses, _ = await asyncio.to_thread(asked, server.port, sent)
            assert statuses == expected
            if len(expected) == 1 and sent.endswith(one):  # while one waits behind another nothing is read, and no end is seen
                assert b"connection: close" in data
                assert (CONTINUE in data) == (seconds > 0.3 and b"HTTP/1.0" not in sent)
        data, statuses, _ = await asyncio.to_thread(asked, server.port, posted(one)[:-40], posted(one)[-40:])  # a part that had gone to ASGI
        assert statuses == [b"200"]

    with_server(main, seconds)


@pytest.mark.parametrize("sent", [b"", LIVE[:9], posted(b"123")[:-1], b"\r\n"])
def test_where_nothing_is_owed_the_connection_is_closed_at_once(with_server, sent):
    async def main(server):
        for wait in (b"", sent[-1:]):
            data, _, seconds = await asyncio.to_thread(asked, server.port, sent[: len(sent) - len(wait)], wait)
            assert data == b"" and seconds < 0.5

    with_server(main, 0.01)


def test_an_idle_connection_is_closed_at_once(with_server):
    def ask(port):
        with socket.create_connection(("127.0.0.1", port), timeout=8) as connection:
            connection.sendall(LIVE)
            assert b"200 OK" in connection.recv(65536)
            begin = time.monotonic()
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(65536) == b"" and time.monotonic() - begin < 0.5

    async def main(server):
        await asyncio.to_thread(ask, server.port)

    with_server(main, 0.01)


@pytest.mark.parametrize("way", ["at once", "later", "reset"])
@pytest.mark.parametrize("size", [1_000, 200_000])
def test_who_has_left_is_still_noticed_before_the_model_is_asked(with_server, pictures, size, way):
    """Its request waits for the model behind another one."""

    async def main(server):
        first = asyncio.create_task(asyncio.to_thread(asked, server.port, posted(pictures[0])))
        await asyncio.sleep(0.2)
        others = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        for other in others:
            await asyncio.to_thread(other.sendall, posted(pictures[0] + b"\0" * size))
        await asyncio.sleep(0.1)
        assert len(server.state.connections) == 5
        for other in others:
            if way == "later":
                other.shutdown(socket.SHUT_WR)
            elif way == "reset":
                other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await asyncio.sleep(0.1 if way == "later" else 0)
        for other in others:
            other.close()
        await asyncio.sleep(0.5)
        assert len(server.state.connections) == 1
        seen = dict(re.findall(r"^flambeau_(held_bytes|queue_examples) (\S+)", server.text().decode(), re.MULTILINE))
        assert float(seen["held_bytes"]) == len(pictures[0]) and float(seen["queue_examples"]) == 0
        assert (await first)[1] == [b"200"]

    assert with_server(main, 1.5) == [1]


def test_the_time_to_drain_is_enough_for_who_sends_no_more(make_model, run_server, limits, pictures):
    import threading
    from urllib.parse import urlsplit

    begun, replies = threading.Event(), []

    def runner(inputs):
        begun.set()
        time.sleep(1.5 if replies else 0.008)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    with run_server(make_model(runner), limits) as url:
        replies.append(None)
        begun.clear()
        asking = threading.Thread(target=lambda: replies.append(asked(urlsplit(url).port, posted(pictures[0]) + LIVE[:9])))
        asking.start()
        assert begun.wait(5)
        time.sleep(0.2)
    asking.join()
    assert replies[1][1] == [b"200"]
