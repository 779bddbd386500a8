"""The answer that was tested is the answer that is shipped: Python, command line, PyTorch and HTTP give the same."""

from __future__ import annotations

import csv
import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau.exporting.torch import TorchRunner
from flambeau.predictor import Predictor
from flambeau.restoring import restore_network

NEAR = 1e-4
Answer = tuple[str, dict[str, float]]


def files_of(run: Path, data: Path) -> list[Path]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        return [data / row["path"] for row in csv.DictReader(file) if row["split"] == "test"]


def by_python(run: Path, files: list[Path]) -> list[Answer]:
    return [(answer.label, answer.probabilities) for answer in fb.load(run).predict(files)]


def by_torch(run: Path, files: list[Path]) -> list[Answer]:
    """The network that was trained, restored from its weights, without ONNX."""
    loaded = fb.load(run).artifact.predictor
    network = restore_network(run / "model.flambeau", loaded.inputs, loaded.target, allow_code=False)
    answers = Predictor(loaded.inputs, TorchRunner(network), loaded.target).predict([dict.fromkeys(loaded.inputs, file) for file in files])
    return [(answer.label, answer.probabilities) for answer in answers]


@contextmanager
def server(spawn: Callable[..., subprocess.Popen[str]], run: Path) -> Iterator[str]:
    process = spawn("serve", run, "--port", 0, "--json")
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def post(url: str, file: Path) -> Any:
    request = urllib.request.Request(f"{url}/predict", file.read_bytes(), {"Content-Type": f"image/{file.suffix[1:].replace('jpg', 'jpeg').lower()}"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def by_http(url: str, files: list[Path]) -> list[Answer]:
    answers = [post(url, file)["predictions"] for file in files]
    assert all(len(answer) == 1 for answer in answers)
    return [(answer[0]["label"], answer[0]["probabilities"]) for answer in answers]


def same(one: list[Answer], other: list[Answer]) -> None:
    assert len(one) == len(other) > 0
    for (label, probabilities), (other_label, others) in zip(one, other, strict=True):
        assert label == other_label
        assert probabilities.keys() == others.keys()
        assert max(abs(probabilities[name] - others[name]) for name in probabilities) <= NEAR


def keep_the_promise(run: Path, data: Path, flambeau: Callable[..., Any], spawn: Callable[..., subprocess.Popen[str]]) -> None:
    files = files_of(run, data)
    expected = by_python(run, files)
    outcome = flambeau("predict", run, *files, "--json")
    assert outcome.code == 0
    assert [entry["input"] for entry in outcome.json["predictions"]] == [str(file) for file in files]
    assert all(list(entry) == ["input", "label", "confidence", "probabilities"] for entry in outcome.json["predictions"])
    same([(entry["label"], entry["probabilities"]) for entry in outcome.json["predictions"]], expected)
    same(by_torch(run, files), expected)
    with server(spawn, run) as url:
        same(by_http(url, files), expected)
    accuracy = np.mean([label == file.parent.name for (label, _), file in zip(expected, files, strict=True)])
    assert fb.load(run).test["accuracy"]["value"] == pytest.approx(accuracy)
    assert fb.load(run).test["accuracy"]["n"] == len(files)


def test_digits(finished: Path, few_digits: Path, flambeau: Callable[..., Any], spawn: Callable[..., subprocess.Popen[str]]) -> None:
    keep_the_promise(finished, few_digits, flambeau, spawn)


@pytest.mark.slow
def test_photos(sign_digits: Path, tmp_path: Path, flambeau: Callable[..., Any], spawn: Callable[..., subprocess.Popen[str]]) -> None:
    """JPEG photos in colour, resized, made grey and denoised inside the graph."""
    recipe = {
        "inputs": {"image": {"type": "image", "size": 32, "grayscale": True, "denoise": "median", "augment": []}},
        "network": [{"conv_block": 8}, {"max_pool": 2}, {"conv_block": 16}, "global_avg_pool"],
        "training": {"epochs": 1},
    }
    data = find_classes(sign_digits)
    run = fb.fit(data, recipe=recipe, run=tmp_path / "run", show=fb.silent)
    assert run.verification is not None
    assert run.verification["passed"] is True
    keep_the_promise(tmp_path / "run", data, flambeau, spawn)


def find_classes(folder: Path) -> Path:
    """The folder that holds the class folders."""
    inner = [entry for entry in folder.iterdir() if entry.is_dir()]
    return find_classes(inner[0]) if len(inner) == 1 else folder


@pytest.mark.parametrize("order", [lambda paths: paths, lambda paths: paths[::-1]])
def test_good_and_bad_together(
    flambeau: Callable[..., Any], finished: Path, picture: Path, tmp_path: Path, order: Callable[[list[Path]], list[Path]]
) -> None:
    bad = {"text.jpg": b"no picture", "empty.png": b"", "cut.png": picture.read_bytes()[:60]}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "empty").mkdir()
    paths = order([picture, *(tmp_path / name for name in bad), tmp_path / "gone.png", tmp_path / "empty", picture])
    outcome = flambeau("predict", finished, *paths, "--json")
    assert outcome.code == 3
    entries = outcome.json["predictions"]
    assert [entry["input"] for entry in entries] == [str(path) for path in paths]
    for path, entry in zip(paths, entries, strict=True):
        assert ("error" in entry) == (path != picture)
        if path != picture:
            assert list(entry) == ["input", "error"]
            assert list(entry["error"]) == ["code", "message", "where", "fix"]
    shown = flambeau("predict", finished, *paths)
    assert shown.code == 3
    assert len(shown.out.splitlines()) == 2
    assert shown.out.startswith(str(picture))
    assert shown.err.count("error[") == 5


def test_more_than_a_batch(finished: Path, few_digits: Path) -> None:
    """Lists that do not fit into one batch keep their order, and each answer is as alone."""
    files: list[object] = sorted(few_digits.rglob("*.png"))[:70]
    model = fb.load(finished)
    together = model.predict(files)
    assert [answer.label for answer in together] == [model.predict([file])[0].label for file in files]
    mixed = [*files[:40], b"nothing", *files[40:]]
    results = model.try_predict(mixed)
    assert isinstance(results[40], fb.FlambeauError)
    assert [getattr(result, "label", None) for result in results if result is not results[40]] == [answer.label for answer in together]
    with pytest.raises(fb.FlambeauError):
        model.predict(mixed)
    assert model.predict([]) == []


def test_every_form_of_a_picture_is_the_same_picture(finished: Path, picture: Path) -> None:
    from PIL import Image

    with Image.open(picture) as image:
        image.load()
        forms: list[object] = [picture, str(picture), picture.read_bytes(), np.asarray(image), image, {"image": picture}]
        answers = fb.predict(finished, forms)
    assert all(answer == answers[0] for answer in answers)
