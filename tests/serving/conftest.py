"""A real, tiny model: an 8 x 8 digit classifier as an ONNX graph, behind the application and behind a real server."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import httpx
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, UnidentifiedImageError
from sklearn.datasets import load_digits

from flambeau.errors import DataError
from flambeau.inputs.input import Preprocessor
from flambeau.inputs.pixels import data_url
from flambeau.predictor import Predictor
from flambeau.serving.app import create_app
from flambeau.serving.config import Limits
from flambeau.serving.model import ServedModel
from flambeau.serving.server import Server, bind
from flambeau.tasks.classification import Classification
from flambeau.types import Array, TensorSpec

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


class Digit(Preprocessor):
    """Any picture -> 8 x 8 grey levels, by Pillow."""

    type: Literal["image"] = "image"

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(("channels", "height", "width"), (1, 8, 8), "uint8")

    @property
    def gives(self) -> TensorSpec:
        return TensorSpec(("channels", "height", "width"), (1, 8, 8), "float32")

    def read(self, value: object) -> Array:
        assert isinstance(value, bytes)  # whatever a client sends, no path and no address may ever come as far as here
        try:
            with Image.open(io.BytesIO(value), formats=["PNG", "JPEG"]) as image:
                if image.width * image.height > 1_000_000:
                    raise DataError("image-too-large", size=f"{image.width} x {image.height}", limit=1_000_000)
                return np.asarray(image.convert("L").resize((8, 8), Image.Resampling.BOX))[None]
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
            raise DataError("image-unreadable") from None

    def picture(self, array: Array) -> str:
        return data_url(array.astype(np.uint8))

    def module(self) -> object:  # type: ignore[override]
        raise AssertionError("a server never asks for it")


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits: images (1797, 8, 8) uint8 and labels."""
    data = load_digits()
    return (data.images * 255 / 16).round().astype(np.uint8), data.target


@cache
def graph() -> bytes:
    """Least squares on the digits, as an ONNX model from uint8 (n, 1, 8, 8) to probabilities (n, 10)."""
    images, labels = digits()
    rows = np.concatenate([images.reshape(-1, 64) / 255.0, np.ones((len(images), 1))], 1)
    fitted = 8 * np.linalg.solve(rows.T @ rows + np.eye(65), rows.T @ np.eye(10)[labels])
    weights = [numpy_helper.from_array(fitted[:64].astype(np.float32), "w"), numpy_helper.from_array(fitted[64].astype(np.float32), "b")]
    weights += [numpy_helper.from_array(np.float32(255), "level"), numpy_helper.from_array(np.array([0, 64]), "flat")]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "level"], ["share"]),
        helper.make_node("Reshape", ["share", "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["answers"], axis=-1),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1, 8, 8])]
    outputs = [helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["n", 10])]
    model = helper.make_model(helper.make_graph(nodes, "digits", inputs, outputs, weights), opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    return model.SerializeToString()


def png(image: np.ndarray, scale: int = 4) -> bytes:
    """(8, 8) uint8 -> a PNG file, enlarged so that the preprocessor gets the same pixels back."""
    file = io.BytesIO()
    Image.fromarray(np.kron(image, np.ones((scale, scale), np.uint8))).save(file, "png")
    return file.getvalue()


def served(runner: Callable[..., np.ndarray] | None = None) -> ServedModel:
    """The digits model, or another runner in its place."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph(), options, providers=["CPUExecutionProvider"])
    run = runner or (lambda inputs: session.run(None, dict(inputs))[0])
    target = Classification(target="digit").fit([str(label) for label in digits()[1]])
    signature = {
        "inputs": {"image": {"type": "image"}},
        "labels": [str(label) for label in range(10)],
        "versions": {"flambeau": "0.1.0"},
        "test": {"accuracy": {"value": 0.962, "low": 0.94, "high": 0.976, "n": 450}},
    }
    return ServedModel(Predictor({"image": Digit()}, run, target), "digits", signature, f"onnxruntime {onnxruntime.__version__}")


@contextmanager
def running(model: ServedModel, limits: Limits) -> Iterator[str]:
    """A real server in a thread of this process; gives its address."""
    listener = bind("127.0.0.1", 0)
    app = create_app(model, limits)
    listening = threading.Event()
    server = Server(app, limits, listening.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert listening.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        app.close()
        listener.close()
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def model() -> ServedModel:
    return served()


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits(max_body_bytes=1 << 20, max_json_bytes=1 << 20, header_seconds=1, body_seconds=1, write_seconds=1, idle_seconds=2, drain_seconds=5)


@pytest.fixture(scope="session")
def address(model: ServedModel, limits: Limits) -> Iterator[str]:
    with running(model, limits) as url:
        yield url


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=20) as connection:
        yield connection


@pytest.fixture(scope="session")
def make_model() -> Callable[..., ServedModel]:
    return served


@pytest.fixture(scope="session")
def run_server() -> Callable[..., object]:
    return running


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """The first 200 digits as PNG files."""
    return [png(image) for image in digits()[0][:200]]


@pytest.fixture(scope="session")
def expected(model: ServedModel, pictures: list[bytes]) -> list[str]:
    """What the predictor itself says about each of the pictures."""
    return [prediction.label for prediction in model.predictor.predict([{"image": picture} for picture in pictures])]


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("no Chromium here")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens an address in a page that records what it says on its console and whom it asks, when the playground is there."""
    contexts = []

    def open_at(url, **options):
        contexts.append(browser.new_context(locale="en-US", **options))
        page = contexts[-1].new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(url)
        page.locator("#choose, button[type=submit]").first.wait_for(state="attached")
        return page

    yield open_at
    for context in contexts:
        context.close()
