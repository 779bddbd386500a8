"""Plain files without flambeau: they have to answer as the model, to the last bit, and from raw files."""

from __future__ import annotations

import ast
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

import flambeau as fb
from flambeau.demo import write_digits
from flambeau.ejecting import templates
from flambeau.ejecting.code import in_docstring
from flambeau.errors import CheckFailed, UsageError
from flambeau.messages import printable

sys.path.insert(0, str(Path(__file__).parent))

from ejected import SHORT, answered, imports, in_torch, run_alone


def test_pictures(finished: Path, few_digits: Path, tmp_path: Path) -> None:
    ejected = fb.eject(finished, tmp_path / "plain", with_data=True, show=fb.silent)
    assert ejected.num_checked == 8
    assert set(ejected.files) >= {"model.py", "predict.py", "train.py", "weights.safetensors", "README.md", "requirements.txt", "data.npz"}
    assert imports(tmp_path / "plain") == {"model", "torch", "numpy", "PIL", "safetensors", "simplejpeg"}
    files = sorted((few_digits / "3").iterdir())[:5]
    table = tmp_path / "list.csv"
    table.write_text("".join(["image;number\n", *(f"{os.path.relpath(file, tmp_path)};3\n" for file in files)]), encoding="utf-8")
    assert answered(tmp_path / "plain", *files, table) == in_torch(finished / "model.flambeau", files) * 2
    assert "class " in (tmp_path / "plain/model.py").read_text(encoding="utf-8")
    assert "validation loss" in run_alone(tmp_path / "plain", "train.py")
    assert (tmp_path / "plain/weights.new.safetensors").stat().st_size == (tmp_path / "plain/weights.safetensors").stat().st_size


def test_what_the_examples_need_has_to_be_installed(tmp_path: Path) -> None:
    """Packages that are imported late, of which others would need others."""
    things, words = ["房间", "早餐", "前台", "位置", "电梯", "大堂", "床铺", "空调"], [["很好", "不错"], ["太差", "糟糕"]]
    rows = [(f"{one}{word}，{other}也是", str(label)) for label in (0, 1) for one, other in permutations(things, 2) for word in words[label]]
    path = tmp_path / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    for segment, package in (("chinese", "rjieba"), ("subwords", "tokenizers"), ("characters", None)):
        run = fb.fit(
            path,
            recipe={"inputs": {"text": {"type": "text", "segment": segment}}, "training": SHORT},
            target="label",
            run=tmp_path / segment,
            show=fb.silent,
        )
        fb.eject(run.artifact, tmp_path / f"plain-{segment}", show=fb.silent)
        wanted = {line.partition("==")[0] for line in (tmp_path / f"plain-{segment}/requirements.txt").read_text(encoding="utf-8").splitlines()}
        assert wanted == {"numpy", "safetensors", "torch", *filter(None, [package])}


