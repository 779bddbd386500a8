"""Requests that are sent ahead of the answers: many of them, and something wrong behind good ones."""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import urlsplit

import numpy as np
import pytest

from flambeau.serving.protocol import PIECE

LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n"


def posted(body, path=b"/predict"):
    return b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n" % (path, len(body)) + body


def in_chunks(body):
    return CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.fixture(scope="module")
def url(make_model, run_server, limits):
    """A server whose model takes 10 ms."""

    def runner(inputs):
        time.sleep(0.01)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    with run_server(make_model(runner), limits.model_copy(update={"header_seconds": 0.5})) as address:
        yield address


def asked(url, *pieces, is_last=True):
    """The statuses of all answers; the last request asks to close."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        if is_last:
            connection.sendall(LIVE.replace(b"host", b"connection: close\r\nhost"))
        data = b""
        while piece := connection.recv(65536):
            data += piece
    return re.findall(rb"HTTP/1.1 (\d+)", data)


@pytest.mark.parametrize("count", [9, 10, 50])
def test_all_requests_of_one_segment_are_answered(url, pictures, count):
    assert asked(url, posted(pictures[0]) * count) == [b"200"] * (count + 1)


@pytest.mark.parametrize("path", [b"/predict", b"/predict?preview=1"])
def test_a_thousand_requests_behind_one_that_takes_a_moment(url, pictures, path):
    """More than a piece holds, and more than a stack of calls."""
    ahead = LIVE * 1000
    assert len(ahead) > 4 * PIECE
    assert asked(url, posted(pictures[0], path) + ahead, LIVE) == [b"200"] * 1003


@pytest.mark.parametrize("cut", [None, 5, PIECE - 1, PIECE, 3 * PIECE + 7])
def test_both_roads_in_order_wherever_the_segments_end(url, pictures, cut):
    """Bodies small, in chunks, large, and with the words of a request in them; queries, and what is refused."""
    turn = [
        (b"200", posted(pictures[0])),
        (b"404", b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"),
        (b"200", in_chunks(pictures[1] + LIVE)),
        (b"422", posted(LIVE * 3)),
        (b"200", posted(pictures[2] + LIVE * 200)),
        (b"200", posted(pictures[2] + b"\0" * 90_000)),
        (b"405", b"GET /predict HTTP/1.1\r\nhost: x\r\n\r\n"),
        (b"200", posted(pictures[3], b"/predict?preview=1")),
    ]
    sent = b"".join(request for _, request in turn * 3)
    assert asked(url, *((sent[:cut], sent[cut:]) if cut else (sent,))) == [status for status, _ in turn * 3] + [b"200"]


@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (b"\x16\x03\x01", b"400"),
        (b"GET /model HTTP/1.1\r\nno header\r\n\r\n", b"400"),
        (CHUNKED + b"zz\r\n", b"400"),
        (CHUNKED.replace(b"predict", b"predict?preview=1") + b"zz\r\n", b"400"),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", b"431"),
        (b"GET /model HTTP/1.1\r\nhost: x\r\na: " + b"b" * 40_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_what_is_wrong_behind_good_requests_is_refused_after_their_answers(url, pictures, count, wrong, status):
    assert asked(url, posted(pictures[0]) * count + wrong, is_last=False) == [b"200"] * count + [status]


def test_a_slow_head_behind_a_slow_answer_is_refused_after_it(make_model, run_server, limits, pictures):
    def runner(inputs):
        time.sleep(1.0 if is_slow else 0.01)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    is_slow = False
    with run_server(make_model(runner), limits.model_copy(update={"header_seconds": 0.3})) as url:
        is_slow = True
        assert asked(url, posted(pictures[0]) + LIVE[:20], is_last=False) == [b"200", b"408"]


def test_what_is_kept_waits_while_its_client_is_held(make_model, run_server, limits, pictures):
    """A refusal costs as much as an answer: those that come behind others do not get round the brake."""

    def runner(inputs):
        time.sleep(0.01)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    small = limits.model_copy(update={"max_held_bytes": 10, "write_seconds": 10.0, "header_seconds": 5.0})
    with run_server(make_model(runner), small) as url:
        begin = time.monotonic()
        statuses = asked(url, posted(pictures[0]) * 1500)
        assert statuses == [b"503"] * 1500 + [b"200"]
        assert time.monotonic() - begin > 1
