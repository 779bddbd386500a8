"""Every kind of data that `fit` takes, to a tested model; and the graph alone, which has to answer as `predict` does."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import flambeau as fb
from flambeau.artifact import load
from flambeau.errors import DataError, Notice

SMALL: dict[str, Any] = {"network": [{"conv2d": 4}, "relu", "flatten"], "training": {"epochs": 1, "stop_early": None}}
SPLITS = ("train", "valid", "test")


def digits(classes: int = 3, number: int = 60) -> tuple[np.ndarray, np.ndarray]:
    data = load_digits(n_class=classes)
    return (data.images[:number] * 15.9).astype(np.uint8), data.target[:number]


def split_of(run: fb.Run) -> dict[str, str]:
    assert run.path is not None
    with (run.path / "split.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row["split"] for row in csv.DictReader(file)}


def direct(run: fb.Run, values: list[object]) -> np.ndarray:
    """The answers of model.onnx alone to the encoded arrays: no flambeau behind `encode`."""
    predictor = load(run.artifact).predictor
    [(name, preprocessor)] = predictor.inputs.items()
    arrays = np.stack([preprocessor.encode(value) for value in values])
    session = onnxruntime.InferenceSession(run.artifact / "model.onnx", providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == [name]
    answers: np.ndarray = session.run(None, {name: arrays})[0]
    return answers


def agree(run: fb.Run, values: list[object]) -> None:
    labels = fb.load(run.artifact).labels
    for prediction, row in zip(run.predict(values), direct(run, values), strict=True):
        assert [prediction.probabilities[label] for label in labels] == pytest.approx(row.tolist(), abs=1e-6)
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.confidence == max(prediction.probabilities.values())


def test_given_folders_are_the_split(few_digits: Path, tmp_path: Path) -> None:
    words = {"train": "training", "valid": "val", "test": "test"}
    expected = {}
    for label in "012":
        for place, file in enumerate(sorted((few_digits / label).iterdir())):
            word = "train" if place < 12 else "valid" if place < 16 else "test"
            target = tmp_path / "data" / words[word] / label / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
            expected[f"{words[word]}/{label}/{file.name}"] = word
    run = fb.fit(tmp_path / "data", recipe=SMALL, run=tmp_path / "run", show=fb.silent)
    assert split_of(run) == expected
    assert run.test["accuracy"]["n"] == 14 * 3


@pytest.fixture
def table(few_digits: Path, tmp_path: Path) -> Path:
    """A CSV file of pictures with all kinds of columns; beside it the pictures, in one flat folder."""
    path = tmp_path / "digits.csv"
    (tmp_path / "files").mkdir()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "digit", "writer", "part", "remark"])
        for label in "012":
            for place, source in enumerate(sorted((few_digits / label).iterdir())):
                name = f"files/{label}-{place}.png"
                shutil.copy(source, tmp_path / name)
                part = "" if place % 5 else "test"
                writer.writerow([name, f"digit {label}", f"person {place % 10}", part, 'said "seven, perhaps"'])
    return path


def test_a_table_of_pictures(table: Path, tmp_path: Path) -> None:
    shown: list[object] = []
    run = fb.fit(table, recipe=SMALL, target="digit", group="writer", exclude=["part"], run=tmp_path / "run", show=shown.append)
    left_out = next(event for event in shown if isinstance(event, Notice) and event.code == "columns-constant")
    assert left_out.facts["columns"] == "remark"
    assert [event.code for event in shown if isinstance(event, Notice)].count("columns-constant") == 1
    assert "columns-constant" in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")
    splits = split_of(run)
    persons = {word: {int(path.split("-")[1].split(".")[0]) % 10 for path, split in splits.items() if split == word} for word in SPLITS}
    assert all(persons.values())
    assert persons["train"] | persons["valid"] | persons["test"] == set(range(10))
    assert sum(map(len, persons.values())) == 10, "a person is in two splits"
    assert fb.load(run.artifact).labels == ("digit 0", "digit 1", "digit 2")
    agree(run, [tmp_path / "files/0-0.png", (tmp_path / "files/1-1.png").read_bytes()])
    assert fb.test(tmp_path / "run", show=fb.silent).test == run.test


def test_a_split_column(table: Path, tmp_path: Path) -> None:
    recipe = {**SMALL, "data": {"split": {"column": "part"}}}
    preview = fb.check(table, recipe=recipe, target="digit", exclude=["writer"], show=fb.silent)
    assert preview.split.how == "split-given"
    assert preview.split.test == 18
    assert preview.split.train + preview.split.valid == 72
    assert set(preview.recipe.inputs) == {"picture"}


def test_a_table_in_json(flambeau: Callable[..., Any], table: Path) -> None:
    outcome = flambeau("check", table, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "column-needed")
    outcome = flambeau("check", table, "--target", "digit", "--json")
    assert outcome.json["recipe"]["task"]["target"] == "digit"
    assert outcome.json["recipe"]["data"]["table"] == str(table)
    assert set(outcome.json["recipe"]["inputs"]) == {"picture", "table"}
    assert set(outcome.json["recipe"]["inputs"]["table"]["columns"]) == {"writer", "part"}
    assert "columns-constant" in outcome.err


def test_an_archive_of_arrays(tmp_path: Path, flambeau: Callable[..., Any]) -> None:
    x, y = digits()
    np.savez(tmp_path / "digits.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    run = fb.fit(tmp_path / "digits.npz", recipe=SMALL, run=tmp_path / "run", show=fb.silent)
    assert run.test["accuracy"]["n"] == 20
    assert Counter(split_of(run).values())["test"] == 20
    assert flambeau("test", run.path, "--json").json["test"] == run.test


def kinds() -> dict[str, Callable[[np.ndarray], object]]:
    def png(array: np.ndarray) -> bytes:
        import io

        file = io.BytesIO()
        Image.fromarray(array).save(file, "png")
        return file.getvalue()

    return {
        "bytes": png,
        "sixteen bits": lambda array: array.astype(np.uint16) * 256,
        "shares": lambda array: array / np.float32(255),
        "colour": lambda array: np.stack([array, array // 2, 255 - array], -1),
    }


@pytest.mark.parametrize("kind", kinds())
def test_arrays_in_memory(kind: str, tmp_path: Path) -> None:
    x, y = digits()
    values = [kinds()[kind](picture) for picture in x]
    run = fb.fit({"x": values, "y": y}, recipe=SMALL, run=tmp_path / "run", show=fb.silent)
    assert fb.load(run.artifact).labels == ("0", "1", "2")
    agree(run, list(values[:5]))
    assert fb.test(tmp_path / "run", {"x": values, "y": y}, show=fb.silent).test["accuracy"]["n"] == 60
    with pytest.raises(DataError) as caught:
        fb.test(tmp_path / "run", show=fb.silent)
    assert caught.value.code == "test-data-missing"
    assert json.loads((run.artifact / "golden/golden.json").read_bytes())["examples"]


def test_names_of_files_in_memory_travel_as_files(tmp_path: Path, few_digits: Path) -> None:
    """The goldens of such a run have to be found on another machine."""
    files = [str(file) for label in "01" for file in sorted((few_digits / label).iterdir())]
    run = fb.fit({"x": files, "y": ["a"] * 30 + ["b"] * 30}, recipe=SMALL, run=tmp_path / "run", show=fb.silent)
    listed = json.loads((run.artifact / "golden/golden.json").read_bytes())["examples"]
    assert all(list(example["x"]) == ["file"] for example in listed)
    assert not any(str(few_digits) in member.read_text("utf-8") for member in (run.artifact / "golden").glob("*.json"))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of pictures, stored in every way that a camera, a scanner or a paint program has."""
    folder = tmp_path_factory.mktemp("mixture")
    x, y = digits(2, 64)
    for place, (picture, label) in enumerate(zip(x, y, strict=True)):
        image = Image.fromarray(np.kron(picture, np.ones((2, 2), np.uint8)))
        path = folder / f"class {label}" / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        way = place // 2 % 8
        if way == 0:
            image.save(path)
        elif way == 1:
            image.convert("RGB").save(path.with_suffix(".jpg"), quality=95)
        elif way == 2:
            image.convert("RGB").quantize(16).save(path)
        elif way == 3:
            rgba = image.convert("RGBA")
            rgba.putalpha(200)
            rgba.save(path)
        elif way == 4:
            Image.fromarray(np.asarray(image).astype(np.uint16) * 257).save(path)
        elif way == 5:
            exif = Image.Exif()
            exif[0x0112] = 6  # turned by a quarter: the file holds it lying on its side
            image.rotate(90).convert("RGB").save(path.with_suffix(".jpg"), quality=95, exif=exif)
        elif way == 6:
            image.convert("1").save(path.with_suffix(".bmp"))
        else:
            image.convert("LA").save(path)
    return folder


