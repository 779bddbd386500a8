"""The whole walk on real handwritten digits: fit, test, export, serve, and one answer over HTTP held against `predict`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from flambeau.errors import CheckFailed, DeviceError, ExtraMissing
from flambeau.events import Show
from flambeau.messages import text
from flambeau.storage import disk_error
from flambeau.types import Classified

LEVELS = 16
"""Brightest value in scikit-learn's digits."""


def write_digits(folder: Path, classes: int = 10, limit: int | None = None) -> Path:
    """Scikit-learn's 1,797 digits (8x8, UCI ML repository) as PNG files, one folder for each class: anybody's folder of pictures.

    Args:
        classes: only the digits below this one.
        limit: only the first so many of each class.

    Raises:
        ExtraMissing: scikit-learn is not installed.
        DeviceError: the disk is full or the folder cannot be written.
    """
    import numpy as np
    from PIL import Image

    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ExtraMissing("extra-missing", need="demo", package="scikit-learn", extra="demo") from error
    digits = load_digits()
    written = dict.fromkeys(range(classes), 0)
    for picture, label in zip(digits.images, digits.target.tolist(), strict=True):
        if label >= classes or (limit is not None and written[label] >= limit):
            continue
        file = folder / str(label) / f"{written[label]:03d}.png"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((picture * (255 / LEVELS)).round().astype(np.uint8)).save(file)
        except OSError as error:
            raise disk_error(error, folder) from error
        written[label] += 1
    return folder


def run_demo(folder: Path, show: Show, say: Callable[[str], None]) -> dict[str, Any]:
    """Runs the demo into `folder`; what `flambeau demo --json` prints.

    Raises:
        CheckFailed: the server's answer is not `predict`'s.
    """
    from flambeau import pipeline

    digits = write_digits(folder / "digits")
    say(text("demo-written", folder=digits))
    finished = pipeline.fit(digits, run=folder / "run", force=True, show=show)
    exported = pipeline.export(finished.artifact, "onnx", show=show)
    picture = sorted((digits / "3").iterdir())[7]
    expected = finished.predict([picture])[0]
    assert isinstance(expected, Classified), "digits are classes"
    with _server(finished.artifact) as url:
        answer = _post(url, picture.read_bytes())["predictions"][0]
    difference = max(abs(answer["probabilities"][label] - value) for label, value in expected.probabilities.items())
    if answer["label"] != expected.label or difference > 1e-4:
        raise CheckFailed("demo-differs", where=url, served=answer["label"], predicted=expected.label, difference=difference)
    say(text("demo-served", url=url, label=expected.label, difference=difference))
    served = {"label": answer["label"], "confidence": answer["confidence"], "largest_difference": difference}
    return {**finished.to_json(), "export": exported.verification, "served": served}


@contextmanager
def _server(run: Path) -> Iterator[str]:
    """A server of this run as a process of its own, on a free port."""
    command = [sys.executable, "-m", "flambeau", "serve", str(run), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own program
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or "{}")
        if "url" not in ready:
            raise DeviceError("server-silent", where="flambeau serve")
        yield ready["url"]
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def _post(url: str, body: bytes) -> Any:
    host, port = url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "image/png"})
        return json.load(connection.getresponse())
    finally:
        connection.close()
