"""What a hostile or a careless client can send, against a real server on a real socket."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from flambeau.serving import protocol

IMAGE = {"content-type": "image/png"}
JSON = {"content-type": "application/json"}
LEAKS = re.compile(rb"Traceback|0x[0-9a-f]{6,}|/work|/usr/|\.py\b")


def exchange(address: str, raw: bytes, *, seconds: float = 5.0, size: int = 1 << 16) -> bytes:
    """Send bytes as they are -> what comes back until the server closes or falls silent."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=seconds) as connection:
        received = b""
        try:
            connection.sendall(raw)
            while piece := connection.recv(size):
                received += piece
                head, separator, body = received.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                if separator and length and len(body) >= int(length[1]):
                    break
        except (TimeoutError, ConnectionError):
            pass
        return received


def status_and_code(raw: bytes) -> tuple[int, str]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)["code"]


def check_problem(response, status, code):
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:flambeau:problem:{code}")
    assert problem["detail"] and problem["title"]
    assert not LEAKS.search(response.content)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", IMAGE, 400, "request-empty"),
        (b"", JSON, 400, "request-empty"),
        (b"{", JSON, 400, "json-invalid"),
        (b"[" * 100_000, JSON, 400, "json-invalid"),
        (b'{"inputs":' * 100_000, JSON, 400, "json-invalid"),
        (b"\xef\xbb\xbf{}", JSON, 400, "json-invalid"),
        (b'{"inputs": "\xff\xfe"}', JSON, 400, "json-invalid"),
        (b'{"inputs": [], "inputs": []}', JSON, 400, "json-key-twice"),
        (b'{"inputs": [NaN]}', JSON, 422, "number-invalid"),
        (b'{"inputs": [-Infinity]}', JSON, 422, "number-invalid"),
        (b'{"inputs": [1e400]}', JSON, 422, "number-invalid"),
        (b'{"inputs": [' + b"9" * 5000 + b"]}", JSON, 422, "number-invalid"),
        (b'{"inputs": [{"image": "\\ud800"}]}', JSON, 422, "text-invalid"),
        (b"[]", JSON, 422, "request-value-type"),
        (b"null", JSON, 422, "request-value-type"),
        (b'{"inputs": []}', JSON, 422, "request-value-type"),
        (b'{"inputs": {}}', JSON, 422, "request-value-type"),
        (b'{"inputs": [1]}', JSON, 422, "request-value-type"),
        (b'{"inputs": [true]}', JSON, 422, "request-value-type"),
        (b'{"inputs": [{"image": 1}]}', JSON, 422, "request-value-type"),
        (b'{"inputs": [{"image": null}]}', JSON, 422, "request-value-type"),
        (b'{"input": []}', JSON, 422, "request-field-unknown"),
        (b'{"inputs": [{"picture": ""}]}', JSON, 422, "request-field-unknown"),
        (b"{}", JSON, 422, "field-missing"),
        (b'{"inputs": [{}]}', JSON, 422, "field-missing"),
        (b'{"inputs": [{"image": "http://127.0.0.1/secret"}]}', JSON, 422, "url-refused"),
        (b'{"inputs": [{"image": "file:///etc/passwd"}]}', JSON, 422, "url-refused"),
        (b'{"inputs": [{"image": "/etc/passwd!"}]}', JSON, 400, "base64-invalid"),
        (b'{"inputs": [{"image": "aGVsbG8"}]}', JSON, 400, "base64-invalid"),
        (b'{"inputs": [{"image": "aGVs\\nbG8="}]}', JSON, 400, "base64-invalid"),
        (b'{"inputs": [{"image": "\xc3\xa4aaa"}]}', JSON, 400, "base64-invalid"),
        (b'{"inputs": [{"image": "aGVsbG8="}]}', JSON, 422, "image-unreadable"),
        (b'{"inputs": [' + b",".join([b'{"image": ""}'] * 65) + b"]}", JSON, 413, "items-too-many"),
        (b"http://127.0.0.1/secret.png", IMAGE, 422, "image-unreadable"),
        (b"/etc/passwd", {"content-type": "application/octet-stream"}, 422, "image-unreadable"),
        (b"x", {"content-type": "text/plain"}, 415, "media-type-unknown"),
        (b"x", {"content-type": "application/x-www-form-urlencoded"}, 415, "media-type-unknown"),
        (b"x", {"content-type": "<img onerror=alert(1)>"}, 415, "media-type-unknown"),
        (b"x", {}, 415, "media-type-unknown"),
        (gzip.compress(b"0" * 10_000_000), {**IMAGE, "content-encoding": "gzip"}, 415, "encoding-unknown"),
        (b"x" * ((1 << 20) + 1), IMAGE, 413, "body-too-large"),
        (b"x", {"content-type": "multipart/form-data"}, 400, "form-invalid"),
        (b"x", {"content-type": "multipart/form-data; boundary=" + "b" * 2000}, 400, "form-invalid"),
        (b"x", {"content-type": "multipart/form-data; boundary=" + "b" * 300}, 400, "form-invalid"),
        (b"x", {"content-type": "multipart/form-data; boundary=b"}, 400, "form-invalid"),
        (b"--b--\r\n", {"content-type": "multipart/form-data; boundary=b"}, 400, "form-invalid"),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx', {"content-type": "multipart/form-data; boundary=b"}, 400, "form-invalid"),
        (
            b'--b\r\nContent-Disposition: form-data; name="picture"\r\n\r\nx\r\n--b--',
            {"content-type": "multipart/form-data; boundary=b"},
            422,
            "request-field-unknown",
        ),
    ],
)
def test_bad_bodies(client, body, headers, status, code):
    begin = time.perf_counter()
    response = client.post("/predict", content=body, headers=headers)
    assert time.perf_counter() - begin < 2  # a shared machine; the time itself is measured in test_refusals_are_quick
    check_problem(response, status, code)
    assert client.get("/v2/health/live").json() == {"live": True}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "path-unknown"),
        ("GET", "/v2/models/other", 404, "path-unknown"),
        ("POST", "/v2/models/other/infer", 404, "path-unknown"),
        ("GET", "/..%2f..%2fetc/passwd", 404, "path-unknown"),
        ("GET", "/playground.css%00.html", 404, "path-unknown"),
        ("GET", "/%ff%fe", 404, "path-unknown"),
        ("GET", "/predict", 405, "method-unknown"),
        ("DELETE", "/model", 405, "method-unknown"),
        ("HEAD", "/predict", 405, "method-unknown"),
        ("OPTIONS", "/predict", 405, "method-unknown"),
    ],
)
def test_unknown_paths_and_methods(client, method, path, status, code):
    response = client.request(method, path)
    if method == "HEAD":
        assert (response.status_code, response.content) == (status, b"")
    else:
        check_problem(response, status, code)
    if status == 405:
        assert response.headers["allow"] in ("POST", "GET, HEAD")