def test_pictures_that_simd_resizes(few_digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("cykooz_resizer")
    recipe = {"inputs": {"image": {"type": "image", "size": 20, "resizer": "simd"}}, "network": ["flatten", {"linear": 8}], "training": SHORT}
    run = fb.fit(few_digits, recipe=recipe, run=tmp_path / "run", show=fb.silent)
    fb.eject(run.artifact, tmp_path / "plain", show=fb.silent)
    assert "cykooz-resizer==" in (tmp_path / "plain/requirements.txt").read_text(encoding="utf-8")
    assert "class Pillow" not in (tmp_path / "plain/predict.py").read_text(encoding="utf-8")
    files = sorted((few_digits / "3").iterdir())[:5]
    assert answered(tmp_path / "plain", *files) == in_torch(run.artifact, files)


def test_a_pool_and_its_relu_are_those_of_torch(few_digits: Path, tmp_path: Path) -> None:
    recipe = {"network": [{"conv2d": 8}, {"max_pool": 2}, "relu", "flatten"], "training": SHORT}
    run = fb.fit(few_digits, recipe=recipe, run=tmp_path / "run", show=fb.silent)
    fb.eject(run.artifact, tmp_path / "plain", show=fb.silent)
    code = (tmp_path / "plain/model.py").read_text(encoding="utf-8")
    assert "nn.MaxPool2d(" in code and "nn.ReLU()" in code and "Pooled" not in code


def test_a_folder_with_files_is_left_alone(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        fb.eject(finished, tmp_path, show=fb.silent)
    assert caught.value.code == "eject-folder"
    fb.eject(finished, tmp_path, force=True, show=fb.silent)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "model.py").is_file()


def test_files_that_answer_otherwise_are_not_kept(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = templates.MODEL.replace("return network.eval()", "network.head.bias.data += 1e-3\n    return network.eval()")
    monkeypatch.setattr(templates, "MODEL", wrong)
    with pytest.raises(CheckFailed) as caught:
        fb.eject(finished, tmp_path / "plain", show=fb.silent)
    assert (caught.value.code, caught.value.facts["parts"]) == ("eject-differs", "answers")
    assert list(tmp_path.iterdir()) == []


def test_a_table_with_numbers_and_words(tmp_path: Path) -> None:
    data = load_diabetes(scaled=False)
    path = tmp_path / "diabetes.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "target"])
        rows = zip(data.data[:120].tolist(), data.target[:120].tolist(), strict=True)
        writer.writerows([row[0], "m" if row[1] == 1 else "f", *row[2:], target] for row, target in rows)
    run = fb.fit(path, recipe={"training": SHORT}, target="target", run=tmp_path / "run", show=fb.silent)
    fb.eject(run.artifact, tmp_path / "plain", show=fb.silent)
    with path.open(encoding="utf-8", newline="") as file:
        examples = list(csv.DictReader(file))[:20]
    few = tmp_path / "few.csv"
    with few.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(examples[0]))
        table.writeheader()
        table.writerows(examples)
    assert answered(tmp_path / "plain", few) == in_torch(run.artifact, examples)


def test_texts_through_a_recurrent_network(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = {"good": ["good", "lovely", "great"], "bad": ["bad", "awful", "dull"]}
    rows = []
    for number in range(80):
        label = "good" if number % 2 else "bad"
        chosen = random.choice([*["the", "film", "was", "and", "with", "a", "cast"], *words[label] * 3], size=int(random.integers(4, 12)))
        rows.append((" ".join(chosen), label))
    path = tmp_path / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    layers = [{"embedding": 8}, {"gru": {"features": 6, "bidirectional": True}}, "last_state"]
    recipe = {"inputs": {"text": {"type": "text"}}, "network": layers, "training": SHORT}
    run = fb.fit(path, recipe=recipe, target="label", run=tmp_path / "run", show=fb.silent)
    fb.eject(run.artifact, tmp_path / "plain", show=fb.silent)
    values = ["A GREAT film, &amp; lovely!", "dull http://x.org", "ｂａｄ   and awful \u200b", "the cast"]
    assert answered(tmp_path / "plain", *values) == in_torch(run.artifact, values)


NAMES = ['"""\nraise SystemExit(3)\n"""', "a backslash \\", '"', "\\x", "\\N{nothing} {braces} %s", "\ud800\x00\r\x0c\u2028", '\\"""', "猫 # \t'''"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_whatever_it_is(name: str) -> None:
    shown = printable(name).encode("utf-8", "backslashreplace").decode()
    for template in (templates.MODEL, templates.TRAIN):
        head = template[: template.index("{imports}")]
        docstring = head.format(name=in_docstring(name), version="1", missing=f"\nNot done here: {in_docstring(name)}.")
        [only] = ast.parse(docstring).body
        assert isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant)
        assert shown in str(only.value.value)


def test_a_model_with_a_hostile_name(tmp_path: Path) -> None:
    data = write_digits(tmp_path / '"""\nraise SystemExit("owned")\n"""\\', classes=2, limit=20)
    fb.fit(data, recipe={"network": ["flatten"], "training": SHORT}, run=tmp_path / "run", show=fb.silent)
    assert fb.eject(tmp_path / "run", tmp_path / "plain", with_data=True, show=fb.silent).num_checked
    assert "validation loss" in run_alone(tmp_path / "plain", "train.py")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_one_leaves_nothing(finished: Path, tmp_path: Path, number: int, code: int) -> None:
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from flambeau.cli import main; main()"
    command = [sys.executable, "-c", program, "eject", str(finished), str(tmp_path / "plain"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob(".plain.*.tmp/model.py")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["error"]["code"]) == (code, "stopped"), err
    assert list(tmp_path.iterdir()) == []


def test_the_command(finished: Path, tmp_path: Path, flambeau: Callable[..., Any]) -> None:
    outcome = flambeau("eject", finished, tmp_path / "plain", "--json")
    assert outcome.code == 0
    assert outcome.json["checked"] == 8
    assert sorted(outcome.json["files"]) == sorted(file.name for file in (tmp_path / "plain").iterdir())
