"""The life of a server: its start, many clients, slow clients, and its end."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from uvicorn.server import ServerState

import flambeau.serving
from flambeau.errors import DeviceError, UsageError
from flambeau.serving.app import create_app
from flambeau.serving.config import Limits
from flambeau.serving.protocol import Protocol
from flambeau.serving.server import Server, bind, serve
from flambeau.serving.settings import ServerConfig

HERE = Path(__file__).parent
SERVER = """
import sys
sys.path.insert(0, {here!r})
from conftest import served
from flambeau.serving.config import Limits
from flambeau.serving.server import serve
def ready(facts):
    print(facts.port, "torch" in sys.modules, flush=True)
sys.exit(serve(served, "127.0.0.1", 0, Limits(drain_seconds=5), ready))
"""


@pytest.fixture
def process():
    """A server in a process of its own -> (process, port)."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "PYTHONWARNINGS": "ignore"}
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER.format(here=str(HERE))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests may run under nohup
    )
    try:
        words = child.stdout.readline().split()
        assert words, child.stderr.read()
        assert words[1] == "False", "the server process has imported torch"
        yield child, int(words[0])
    finally:
        child.kill()
        child.communicate()


def request(picture: bytes) -> bytes:
    return b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n%s" % (len(picture), picture)


async def answer(reader: asyncio.StreamReader) -> tuple[int, bool, dict]:
    """One response -> status, whether the server will close, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
    return int(head.split(b" ", 2)[1]), b"connection: close" in head, json.loads(body)


def test_sixty_four_clients_get_their_own_answers(address, pictures, expected):
    where = urlsplit(address)

    async def ask(number):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for turn in range(20):
            place = (number * 20 + turn) % len(pictures)
            writer.write(request(pictures[place]))
            status, _, body = await asyncio.wait_for(answer(reader), 20)
            assert (status, body["predictions"][0]["label"]) == (200, expected[place])
        writer.close()
        await writer.wait_closed()

    async def main():
        await asyncio.gather(*(ask(number) for number in range(64)))

    asyncio.run(main())


async def _until_refused(port: int, pictures: list[bytes], outcomes: list[str], began: asyncio.Event) -> None:
    """Ask again and again, on a new connection whenever the server closed the old one, until nobody listens."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        closing = False
        while not closing:
            try:
                writer.write(request(pictures[len(outcomes) % len(pictures)]))
                status, closing, _ = await asyncio.wait_for(answer(reader), 20)
                outcomes.append(str(status))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                outcomes.append(f"lost: {error!r}")
                return
            if len(outcomes) > 200:
                began.set()
        writer.close()


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGHUP, signal.SIGHUP]], ids=["SIGTERM", "the terminal is gone"])
def test_the_end_under_load_loses_nothing(process, pictures, signals):
    child, port = process
    outcomes: list[str] = []

    async def main():
        began = asyncio.Event()
        clients = [asyncio.create_task(_until_refused(port, pictures, outcomes, began)) for _ in range(16)]
        await asyncio.wait_for(began.wait(), 20)
        for sig in signals:
            child.send_signal(sig)
            await asyncio.sleep(0.05)
        await asyncio.wait_for(asyncio.gather(*clients), 20)

    asyncio.run(main())
    assert set(outcomes) == {"200"} and len(outcomes) > 200
    assert child.wait(10) == 0


@pytest.mark.parametrize("ignored", [False, True])
def test_nohup_keeps_it_alive(model, limits, ignored):
    app = create_app(model, limits)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with Server(app, limits, lambda: None).capture_signals():
            assert (signal.getsignal(signal.SIGHUP) == signal.SIG_IGN) == ignored
    finally:
        signal.signal(signal.SIGHUP, before)
        app.close()


def test_ctrl_c_is_told_by_the_exit_code(process):
    child, port = process
    assert httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    assert child.stderr.read() == ""


def test_a_second_signal_does_not_wait(make_model, limits, pictures):
    """In this process: the handler and the exit code; the model hangs for longer than anybody would wait."""
    calls = []

    def runner(inputs):
        calls.append(len(inputs["image"]))
        time.sleep(1.5 if len(calls) > 40 else 0.008)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    def ready(facts):
        calls.extend([0] * 41)
        threading.Thread(target=trouble, args=(facts.port,), daemon=True).start()

    def trouble(port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request(pictures[0]))
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.4)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    begin = time.perf_counter()
    before = signal.getsignal(signal.SIGTERM)
    code = serve(lambda: make_model(runner), "127.0.0.1", 0, limits, ready)
    assert code == 143 and signal.getsignal(signal.SIGTERM) is before
    assert time.perf_counter() - begin < 20


