"""The training loop and the reader of tables that are ejected do what flambeau does with the same recipe and files, or say what they leave out."""

from __future__ import annotations

import csv
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau.artifact import load
from flambeau.data.table import read_table
from flambeau.ejecting.writing import Written, write_predict, write_train
from flambeau.restoring import restore_network
from flambeau.tasks.regression import Regression
from flambeau.tasks.task import Target
from flambeau.training.config import TrainingConfig
from flambeau.training.optimizers import OPTIMIZERS

sys.path.insert(0, str(Path(__file__).parent))

from ejected import answered, in_torch, run_alone

BATCH = 62
"""Of the 63 examples to learn from: one is left."""
PLAIN = {"epochs": 2, "batch_size": BATCH, "stop_early": None, "calibrate": False, "threads": 1}


@pytest.fixture(scope="module")
def weighted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a table with batch norm over its features and a column of weights: 2 where a > 0, else 1."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("weighted")
    with (folder / "measured.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "trust", "label"])
        for number in range(90):
            a, b = random.normal(size=2).round(3).tolist()
            writer.writerow([a, b, 2 if a > 0 else 1, "yes" if number % 2 else "no"])
    layers = ["column_embedding", "flatten", {"linear": 8}, "batch_norm", "relu"]
    recipe = {"task": {"target": "label", "weight": "trust"}, "network": layers, "training": PLAIN}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(folder / "cache"))
        fb.fit(folder / "measured.csv", recipe=recipe, run=folder / "run", show=fb.silent)
    return folder / "run"