@pytest.mark.parametrize("path", ["/predict", "/predict?preview=1", "/v2/models/digits/infer"])
@pytest.mark.parametrize("large", [False, True])
def test_what_a_page_of_another_site_sends_is_refused(client, pictures, path, large):
    """A form needs no leave of the server to be sent; the browser says where it comes from, and the model is not asked."""
    before = batches(client)
    body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + pictures[0] + b" " * (100_000 * large) + b"\r\n--b--\r\n"
    form = {"content-type": "multipart/form-data; boundary=b", "sec-fetch-mode": "no-cors"}
    check_problem(client.post(path, content=body, headers={**form, "sec-fetch-site": "cross-site"}), 403, "cross-site")
    assert batches(client) == before
    if path.startswith("/predict"):
        for site in ("same-origin", "same-site", "none"):
            assert client.post(path, content=body, headers={**form, "sec-fetch-site": site}).status_code == 200


def test_a_link_on_another_site_leads_to_the_playground(client):
    assert client.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200


def batches(client):
    """How often the model was asked."""
    return re.search(r"^flambeau_batch_examples_count (\S+)", client.get("/metrics").text, re.MULTILINE)[1]


def test_unknown_paths_make_no_series(client):
    before = client.get("/metrics").text
    for number in range(20):
        client.get(f"/secret-{number}")
        client.request("GET", "/model", headers={"x-route": str(number)})
    after = client.get("/metrics").text
    assert "secret" not in after
    assert 'flambeau_requests_total{route="unknown",status="404"}' in after
    assert abs(len(after.splitlines()) - len(before.splitlines())) < 40  # the two series themselves, with their buckets


