"""Thousands of requests that nobody means well with: the server refuses each, keeps its memory, and answers the next person."""

from __future__ import annotations

import gc
import json
import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from flambeau.inputs.columns import Boolean, Category, Date, Number, Vector
from flambeau.inputs.sequence import SequenceInput
from flambeau.inputs.table import TableInput
from flambeau.inputs.text import TextInput
from flambeau.predictor import Predictor
from flambeau.serving.config import Limits
from flambeau.serving.model import ServedModel

PATHS = (
    "/predict",
    "/v2/models/digits/infer",
    "/",
    "/model",
    "/metrics",
    "/v2/health/ready",
    "/nothing",
    "/predict/../etc/passwd",
    "/%00",
    "/" + "a" * 300,
)
METHODS = ("POST", "POST", "POST", "GET", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW")
MEDIA = (
    "image/png",
    "image/jpeg",
    "application/json",
    "application/octet-stream",
    "multipart/form-data; boundary=b",
    "text/plain",
    "",
    "x" * 500,
    "image/*;q=é",
)
SHARDS = (
    b'{"inputs": [', b'{"image": "', b"}]}", b"null", b"1e999", b"-Infinity", b"\\ud800", b"\xff\xfe\x00", b"[" * 200, b"--b\r\n", b"--b--\r\n",
    b'Content-Disposition: form-data; name="file"; filename="../../x"\r\n\r\n', b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"data:image/png;base64,", b"http://127.0.0.1/",
    b'"datatype": "UINT8", "shape": [1, 1, 8, 8]', b'"shape": [-1, 9999999999]', b"0" * 300,
)  # fmt: skip
HEADERS = (
    b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, gzip",
    b"Expect: 100-continue", b"Connection: close", b"Range: bytes=0-1", b"X: " + b"y" * 2000, b"Content-Encoding: gzip", b"Host: x",
    b"Accept-Language: \xe4\xb8\xad", b" folded: x", b"no colon",
)  # fmt: skip
NORMAL, SOAK = 600, 10_000
MEMORY = 100 << 20
"""Bytes by which the process may grow."""


@pytest.mark.parametrize("number", [NORMAL, pytest.param(SOAK, marks=pytest.mark.soak)])
def test_hostile_requests_are_refused_and_leave_nothing(number: int, address: str, pictures: list[bytes], expected: list[str]) -> None:
    chance = random.Random(number)
    statuses: dict[int, int] = {}
    before = 0
    for turn in range(number):
        status = _ask(address, _whole(chance, pictures) if chance.random() < 0.7 else _raw(chance, pictures))
        statuses[status] = statuses.get(status, 0) + 1
        if turn == number // 10:  # what is needed once is there now
            before = _memory()
        if turn % 50 == 0:
            answer = httpx.post(f"{address}/predict", content=pictures[0], headers={"content-type": "image/png"}, timeout=5)
            assert answer.json()["predictions"][0]["label"] == expected[0]
    assert not [status for status in statuses if status >= 500], statuses
    assert statuses.get(400, 0) > number // 50 and statuses.get(422, 0) > number // 50, statuses
    gc.collect()
    assert _memory() - before < MEMORY


def _memory() -> int:
    """Bytes that this process, in which the server runs, holds."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _body(chance: random.Random, pictures: list[bytes]) -> bytes:
    """A picture with wrong bytes in it, shards of JSON and forms, or noise."""
    kind = chance.randrange(4)
    if kind == 0:
        body = bytearray(chance.choice(pictures))
        for _ in range(chance.randrange(1, 30)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        return bytes(body[: chance.randrange(1, len(body))])
    if kind == 1:
        return b"".join(chance.choices(SHARDS, k=chance.randrange(1, 12)))
    if kind == 2:
        value = chance.choice([None, [], {}, 1, "x", [{}], [None], [{"image": "A" * chance.randrange(99)}], [{"image": []}] * 70])
        return json.dumps({chance.choice(["inputs", "input", ""]): value}).encode()
    return chance.randbytes(chance.randrange(2000))


def _whole(chance: random.Random, pictures: list[bytes]) -> bytes:
    """A request that is HTTP, with a body that is anything; half of them go where they belong."""
    body = _body(chance, pictures)
    if chance.random() < 0.5:
        media = "image/png" if body[:4] == b"\x89PNG" else "application/json" if body[:1] in (b"{", b"[") else chance.choice(MEDIA[:5])
        method, path = "POST", chance.choice(PATHS[:2])
    else:
        method, path, media = chance.choice(METHODS), chance.choice(PATHS), chance.choice(MEDIA)
    head = [f"{method} {path} HTTP/1.1".encode(), b"Host: x", b"Connection: close"]
    head += [b"Content-Type: " + media.encode(), b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, b"", body])


def _raw(chance: random.Random, pictures: list[bytes]) -> bytes:
    """A head that is hardly HTTP, or not."""
    line = chance.choice(
        [b"POST /predict HTTP/1.1", b"GET / HTTP/0.9", b"POST /predict HTTP/9.9", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0", chance.randbytes(20)]
    )
    return b"\r\n".join([line, *chance.choices(HEADERS, k=chance.randrange(5)), b"", _body(chance, pictures)])


def _ask(address: str, raw: bytes) -> int:
    """Sends bytes and no more of them -> the status of the answer; 0 where the connection is closed without one."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        received = b""
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                received += piece
        except ConnectionError:
            pass
    words = received.split(b" ", 2)
    return int(words[1]) if len(words) > 2 and words[1].isdigit() else 0


WAYS = [
    ("/predict", "POST"),
    ("/v2/models/digits/infer", "POST"),
    ("/model", "GET"),
    ("/v2/health/ready", "GET"),
    ("/v2", "GET"),
    ("/metrics", "GET"),
]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def address_of_fields(
    make_model: Callable[..., ServedModel], run_server: Callable[..., AbstractContextManager[str]], limits: Limits
) -> Iterator[str]:
    """A server whose model takes a text, a series of any length and columns of every kind, which travel as JSON alone."""
    columns = {"size": Number(), "new": Boolean(), "colour": Category(min_count=1), "day": Date(), "shape": Vector(width=2)}
    rows = [(1.0, True, "red", date(2025, 3, 1), [1, 2]), (None, False, "blue", date(2025, 3, 3), [3, None])]
    table, series = TableInput(columns=columns), SequenceInput()
    words = TextInput(segment="words", language="en", max_length=5).resolve(["one two"])
    measured = [np.arange(12.0).reshape(6, 2), np.ones((4, 2))]
    inputs = {
        "remark": words.fit([words.read("one two")]),
        "wind": (known := series.resolve(measured)).fit([known.read(one) for one in measured]),
        "table": table.fit([table.read(dict(zip(columns, row, strict=True))) for row in rows]),
    }
    digits = make_model()
    predictor = Predictor(inputs, lambda tensors: np.full((len(tensors["table"]), 10), 0.1, np.float32), digits.predictor.target)
    signature = {**digits.signature, "inputs": {name: {"type": chosen.type} for name, chosen in inputs.items()}}
    with run_server(replace(digits, predictor=predictor, signature=signature), limits) as url:
        yield url


@pytest.mark.parametrize("served", ["address", "address_of_fields"])
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [*((*way, GenerationMode.POSITIVE) for way in WAYS), *((*way, GenerationMode.NEGATIVE) for way in WAYS if way[1] == "POST")],
)
def test_every_answer_is_as_the_description_says(request: pytest.FixtureRequest, served: str, path: str, method: str, mode: GenerationMode) -> None:
    """To what fits the description and to what does not: no server error, and statuses, media types and bodies as they are described."""
    address = request.getfixturevalue(served)
    operation = schemathesis.openapi.from_url(f"{address}/openapi.json")[path][method]
    seen = 0

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        nonlocal seen
        seen += 1
        case.call_and_validate(checks=CHECKS)

    ask()
    assert seen