def test_a_mixture_of_pictures_grey_and_denoised_in_the_graph(mixture: Path, tmp_path: Path) -> None:
    recipe = {**SMALL, "inputs": {"image": {"type": "image", "grayscale": True, "denoise": "median"}}}
    run = fb.fit(mixture, recipe=recipe, run=tmp_path / "run", show=fb.silent)
    files: list[object] = [file for folder in sorted(mixture.iterdir()) for file in sorted(folder.iterdir())]
    agree(run, files)
    assert run.verification is not None
    assert run.verification["passed"] is True
    assert run.verification["largest_difference"] < 1e-4
    signature = json.loads((run.artifact / "signature.json").read_bytes())
    assert signature["inputs"]["image"]["spec"]["shape"] == [3, 16, 16]
    session = onnxruntime.InferenceSession(run.artifact / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(uint8)"
    fitted = load(run.artifact).predictor.inputs["image"]
    upright, lying = fitted.encode(mixture / "class 0" / "0.png"), fitted.encode(next(mixture.glob("class 0/10.jpg")))
    assert upright.shape == lying.shape


def test_a_table_in_which_nothing_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "nothing.csv"
    path.write_text("height,weight,label\n" + "1,x,a\n1,x,b\n" * 10, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        fb.check(path, show=fb.silent)
    assert caught.value.code == "nothing-recognised"
    assert caught.value.facts["columns"] == "height, weight"


def test_an_input_that_is_no_column(few_digits: Path) -> None:
    recipe = {"inputs": {"a": {"type": "image"}, "b": {"type": "image"}}}
    with pytest.raises(fb.FlambeauError) as caught:
        fb.check(few_digits, recipe=recipe, show=fb.silent)
    assert (caught.value.code, caught.value.exit_code) == ("input-column-unknown", 2)
