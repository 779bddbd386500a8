"""Pictures that a model of pictures refuses: each kind has its status, from the decoder that ships to the client of a real server."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import replace

import httpx
import numpy as np
import pytest
from PIL import Image

from flambeau.inputs.image import ImageInput
from flambeau.messages import catalogue
from flambeau.serving.problems import STATUS, STATUS_BY_ENDING, UNTOLD

LIMIT = 4096


@pytest.fixture(scope="module")
def client(make_model, run_server, limits) -> Iterator[httpx.Client]:
    chosen = ImageInput.model_validate({"size": 8, "resize": "stretch", "channels": 1, "max_pixels": LIMIT, "augment": []})
    fitted = chosen.fit([np.full((1, 8, 8), level, np.uint8) for level in (0, 128, 255)])
    model = make_model()
    model = replace(model, predictor=replace(model.predictor, inputs={"image": fitted}))
    with run_server(model, limits) as url, httpx.Client(base_url=url, timeout=20) as connection:
        yield connection


def picture(width: int, height: int, form: str = "png") -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), 90).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (picture(64, 64), 200, ""),
        (picture(64, 64, "gif"), 200, ""),
        (picture(65, 64), 413, "image-too-large"),
        (picture(64, 65, "bmp"), 413, "image-too-large"),
        (picture(1, 1)[:16] + (1 << 20).to_bytes(4) * 2 + picture(1, 1)[24:], 422, "image-unreadable"),  # the checksum tells that it lies
        (b"%PDF-1.7\n", 415, "image-format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "image-format"),
        (picture(8, 8, "pcx"), 415, "image-format"),
        (b"\x1f\x8b\x08" + b"\0" * 40, 415, "image-format"),
        (b"hello", 422, "image-unreadable"),
        (picture(64, 64)[:-30], 422, "image-truncated"),
        (b"\x89PNG\r\n\x1a\n", 422, "image-unreadable"),
    ],
)
def test_each_refusal_has_its_status(client: httpx.Client, content: bytes, status: int, code: str) -> None:
    answer = client.post("/predict", content=content, headers={"content-type": "image/png"})
    assert (answer.status_code, answer.json().get("code", "")) == (status, code)
    row = {"image": base64.b64encode(content).decode()}
    again = client.post("/predict", json={"inputs": [row]})
    assert (again.status_code, again.json().get("code", "")) == (status, code)
    both = client.post("/predict", json={"inputs": [row, {"image": base64.b64encode(picture(8, 8)).decode()}]}).json()["predictions"]
    assert both[0].get("error", {"code": ""})["code"] == code and "probabilities" in both[1]


def test_statuses_are_those_of_errors_that_there_are() -> None:
    codes = set(catalogue("en"))
    assert set(STATUS) <= codes and codes >= UNTOLD
    assert all(any(code.endswith(ending) for code in codes) for ending in STATUS_BY_ENDING)
