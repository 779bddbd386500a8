"""Clients that leave, dawdle, come in floods or offer another protocol: what they cost the others is bounded."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from uvicorn.server import ServerState

from flambeau.serving import app as application
from flambeau.serving.app import Brake, create_app
from flambeau.serving.config import Limits
from flambeau.serving.flow import Flow
from flambeau.serving.protocol import Protocol
from flambeau.serving.settings import ServerConfig
from flambeau.serving.whole import LARGEST

LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
OFFER = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"


def connected(address: str, seconds: float = 10.0) -> socket.socket:
    where = urlsplit(address)
    return socket.create_connection((where.hostname, where.port), timeout=seconds)


def posted(body: bytes, offer: bytes = b"") -> bytes:
    return b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n%scontent-length: %d\r\n\r\n" % (offer, len(body)) + body


def statuses(connection: socket.socket, count: int) -> list[bytes]:
    """Of so many answers, and that nothing comes behind them."""
    data = b""
    while len(re.findall(rb"HTTP/1.1 \d+", data)) < count and (piece := connection.recv(65536)):
        data += piece
    connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        while piece := connection.recv(65536):
            data += piece
    return re.findall(rb"HTTP/1.1 (\d+)", data)


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("offer", [OFFER, b"connection: upgrade\r\nupgrade: websocket\r\n"])
def test_an_offer_of_another_protocol_changes_nothing(address, pictures, offer, in_pieces):
    whole = posted(pictures[0], offer)
    with connected(address) as connection:
        for piece in [whole[:-40], whole[-40:]] if in_pieces else [whole]:
            connection.sendall(piece)
            time.sleep(0.1)
        assert statuses(connection, 1) == [b"200"]
        connection.settimeout(5)
        connection.sendall(LIVE + posted(pictures[0], offer) + LIVE)  # and the connection goes on
        assert statuses(connection, 3) == [b"200"] * 3


def test_a_body_behind_an_offer_is_no_request(address):
    """A proxy in front takes it for a body; if the server did not, a client could send requests in the name of others."""
    body = b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"
    whole = posted(body, OFFER)
    with connected(address) as connection:
        connection.sendall(whole[: -len(body)])
        time.sleep(0.2)
        connection.sendall(body)
        assert statuses(connection, 1) == [b"422"]


def test_a_tunnel_is_refused(address):
    with connected(address) as connection:
        connection.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
def test_an_empty_line_is_no_request(address, limits, sent):
    """A connection that sends nothing else is idle."""
    with connected(address) as connection:
        connection.sendall(LIVE)
        assert b"200 OK" in connection.recv(65536)
        begin = time.monotonic()
        connection.sendall(sent)
        assert connection.recv(65536) == b""
        assert limits.idle_seconds * 0.9 < time.monotonic() - begin < limits.idle_seconds + 3


@pytest.mark.parametrize(("begun", "seconds"), [(20, 0.3), (-700, 0.3), (-700, 0.02)])
def test_a_slow_upload_is_not_idle(make_model, run_server, limits, pictures, begun, seconds):
    """The answer to the request before comes while the head of this one is here, or a part of its body, too; which may take longer than a
    pause may."""

    def runner(inputs):
        time.sleep(seconds)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    picture = pictures[0] + b"\0" * 1000
    slow = limits.model_copy(update={"idle_seconds": 1, "body_seconds": 10.0, "header_seconds": 10.0})
    with run_server(make_model(runner), slow) as url, connected(url) as connection:
        whole = posted(picture)
        connection.sendall(posted(picture) + whole[:begun])
        time.sleep(0.8)  # the first answer is here
        connection.sendall(whole[begun:-500])
        time.sleep(1.5)
        connection.sendall(whole[-500:])
        assert statuses(connection, 2) == [b"200", b"200"]


@pytest.mark.parametrize("size", [1_000, 70_000, 300_000, 900_000])
def test_nothing_is_kept_of_clients_that_left(make_model, run_server, limits, pictures, size):
    """Their examples are not read, and their bodies and places in the queue are free before the model is."""
    answered = []

    def runner(inputs):
        answered.append(len(inputs["image"]))
        time.sleep(1.0 if is_busy else 0.01)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    is_busy = False
    with run_server(make_model(runner), limits) as url:
        is_busy = True
        answered.clear()
        with connected(url) as first:
            first.sendall(posted(pictures[0]))
            time.sleep(0.2)  # it is in the model
            others = [connected(url) for _ in range(4)]
            for other in others:
                other.sendall(posted(pictures[0] + b"\0" * size))
            time.sleep(0.2)
            for other in others:
                other.close()
            time.sleep(0.2)
            with httpx.Client(base_url=url) as client:
                seen = dict(re.findall(r"^flambeau_(held_bytes|queue_examples) (\S+)", client.get("/metrics").text, re.MULTILINE))
            assert float(seen["held_bytes"]) == len(pictures[0]) and float(seen["queue_examples"]) == 0
            assert b"200 OK" in first.recv(65536)
            time.sleep(0.2)
    assert answered == [1]


def test_a_flood_of_refusals_leaves_nothing_behind():
    brake, now = Brake(), 1000.0
    for number in range(60 * 2000):
        assert brake.delay(now + number / 2000) <= application.LONGEST_HOLD + 1e-9
    assert brake.delay(now + 60) > 0.9 * application.LONGEST_HOLD
    assert brake.delay(now + 62) == 0


@pytest.mark.parametrize(("rate", "is_open"), [(200_000, True), (5_000, False)])
def test_a_slow_reader_may_take_its_time(model, limits, rate, is_open):
    """Longer than a client may read nothing, as long as it reads as quickly as an upload has to come."""
    limits = limits.model_copy(update={"write_seconds": 0.5, "min_body_rate": 50_000.0})

    async def main():
        config, state = ServerConfig(create_app(model, limits), limits), ServerState()
        ours, theirs = socket.socketpair()
        for one, side in ((ours, socket.SO_SNDBUF), (theirs, socket.SO_RCVBUF)):
            one.setsockopt(socket.SOL_SOCKET, side, 4096)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(lambda: Protocol(config, state, {}), ours)
        theirs.setblocking(False)
        transport.write(b"x" * 600_000)
        end = loop.time() + 2
        while loop.time() < end:
            await asyncio.sleep(0.02)
            try:
                theirs.recv(rate // 50)
            except BlockingIOError:
                continue
        assert (len(state.connections) == 1) is is_open
        theirs.close()
        await asyncio.sleep(0.1)

    asyncio.run(main())


def test_a_large_document_does_not_hold_up_the_loop(model, run_server, limits):
    """A tensor of numbers with fractions, eight megabytes: reading it takes half a second."""
    number = b"0.5,"
    document = b'{"inputs":[{"name":"image","shape":[1,1,8,8],"datatype":"UINT8","data":[%s0]}]}' % (number * 1_900_000)
    assert len(document) > 100 * LARGEST

    async def longest_wait(url: str) -> float:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            large = asyncio.create_task(client.post("/v2/models/digits/infer", content=document, headers={"content-type": "application/json"}))
            waits = []
            while not large.done():
                begin = time.perf_counter()
                await client.get("/v2/health/live")
                waits.append(time.perf_counter() - begin)
            assert large.result().status_code in (400, 422)
            assert len(waits) > 10
            return max(waits)

    with run_server(model, limits.model_copy(update={"max_json_bytes": 8 << 20, "max_body_bytes": 8 << 20})) as url:
        begin = time.perf_counter()
        longest = asyncio.run(longest_wait(url))
        assert longest < 0.6 * (time.perf_counter() - begin)


def test_one_pause_is_counted_from_the_last_answer(make_model, run_server, limits, pictures):
    """One timer serves all requests of a connection."""

    def runner(inputs):
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    with run_server(make_model(runner), limits.model_copy(update={"idle_seconds": 1})) as url, connected(url) as connection:
        for _ in range(4):
            connection.sendall(posted(pictures[0]))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(0.6)
        begin = time.monotonic()
        assert connection.recv(65536) == b""
        assert 0.1 < time.monotonic() - begin < 1.5


@pytest.mark.parametrize("cut", [None, 10, 300, 90_000])
def test_both_roads_keep_the_order_of_requests_that_were_sent_ahead(make_model, run_server, limits, pictures, cut):
    """Those that come whole, and those that go by ASGI's messages: a query, no body, a large one, an unknown path."""

    def runner(inputs):
        time.sleep(0.03)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    ahead = [
        (b"200", posted(pictures[0])),
        (b"404", b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"),
        (b"200", posted(pictures[1] + b"\0" * 80_000)),
        (b"422", posted(b"no picture")),
        (b"200", posted(pictures[2]).replace(b"/predict", b"/predict?preview=1", 1)),
        (b"405", b"GET /predict HTTP/1.1\r\nhost: x\r\n\r\n"),
        (b"200", b"GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n\r\n"),
    ]
    sent = b"".join(request for _, request in ahead)
    with run_server(make_model(runner), limits) as url, connected(url) as connection:
        for piece in (sent[:cut], sent[cut:] if cut else b""):
            connection.sendall(piece)
            time.sleep(0.2)
        assert statuses(connection, len(ahead)) == [status for status, _ in ahead]


def test_twelve_requests_sent_ahead_in_two_parts_are_all_answered(make_model, run_server, limits, pictures):
    """The second part is not read while some of the first wait: there would be more than may wait."""

    def runner(inputs):
        time.sleep(0.05)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    with run_server(make_model(runner), limits) as url, connected(url) as connection:
        connection.sendall(posted(pictures[0]) * 5)
        time.sleep(0.02)
        connection.sendall(posted(pictures[1]) * 7)
        assert statuses(connection, 12) == [b"200"] * 12


def test_who_is_held_is_not_read_before_the_last_hold_is_over():
    class Transport:
        is_reading = True

        def is_closing(self):
            return False

        def pause_reading(self):
            self.is_reading = False

        def resume_reading(self):
            self.is_reading = True

    async def main():
        flow = Flow(transport := Transport(), [], Limits(), lambda _: None)
        flow.hold(0.05)
        flow.hold(0.3)
        flow.resume_reading()
        await asyncio.sleep(0.15)
        during = transport.is_reading
        await asyncio.sleep(0.3)
        return during, transport.is_reading

    assert asyncio.run(main()) == (False, True)