def test_a_form_with_many_parts_is_refused_at_the_first_too_many(address):
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
    body = part * 2000 + b"--b--\r\n"
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert status_and_code(exchange(address, head + body)) == (413, "items-too-many")


def test_a_form_needs_no_names_that_are_safe(client, pictures, expected):
    names = ["../../x", "a\x00b", "a\r\nx: y", '"><img onerror=alert(1)>', "\U0001f525.png"]
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name.replace("\r\n", "%0D%0A").encode() + b'"\r\n\r\n' + picture + b"\r\n"
        for name, picture in zip(names, pictures, strict=False)
    )
    response = client.post("/predict", content=body + b"--b--\r\n", headers={"content-type": "multipart/form-data; boundary=b"})
    assert response.status_code == 200
    assert [(one["input"], one["label"]) for one in response.json()["predictions"]] == list(enumerate(expected[: len(names)]))
    assert b"onerror" not in response.content


def test_too_large_without_a_length(client):
    def pieces():
        for _ in range(64):
            yield b"x" * 65536

    check_problem(client.post("/predict", content=pieces(), headers=IMAGE), 413, "body-too-large")


def test_too_large_is_told_before_the_body_is_read(address):
    begin = time.perf_counter()
    raw = exchange(address, b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 99999999999\r\n\r\n")
    assert status_and_code(raw) == (413, "body-too-large")
    assert b"connection: close" in raw
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "request-not-http"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "request-not-http"),
        (b"GET /model HTTP/1.1\r\n\r\n", 400, "host-missing"),
        (b"GET /model?a=1 HTTP/1.1\r\na: b\r\n\r\n", 400, "host-missing"),
        (b"POST /predict HTTP/1.1\r\ncontent-type: image/png\r\ncontent-length: 3\r\n\r\nabc", 400, "host-missing"),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\ncontent-length: 3\r\n\r\nabc", 417, "expectation-unknown"),
        (b"GET /model HTTP/1.1\r\nhost: x\r\nexpect: 100-continue, more\r\n\r\n", 417, "expectation-unknown"),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "transfer-encoding-unknown"),
        (b"POST /predict?preview=1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501, "transfer-encoding-unknown"),
        (b"GET /model HTTP/1.1\r\nbad header\r\n\r\n", 400, "request-not-http"),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, "request-not-http"),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n", 400, "request-not-http"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 101_000 + b"\r\n\r\n", 431, "header-too-large"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 301_000, 431, "header-too-large"),
        (b"GET /" + b"b" * 101_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431, "header-too-large"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", 431, "header-too-large"),
        (
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=" + b"b" * (1 << 20) + b"\r\n\r\n",
            431,
            "header-too-large",
        ),
    ],
)
def test_bad_heads(address, raw, status, code):
    begin = time.perf_counter()
    answer = exchange(address, raw)
    assert status_and_code(answer) == (status, code)
    assert not LEAKS.search(answer)
    assert time.perf_counter() - begin < 1


def test_refusals_are_quick(client):
    """The quickest of five tries: what the work costs, not what a busy neighbour adds."""
    for body, headers in [
        (b"[" * 100_000, JSON),
        (b'{"inputs": [' + b"9" * 5000 + b"]}", JSON),
        (b"--b\r\n" * 5000, {"content-type": "multipart/form-data; boundary=b"}),
    ]:
        tries = []
        for _ in range(5):
            begin = time.perf_counter()
            assert 400 <= client.post("/predict", content=body, headers=headers).status_code < 500
            tries.append(time.perf_counter() - begin)
        assert min(tries) < 0.05