def test_draining_says_not_ready_and_finishes(make_model, limits, pictures):
    """One signal while an answer is being computed: it arrives, and /ready says no meanwhile."""
    seen, computing, asked = {}, threading.Event(), threading.Event()

    def runner(inputs):
        time.sleep(0.008)
        if seen:
            computing.set()
            asked.wait(10)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    def trouble(url):
        def ask():
            seen["answer"] = httpx.post(f"{url}/predict", content=pictures[0], headers={"content-type": "image/png"}).status_code

        asking = threading.Thread(target=ask)
        asking.start()
        computing.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)
        while "ready" not in seen:
            answer = httpx.get(f"{url}/v2/health/ready")  # the signal takes a moment to arrive
            if answer.status_code != 200:
                seen["ready"] = answer.json()["code"]
        asked.set()
        asking.join()

    def ready(facts):
        seen["url"] = facts.url
        assert facts.max_batch >= 1 and facts.seconds > 0 and facts.name == "digits"
        threading.Thread(target=trouble, args=(facts.url,), daemon=True).start()

    assert serve(lambda: make_model(runner), "127.0.0.1", 0, limits, ready) == 0
    assert seen["answer"] == 200 and seen["ready"] == "server-draining"


def test_a_port_in_use_is_named_before_the_model_is_loaded(limits):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(DeviceError) as failed:
            serve(lambda: pytest.fail("loaded"), "127.0.0.1", port, limits, lambda facts: None)
    assert failed.value.code == "port-in-use" and str(port) in str(failed.value)
    free = failed.value.facts["free"]
    assert free != port
    bind("127.0.0.1", free).close()


def test_a_port_that_is_taken_while_the_model_loads(make_model, limits):
    taken = []

    def load():
        taken.append(socket.create_server(("127.0.0.1", port)))
        return make_model()

    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    try:
        with pytest.raises(DeviceError, match="port-in-use"):
            serve(load, "127.0.0.1", port, limits, lambda facts: pytest.fail("announced"))
    finally:
        taken[0].close()


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "a" * 300])
def test_a_host_that_is_none(host, limits):
    with pytest.raises(UsageError, match="host-unknown"):
        serve(lambda: pytest.fail("loaded"), host, 0, limits, lambda facts: None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open any port")
def test_a_port_that_is_forbidden(limits):
    with pytest.raises(DeviceError, match="port-forbidden"):
        bind("127.0.0.1", 80)


def received(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    connection.settimeout(8)
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize(
    ("start", "dribble", "code"),
    [
        (b"", b"", b""),
        (b"GET /model HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n", b"header-slow"),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\n", b"x", b"body-slow"),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\n", b"", b"body-slow"),
        (b"GET /model HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", b"x", b"labels"),
    ],
)
def test_slow_clients_are_closed_and_others_served(address, client, start, dribble, code):
    where = urlsplit(address)
    connections = [socket.create_connection((where.hostname, where.port)) for _ in range(20)]
    begin = time.perf_counter()
    for connection in connections:
        connection.sendall(start)
    try:
        for _ in range(3):
            time.sleep(0.2)
            for connection in connections:
                connection.sendall(dribble)
        served_at = time.perf_counter()
        assert client.get("/v2/health/ready").status_code == 200
        assert time.perf_counter() - served_at < 1
        for connection in connections:
            assert code in received(connection)
    finally:
        for connection in connections:
            connection.close()
    assert time.perf_counter() - begin < 8  # the limits are 1 second, and 1 more to take in what is left


def test_a_second_request_may_not_be_slow_either(address):
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\n")
        assert b"HTTP/1.1 408" in received(connection)


def test_two_hundred_slow_connections_leave_room(address, client, pictures):
    where = urlsplit(address)
    connections = [socket.create_connection((where.hostname, where.port)) for _ in range(200)]
    try:
        for connection in connections:
            connection.sendall(b"POST /predict HTTP/1.1\r\n")
        assert client.post("/predict", content=pictures[0], headers={"content-type": "image/png"}).status_code == 200
    finally:
        for connection in connections:
            connection.close()


def test_idle_connections_are_closed(address, limits):
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        begin = time.perf_counter()
        assert b"200 OK" in received(connection)
        assert limits.idle_seconds * 0.9 < time.perf_counter() - begin < limits.idle_seconds + 3


@pytest.mark.parametrize("reads", [False, True])
def test_a_client_that_does_not_read_is_closed(model, limits, reads):
    """More answers than the buffers between the two take: the connection lives only as long as somebody reads."""

    async def main():
        config, state = ServerConfig(create_app(model, limits), limits), ServerState()
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        theirs.settimeout(5)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: Protocol(config, state, {}), ours)
        size = len((await asyncio.to_thread(ask, theirs, 1)).partition(b"\r\n\r\n")[2])
        theirs.sendall(CSS * 8)
        await asyncio.sleep(0.2)
        if reads:
            seen = await asyncio.to_thread(ask, theirs, 0, 8 * size)
            assert seen.count(b"HTTP/1.1 200 OK") == 8
        await asyncio.sleep(limits.write_seconds + 0.3)
        assert len(state.connections) == (1 if reads else 0)
        theirs.close()
        await asyncio.sleep(0.1)
        assert not state.connections

    asyncio.run(main())