@pytest.fixture(scope="module")
def plain(weighted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as plain files with their data. Read only."""
    folder = tmp_path_factory.mktemp("plain") / "files"
    fb.eject(weighted, folder, with_data=True, show=fb.silent)
    return folder


def opened(folder: Path, name: str, patch: pytest.MonkeyPatch) -> Any:
    """A file of the folder as a module, in this process."""
    spec = spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    patch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def written(run: Path, target: Target | None = None, **training: object) -> tuple[str, list[str]]:
    """train.py for another training of the model of a run, and what it leaves out."""
    predictor = load(run / "model.flambeau").predictor
    network = restore_network(run / "model.flambeau", predictor.inputs, predictor.target, allow_code=False)
    files, config = Written(), TrainingConfig.model_validate({**PLAIN, "batch_size": None, **training})
    missing = write_train(files, "measured", network, target or predictor.target, config, True, [], False)
    return files.files["train.py"], missing


def test_weights_of_examples_are_in_the_data_and_in_the_loss(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(plain / "data.npz") as file:
        data = dict(file)
    assert np.array_equal(data["weights/train"], np.where(data["train/table"][:, 0] > 0, 2, 1).astype(np.float32))
    folder = Path(shutil.copytree(plain, tmp_path / "copy"))
    opened(folder, "model", monkeypatch)
    weights = {}
    for name, changed in (("given", data["weights/train"]), ("others", data["weights/train"] ** 8)):
        np.savez(folder / "data.npz", **{**data, "weights/train": changed})
        weights[name] = opened(folder, "train", monkeypatch).train().head.weight
    assert not weights["given"].equal(weights["others"])


def test_an_example_that_would_be_a_batch_alone_joins_the_one_before(plain: Path) -> None:
    with np.load(plain / "data.npz") as data:
        assert len(data["targets/train"]) == BATCH + 1
    assert run_alone(plain, "train.py").count("validation loss") == 2


@pytest.mark.parametrize("name", [one.name for one in OPTIMIZERS])
def test_every_optimizer_steps(name: str, weighted: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("model.py", "data.npz"):
        shutil.copy(plain / file, tmp_path)
    (tmp_path / "train.py").write_text(written(weighted, optimizer=name)[0], encoding="utf-8")
    before = opened(tmp_path, "model", monkeypatch).build().head.bias
    after = opened(tmp_path, "train", monkeypatch).train().head.bias
    assert after.isfinite().all() and not after.equal(before)


@pytest.mark.parametrize(
    ("optimizer", "call", "told"),
    [
        ("muon", "AdamW(groups(network), lr=0.003", "muon: AdamW with learning rate 0.003 stands"),
        ({"muon": {"rest": {"sgd": 0.2}}}, "SGD(groups(network), lr=0.2", "muon: SGD with learning rate 0.2 stands"),
        ({"sam": {"lr": 0.3, "base": "sgd"}}, "SGD(groups(network), lr=0.3", "sam: SGD with learning rate 0.3 stands"),
        (
            {"schedule_free": {"kind": "sgd", "lr": 5.0}},
            "SGD(groups(network), lr=0.5, momentum=0.9",
            "schedule_free: SGD with learning rate 0.5 stands",
        ),
        ({"schedule_free": 0.02}, "AdamW(groups(network), lr=0.02", "schedule_free: AdamW with learning rate 0.02 stands"),
    ],
)
def test_what_stands_in_for_an_optimizer_has_a_learning_rate_of_its_own(optimizer: object, call: str, told: str, weighted: Path) -> None:
    code, missing = written(weighted, optimizer=optimizer)
    assert f"optimizer = torch.optim.{call}" in code
    assert f"\nNot done here: optimizer {told} in its place, " in code
    assert [line.startswith(f"optimizer {told}") for line in missing] == [True]


def test_what_is_not_done_is_said(weighted: Path) -> None:
    assert written(weighted)[1] == []
    calibrated = "calibrate: the logits are not divided by a temperature"
    assert written(weighted, calibrate=True, keep_best=False)[1] == ["keep_best False", calibrated]
    assert written(weighted, Regression(target="y").fit([1.0, 2.0, 3.0]), calibrate=True)[1] == []


ROWS = '"a"§ b §label\n1.5§"x, y; z\nand\tmore"§yes\n\n-2§line\u2028separator§no\n0§猫§no\n'


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_as_flambeau_reads_it(delimiter: str, encoding: str, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(plain, "model", monkeypatch)
    path = tmp_path / "new.csv"
    path.write_bytes((ROWS + "1§" + "long " * 40_000 + "§yes\r\n").replace("§", delimiter).encode(encoding))
    rows = opened(plain, "predict", monkeypatch).read_csv(path)
    assert rows == read_table(path).rows
    assert (len(rows), set(rows[0])) == (4, {"a", "b", "label"})


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-16"])
def test_a_table_in_the_encoding_of_the_recipe(encoding: str, weighted: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, files = load(weighted / "model.flambeau").predictor, Written()
    write_predict(files, predictor.inputs, predictor.target, "FILE.csv ...", "gb18030")
    (tmp_path / "predict.py").write_text(files.files["predict.py"], encoding="utf-8")
    opened(plain, "model", monkeypatch)
    path = tmp_path / "new.csv"
    path.write_bytes("a;b\n1;猫\n2;房间\n".encode(encoding))
    assert opened(tmp_path, "predict", monkeypatch).read_csv(path) == [{"a": "1", "b": "猫"}, {"a": "2", "b": "房间"}]


def test_files_of_any_ending_that_flambeau_reads(weighted: Path, plain: Path, tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("a\tb\n0.5\t1\n-3\t0.25\n", encoding="utf-16")
    (tmp_path / "new.ndjson").write_text('\ufeff{"a": 0.5, "b": 1, "note": "one\u2028line"}\n{"a": -3, "b": 0.25}\n', encoding="utf-8")
    wanted = in_torch(weighted / "model.flambeau", [{"a": "0.5", "b": "1"}, {"a": "-3", "b": "0.25"}])
    assert answered(plain, tmp_path / "new.tsv", tmp_path / "new.ndjson") == wanted * 2


def test_the_model_card_names_a_file_of_the_kind_that_is_asked_about(weighted: Path, finished: Path) -> None:
    for run, file in ((weighted, "new.csv"), (finished, "new.jpg")):
        assert f"\nflambeau predict model.flambeau {file}\n" in (run / "model.flambeau/README.md").read_text(encoding="utf-8")