def test_several_answers_in_order_and_a_bad_one_in_its_place(client, pictures, expected):
    files = [("file", (f"{place}.png", data)) for place, data in enumerate([pictures[0], b"no picture", pictures[1], b""])]
    response = client.post("/predict", files=files)
    assert response.status_code == 200
    answers = response.json()["predictions"]
    assert [answer["input"] for answer in answers] == [0, 1, 2, 3]
    assert [answer.get("label") for answer in answers] == [expected[0], None, expected[1], None]
    assert answers[1]["error"]["code"] == "image-unreadable" and set(answers[1]["error"]) == {"code", "message", "where", "fix"}


def test_raw_form_and_json_agree(client, pictures):
    raw = client.post("/predict", content=pictures[5], headers=IMAGE).json()
    octets = client.post("/predict", content=pictures[5], headers={"content-type": "application/octet-stream"}).json()
    form = client.post("/predict", files=[("file", pictures[5])]).json()
    text = client.post("/predict", json={"inputs": [{"image": base64.b64encode(pictures[5]).decode()}]}).json()
    assert raw == octets == form == text
    (prediction,) = raw["predictions"]
    assert list(prediction) == ["input", "label", "confidence", "probabilities"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert prediction["confidence"] == max(prediction["probabilities"].values()) == prediction["probabilities"][prediction["label"]]


def test_the_time_is_told(client, pictures):
    header = client.post("/predict", content=pictures[0], headers=IMAGE).headers["server-timing"]
    assert re.fullmatch(r"decode;dur=[\d.]+, queue;dur=[\d.]+, model;dur=[\d.]+", header)


def test_preview_shows_what_the_model_was_given(client, pictures, model):
    import io

    import numpy as np
    from PIL import Image

    response = client.post("/predict?preview=1", files=[("file", pictures[0]), ("file", b"bad")]).json()["predictions"]
    head, data = response[0]["seen"]["image"].split(",")
    assert head == "data:image/png;base64"
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(seen, model.predictor.encode({"image": pictures[0]})["image"][0])
    assert "seen" not in response[1]


def test_every_answer_has_the_headers_that_protect(client):
    for path in ("/", "/docs", "/model", "/nothing", "/playground.js"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers and "server" not in headers


def test_answers_go_out_in_one_write(client, pictures, monkeypatch):
    """Past ASGI's messages, with the same headers and the same words."""
    requests = [("GET", "/model", {}), ("POST", "/predict", {"content": pictures[0], "headers": IMAGE}), ("GET", "/predict", {})]
    requests.append(("POST", "/predict", {"content": b"nothing", "headers": IMAGE}))
    client.get("/model")
    time.sleep(1.1)  # by then uvicorn has set the headers that it adds to every answer
    ways = []
    for is_whole in (True, False):
        if is_whole:
            monkeypatch.setattr(RequestResponseCycle, "send", None)
        else:
            monkeypatch.undo()
            monkeypatch.setattr(protocol, "METHODS", ())
        ways.append([client.request(method, path, **more) for method, path, more in requests])
    for ours, theirs in zip(*ways, strict=True):
        assert ours.status_code == theirs.status_code
        assert set(ours.headers) == set(theirs.headers)
        changing = {"date", "server-timing"}
        assert {name: value for name, value in ours.headers.items() if name not in changing} == {
            name: value for name, value in theirs.headers.items() if name not in changing
        }
        assert ours.content == theirs.content
    assert abs(parsedate_to_datetime(ways[0][0].headers["date"]).timestamp() - time.time()) < 5


def test_head_is_get_without_a_body(client):
    for path in ("/", "/model", "/v2/health/ready", "/openapi.json"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


def test_expect_continue(address, pictures):
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n" % len(pictures[0])
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(pictures[0])
        assert connection.recv(20).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "head", [b"GET /v2/health/live HTTP/1.0\r\n\r\n", b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"]
)
def test_what_the_rules_of_http_allow(address, head):
    assert exchange(address, head).startswith(b"HTTP/1.1 200")


def test_an_upgrade_is_not_followed(address):
    upgrade = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n"
    raw = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n" + upgrade + b"\r\n"
    assert b"101" not in exchange(address, raw, seconds=2).partition(b"\r\n")[0]


def test_pipelined_requests_are_answered_in_order(address):
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=5) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\nGET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"404"]