CSS = b"GET /playground.css HTTP/1.1\r\nhost: x\r\n\r\n"


def ask(connection: socket.socket, count: int, at_least: int = 5000) -> bytes:
    """Send some requests and read what comes back, so many bytes at least."""
    connection.sendall(CSS * count)
    data = b""
    while len(data) < at_least or not data.endswith(CSS_END):
        data += connection.recv(65536)
    return data


CSS_END = (Path(flambeau.serving.__file__).parent / "playground" / "playground.css").read_bytes()[-40:]


def test_a_client_that_runs_ahead_is_closed(address):
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port)) as connection, pytest.raises(ConnectionError):
        begin = time.perf_counter()
        while time.perf_counter() - begin < 10:
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n" * 100)
            time.sleep(0.005)


FORM = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n%b\r\n--x--\r\n'
ASKED = {
    "a picture": ("image/png", lambda picture: picture),
    "a form": ("multipart/form-data; boundary=x", lambda picture: FORM % picture),
    "an object": ("application/json", lambda picture: b'{"inputs": [{"image": "%b"}]}' % base64.b64encode(picture)),
    "no picture": ("image/png", lambda _: b"hello"),
    "no pictures": ("application/json", lambda _: b'{"inputs": [{"image": "AAAA"}]}'),
    "no form": ("multipart/form-data; boundary=x", lambda _: FORM[:50] % ()),
    "no object": ("application/json", lambda _: b"{"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_an_answered_request_leaves_nothing_to_the_garbage_collector(address, pictures, asked):
    """Rings of references would fill the memory between its searches, and push what the next request needs out of the caches."""
    media, content = ASKED[asked]
    body = content(pictures[0])
    request = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    where = urlsplit(address)
    gc.freeze()  # a search through all that the tests hold could take longer than a connection may be idle
    gc.disable()
    try:
        with socket.create_connection((where.hostname, where.port)) as connection:
            answer_to(connection, request)
            gc.collect()
            for _ in range(20):
                answer_to(connection, request)
            left = gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    assert left < 20, f"{left / 20} objects for each request"


def answer_to(connection: socket.socket, request: bytes) -> bytes:
    """Send one request and read its answer."""
    connection.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    stated = re.search(rb"content-length: (\d+)", head)
    assert stated, data
    length = int(stated[1])
    return head + (body if len(body) == length else body + connection.recv(length - len(body), socket.MSG_WAITALL))


def test_garbage_behind_a_request_is_not_taken_for_its_answer(address):
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n\x16\x03\x01")
        assert not received(connection).startswith(b"HTTP/1.1 400")


def test_too_many_connections(model, run_server, limits):
    with run_server(model, limits.model_copy(update={"max_connections": 3, "header_seconds": 5.0})) as url:
        where = urlsplit(url)
        connections = [socket.create_connection((where.hostname, where.port)) for _ in range(4)]
        refused = received(connections[3])
        assert refused.startswith(b"HTTP/1.1 503") and b"connections-too-many" in refused and b"retry-after" in refused
        connections[0].sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert received(connections[0]).startswith(b"HTTP/1.1 200")
        for connection in connections:
            connection.close()


def test_more_than_the_server_can_do_is_refused_quickly(make_model, run_server, limits, pictures):
    """A slow model with a short queue: some are answered, the rest is told when to come back, and nothing gets stuck."""

    def runner(inputs):
        time.sleep(0.02)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    async def main(url):
        async with httpx.AsyncClient(base_url=url, timeout=20, limits=httpx.Limits(max_connections=64)) as client:
            asks = [client.post("/predict", content=pictures[0], headers={"content-type": "image/png"}) for _ in range(64)]
            return await asyncio.gather(*asks)

    with run_server(make_model(runner), limits.model_copy(update={"max_queue": 2})) as url:
        replies = asyncio.run(main(url))
        assert {reply.status_code for reply in replies} == {200, 503}
        assert all(int(reply.headers["retry-after"]) >= 1 and reply.json()["code"] == "queue-full" for reply in replies if reply.status_code == 503)
        held = re.search(r"^flambeau_held_bytes (\S+)", httpx.get(f"{url}/metrics").text, re.MULTILINE)
        assert float(held[1]) == 0


def test_bodies_in_memory_are_bounded_together(model, run_server, limits):
    with run_server(model, limits.model_copy(update={"max_held_bytes": 100_000})) as url:
        reply = httpx.post(f"{url}/predict", content=b"x" * 200_000, headers={"content-type": "image/png"})
        assert (reply.status_code, reply.json()["code"]) == (503, "queue-full")
        assert httpx.post(f"{url}/predict", content=b"x" * 1000, headers={"content-type": "image/png"}).status_code == 422


def test_work_of_a_client_that_left_is_dropped(make_model, run_server, limits, pictures):
    answered = []

    def runner(inputs):
        answered.append(len(inputs["image"]))
        time.sleep(0.8 if len(answered) > 30 else 0.01)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    with run_server(make_model(runner), limits) as url:
        where = urlsplit(url)
        answered.extend([0] * 31)
        del answered[:-31]
        connections = [socket.create_connection((where.hostname, where.port)) for _ in range(6)]
        connections[0].sendall(request(pictures[0]))
        time.sleep(0.1)  # the first one is in the model
        for connection in connections[1:]:
            connection.sendall(request(pictures[0]))
        time.sleep(0.2)
        for connection in connections[1:]:
            connection.close()
        assert b"200 OK" in connections[0].recv(100)
        time.sleep(1)
        connections[0].close()
    assert sum(answered) == 1


def test_a_bug_is_told_to_the_log_alone(model, run_server, limits, pictures, caplog, monkeypatch):
    def broken(self, array):
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr(type(model.predictor.inputs["image"]), "picture", broken)
    with run_server(model, limits) as url:
        reply = httpx.post(f"{url}/predict?preview=1", content=pictures[0], headers={"content-type": "image/png"})
        assert (reply.status_code, reply.json()["code"]) == (500, "server-bug")
        assert "secret" not in reply.text and "/secret/path" in caplog.text


def test_a_client_that_leaves_in_the_middle_of_its_body(address, client, pictures):
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(request(pictures[0])[:-10])
        time.sleep(0.1)
    time.sleep(0.1)
    assert "flambeau_held_bytes 0.0" in client.get("/metrics").text


def test_the_deadline_of_the_drain_is_told_to_those_who_wait(make_model, limits, pictures):
    replies = []

    def runner(inputs):
        time.sleep(2.5 if replies else 0.008)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    def trouble(port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            replies.append(b"")
            connection.sendall(request(pictures[0]))
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGTERM)
            replies.append(received(connection))

    thread = []

    def ready(facts):
        thread.append(threading.Thread(target=trouble, args=(facts.port,), daemon=True))
        thread[0].start()

    short = limits.model_copy(update={"drain_seconds": 1})
    assert serve(lambda: make_model(runner), "127.0.0.1", 0, short, ready) == 143
    thread[0].join(10)
    assert replies[1].startswith(b"HTTP/1.1 503") and b"server-draining" in replies[1]


def test_a_connection_that_was_just_accepted_may_still_ask(model, run_server, limits, pictures):
    with run_server(model, limits) as url:
        where = urlsplit(url)
        connection = socket.create_connection((where.hostname, where.port))
        late = threading.Timer(0.7, connection.sendall, (request(pictures[0]),))
        late.start()
        silent = socket.create_connection((where.hostname, where.port))
        time.sleep(0.05)
    assert received(connection).startswith(b"HTTP/1.1 200")
    assert received(silent) == b""
    late.join()
    connection.close()
    silent.close()


def test_limits_have_sense():
    limits = Limits()
    assert limits.header_seconds < 10 and limits.body_seconds < 10  # "closed in 10 s"
    assert limits.max_json_bytes <= limits.max_body_bytes <= limits.max_held_bytes
