"""A text as the body, in the charset that its client names; and what an empty body is told."""

from __future__ import annotations

import encodings

import httpx
import numpy as np
import pytest

from flambeau.errors import UsageError
from flambeau.inputs.table import TableInput
from flambeau.inputs.text import TextInput
from flambeau.predictor import Predictor
from flambeau.serving.charset import charset_of
from flambeau.serving.model import ServedModel


def served_on(preprocessor, model):
    """A model whose answer is how often its first word is known."""

    def runner(inputs):
        answers = np.full((len(next(iter(inputs.values()))), 10), 0.01, np.float32)
        for row, ids in zip(answers, next(iter(inputs.values())), strict=True):
            row[int(ids.ravel()[0]) % 10] = 0.91
        return answers

    predictor = Predictor({"value": preprocessor}, runner, model.predictor.target)
    return ServedModel(predictor, "digits", {**model.signature, "inputs": {"value": {"type": preprocessor.type}}}, model.runtime)


@pytest.fixture(scope="module")
def client(model, run_server, limits):
    values = ["grät", "film", "文本", "good film"] * 3
    chosen = TextInput(max_length=8).resolve(values)
    with run_server(served_on(chosen.fit([chosen.read(value) for value in values]), model), limits) as url, httpx.Client(base_url=url) as client:
        yield client


def asked(client, body, media):
    return client.post("/predict", content=body, headers={"content-type": media})


@pytest.mark.parametrize(
    ("word", "charset"),
    [
        ("grät", "iso-8859-1"),
        ("grät", '"ISO-8859-1"'),
        ("grät", "windows-1252"),
        ("文本", "gb18030"),
        ("文本", "big5"),
        ("文本", "utf-16"),
        ("grät", "UTF-8"),
    ],
)
def test_a_text_is_read_in_its_charset(client, word, charset):
    expected = client.post("/predict", json={"inputs": [{"value": word}]}).json()
    assert asked(client, word.encode(charset.strip('"')), f"text/plain; charset={charset}").json() == expected
    assert asked(client, word.encode(), "text/plain").json() == expected
    assert asked(client, word.encode(), "application/octet-stream").json() == expected


def test_a_large_text_is_read_in_its_charset(client):
    assert asked(client, "grät ".encode("latin-1") * 30_000, "text/plain; charset=latin-1").status_code == 200


@pytest.mark.parametrize(
    "charset", ["base64", "rot13", "hex", "idna", "punycode", "unicode_escape", "undefined", "no-such", "../x", "é", "x" * 3000, "zip"]
)
def test_what_is_no_charset_is_refused(client, charset):
    reply = client.post("/predict", content=b"abc", headers=[(b"content-type", b"text/plain; charset=" + charset.encode())])
    assert (reply.status_code, reply.json()["code"]) == (415, "charset-unknown")
    assert charset[:3] in reply.json()["detail"] or not charset.isascii()


def test_a_text_that_is_not_in_its_charset(client):
    for charset, body in (("ascii", "grät".encode()), ("utf-16", b"abc"), ("big5", b"\xff\xff")):
        reply = asked(client, body, f"text/plain; charset={charset}")
        assert (reply.status_code, reply.json()["code"]) == (422, "charset-wrong")


def test_unknown_names_are_not_remembered():
    """Python keeps each name that it was asked for."""
    before = len(encodings._cache)
    for number in range(50):
        with pytest.raises(UsageError):
            charset_of(b"text/plain; charset=no-such-%d" % number)
    assert len(encodings._cache) == before


def test_an_empty_body_is_told_what_the_model_takes(client, model, run_server, limits):
    fix = asked(client, b"", "text/plain").json()["fix"]
    assert "text/plain" in fix and "photo" not in fix
    values = [{"age": age, "colour": colour} for age, colour in zip(range(20, 32), ["red", "green"] * 6, strict=True)]
    chosen = TableInput.over({name: [value[name] for value in values] for name in values[0]}).resolve(values)
    with run_server(served_on(chosen.fit([chosen.read(value) for value in values]), model), limits) as url:
        for path in ("/predict", "/predict?preview=1"):
            reply = httpx.post(url + path, content=b"", headers={"content-type": "application/json"}).json()
            assert reply["code"] == "request-empty" and "'Content-Type: application/json'" in reply["fix"]
            assert "photo" not in reply["fix"] and "image" not in reply["fix"]
