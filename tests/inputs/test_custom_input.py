"""A modality of the user: two small classes are enough for the whole walk, and nothing of theirs runs without permission."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau import cli
from flambeau.errors import CheckFailed, DataError, FlambeauError, RecipeError
from flambeau.inputs.custom import CustomInput, CustomPreprocessor
from flambeau.plugins import Input, Preprocessor, check_input

CODE = '''
from pathlib import Path

import numpy as np

from flambeau.plugins import Input, Preprocessor, TensorSpec


def heights(value, size):
    data = value.read_bytes() if isinstance(value, Path) else value
    array = np.frombuffer(data, "<f4")
    if not np.isfinite(array).all():
        raise ValueError(f"not finite: {__file__} at {object()}")
    return array.reshape(size).copy()


class Scan(Input):
    """Heights as raw numbers of 32 bits."""

    size: int | None = None
    """Numbers in a scan."""

    def resolve(self, values):
        return self if self.size else self.model_copy(update={"size": len(values[0].read_bytes() if isinstance(values[0], Path) else values[0]) // 4})

    @property
    def spec(self):
        return TensorSpec(("features",), (self.size,), "float32")

    def read(self, value):
        return heights(value, self.size)

    def fit(self, arrays):
        arrays = np.stack(list(arrays))
        return ScanPreprocessor(size=self.size, mean=arrays.mean(0).tolist(), std=float(arrays.std()))


class ScanPreprocessor(Preprocessor):
    size: int
    mean: tuple[float, ...]
    std: float

    @property
    def spec(self):
        return TensorSpec(("features",), (self.size,), "float32")

    @property
    def gives(self):
        return self.spec

    def read(self, value):
        return heights(value, self.size)

    def excerpt(self, array):
        return f"{array.min():.1f} to {array.max():.1f}"

    def module(self):
        import torch
        from torch import nn

        class Standardise(nn.Module):
            def __init__(self, mean, std):
                super().__init__()
                self.register_buffer("mean", torch.tensor(mean))
                self.std = std

            def forward(self, x):
                return (x - self.mean) / self.std

        return Standardise(self.mean, self.std)


class Doubled(Scan):
    def read(self, value):
        return super().read(value).astype("float64")


class Hidden(Scan):
    def fit(self, arrays):
        class Inner(ScanPreprocessor):
            pass

        return Inner(**super().fit(arrays).model_dump())


class Unfinished(Scan):
    def fit(self, arrays):
        raise ZeroDivisionError("no scans")
'''
RECIPE: dict[str, Any] = {
    "data": {"max_bad": 0.05},
    "inputs": {"scan": {"type": "custom", "target": "users_inputs:Scan"}},
    "network": [{"linear": 6}, "relu"],
    "training": {"epochs": 2, "stop_early": None},
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("code")
    (folder / "users_inputs.py").write_text(CODE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("users_inputs", None)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of two classes with 30 scans of 12 numbers; one file is no scan."""
    folder = tmp_path_factory.mktemp("scans")
    random = np.random.default_rng(0)
    for label, middle in (("high", 30), ("low", 10)):
        (folder / label).mkdir()
        for number in range(30):
            (folder / label / f"{number:02d}.raw").write_bytes((middle + random.normal(size=12) * 3).astype("<f4").tobytes())
    (folder / "low" / "torn.raw").write_bytes(b"\0" * 7)
    return folder


@pytest.fixture(scope="module")
def run(package: Path, scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        finished = fb.fit(scans, recipe=RECIPE, run=tmp_path_factory.mktemp("runs") / "run", allow_code=True, show=fb.silent)
    assert finished.path is not None
    return finished.path


def opened(name: str = "Scan", **arguments: object) -> CustomInput:
    return CustomInput.model_validate({"target": f"users_inputs:{name}", "arguments": arguments}, context={"allow_code": True})


def stored(run: Path) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = json.loads((run / "model.flambeau/preprocessing.json").read_bytes())["scan"]
    return fields


def test_what_was_fitted_is_in_the_artifact(run: Path, scans: Path) -> None:
    kept = stored(run)
    assert (kept["type"], kept["target"]) == ("custom", "users_inputs:ScanPreprocessor")
    splits = [line.split(",") for line in (run / "split.csv").read_text(encoding="utf-8").splitlines()]
    path, split = splits[0].index("path"), splits[0].index("split")
    train = np.stack([np.fromfile(scans / line[path], "<f4") for line in splits[1:] if line[split] == "train"])
    assert kept["state"]["mean"] == pytest.approx(train.mean(0).tolist(), rel=1e-5)
    assert kept["state"]["std"] == pytest.approx(float(train.std()), rel=1e-5)
    assert "size: 12" in (run / "model.flambeau/recipe.yaml").read_text(encoding="utf-8"), "what was resolved is written"


def test_answers_are_those_of_the_weights_by_hand(run: Path, scans: Path) -> None:
    import safetensors.numpy

    weights = safetensors.numpy.load_file(run / "model.flambeau/weights.safetensors")
    state = stored(run)["state"]
    path = scans / "high" / "07.raw"
    x = (np.fromfile(path, "<f4") - np.array(state["mean"], np.float32)) / np.float32(state["std"])
    hidden = np.maximum(weights["body.0_linear.weight"] @ x + weights["body.0_linear.bias"], 0)
    logits = weights["head.weight"] @ hidden + weights["head.bias"]
    shares = np.exp(logits) / np.exp(logits).sum()
    [answer] = fb.predict(run, [path], allow_code=True)
    assert [answer.probabilities[label] for label in ("high", "low")] == pytest.approx(shares.tolist(), abs=1e-5)


def test_a_value_that_cannot_be_read(run: Path, scans: Path) -> None:
    assert "torn.raw" in (run / "data.md").read_text(encoding="utf-8")
    model = fb.load(run, allow_code=True)
    for value in (scans / "low" / "torn.raw", b"", 3, np.full(12, np.nan, np.float32).tobytes()):
        [answer] = model.try_predict([value])
        assert isinstance(answer, DataError)
        assert answer.code == "custom-unreadable"


@pytest.mark.parametrize(
    "command", [["predict", "{run}", "{file}"], ["serve", "{run}", "--port", "0"], ["test", "{run}"], ["export", "{run}"], ["show", "{run}"]]
)
def test_without_permission_nothing_is_imported(run: Path, scans: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    sys.modules.pop("users_inputs", None)
    code = cli.run([*(word.format(run=run, file=scans / "low" / "00.raw") for word in command), "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (code, error["code"]) == (2, "code-not-allowed")
    assert "users_inputs:ScanPreprocessor" in error["message"] and "--allow-code" in error["fix"]
    assert "users_inputs" not in sys.modules


def test_fit_needs_permission_too(package: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('inputs:\n  scan: {type: custom, target: "users_inputs:Scan"}\n', encoding="utf-8")
    sys.modules.pop("users_inputs", None)
    assert cli.run(["fit", str(scans), "--recipe", str(recipe), "--run", str(tmp_path / "run"), "--json"]) == 2
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert (error["code"], error["where"].rpartition("/")[2]) == ("code-not-allowed", "recipe.yaml:2:32")
    assert "users_inputs" not in sys.modules and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("said", "code", "column"),
    [
        ('target: "users_inputs:Scan", arguments: {sizes: 12}', "recipe-key-unknown", 65),
        ('target: "users_inputs:Scan", arguments: {size: many}', "recipe-type", 71),
        ('target: "users_inputs:Nobody"', "code-not-found", 32),
        ('target: "pathlib:Path"', "code-kind", 32),
        ('target: "no colon"', "recipe-pattern", 32),
        ('target: "users_inputs:Unfinished"', "code-fails", 1),
    ],
)
def test_mistakes_are_told_at_their_place(
    package: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], said: str, code: str, column: int
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"inputs:\n  scan: {{type: custom, {said}}}\nnetwork: [{{linear: 4}}]\n", encoding="utf-8")
    assert cli.run(["check", str(scans), "--recipe", str(recipe), "--max-bad", "5%", "--allow-code", "--json"]) == 2
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert (error["code"], error["where"].rpartition("recipe.yaml:")[2].split(":")[-1]) == (code, str(column)), error


def test_it_is_served(run: Path, scans: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{package}:{Path(fb.__file__).parents[1]}")
    data = (scans / "low" / "03.raw").read_bytes()
    [expected] = fb.predict(run, [data], allow_code=True)
    command = [sys.executable, "-m", "flambeau", "serve", str(run), "--port", "0", "--allow-code", "--json"]
    bodies = [
        (data, "application/octet-stream"),
        (json.dumps({"inputs": [{"scan": base64.b64encode(data).decode()}]}).encode(), "application/json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            for body, media in bodies:
                request = urllib.request.Request(f"{url}/predict?preview=1", body, {"Content-Type": media})
                with urllib.request.urlopen(request, timeout=20) as response:
                    [served] = json.load(response)["predictions"]
                assert served["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
                assert " to " in served["seen"]["scan"]
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urllib.request.Request(f"{url}/predict", b"torn", {"Content-Type": "application/octet-stream"}), timeout=20)
            assert json.load(caught.value)["code"] == "custom-unreadable"
            with urllib.request.urlopen(f"{url}/openapi.json", timeout=20) as response:
                assert "/predict" in json.load(response)["paths"]
        finally:
            process.terminate()


def test_a_client_is_not_told_what_its_code_says(run: Path, scans: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths and addresses of this machine are for its log, and for whoever sits in front of it."""
    good, bad = (scans / "low" / "03.raw").read_bytes(), np.full(12, np.nan, np.float32).tobytes()
    environment = {**os.environ, "PYTHONPATH": f"{package}:{Path(fb.__file__).parents[1]}", "FLAMBEAU_LANG": "en"}
    command = [sys.executable, "-m", "flambeau", "serve", str(run), "--port", "0", "--allow-code", "--json"]
    rows = json.dumps({"inputs": [{"scan": base64.b64encode(one).decode()} for one in (good, bad)]}).encode()
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        for body, media in ((bad, "application/octet-stream"), (rows, "application/json")):
            try:
                with urllib.request.urlopen(urllib.request.Request(f"{url}/predict", body, {"Content-Type": media}), timeout=20) as response:
                    told.append(response.read().decode())
            except urllib.error.HTTPError as error:
                told.append(error.read().decode())
        process.terminate()
        _, log = process.communicate(timeout=20)
    for answer in told:
        assert "custom-unreadable" in answer and "users_inputs:Scan" in answer and "log" in answer, answer
        assert str(package) not in answer and "0x" not in answer and "ValueError" not in answer
    assert log.count(f"ValueError: not finite: {package}") == 2
    (tmp_path / "bad.raw").write_bytes(bad)
    assert cli.run(["predict", str(run), str(tmp_path / "bad.raw"), "--allow-code", "--json"]) == 3
    assert str(package) in capsys.readouterr().out


def test_it_is_written_in_no_plain_files(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        fb.eject(run, tmp_path / "plain", allow_code=True, show=fb.silent)
    assert (caught.value.code, caught.value.where) == ("eject-input", "scan")


def test_a_state_that_is_none_of_its_own(run: Path) -> None:
    from flambeau import fitted

    with pytest.raises(DataError, match=r"state\.size"):
        fitted.preprocessor({**stored(run), "state": {"size": "x", "mean": [], "std": 1.0}}, run, allow_code=True)
    with pytest.raises(FlambeauError, match="code-kind"):
        fitted.preprocessor({**stored(run), "target": "subprocess:Popen"}, run, allow_code=True)


VALUES: list[object] = [np.arange(4, dtype="<f4").tobytes(), np.ones(4, "<f4").tobytes(), np.full(4, -3.5, "<f4").tobytes()]


def test_both_the_class_and_what_stands_for_it_keep_the_contract(package: Path) -> None:
    import users_inputs  # type: ignore[import-not-found]

    check_input(users_inputs.Scan(), VALUES)
    chosen = opened().resolve(VALUES)
    assert chosen.arguments == {"size": 4}
    fitted = chosen.fit(map(chosen.read, VALUES))
    again = CustomPreprocessor.model_validate_json(fitted.model_dump_json(), context={"allow_code": True})
    assert all(np.array_equal(again.encode(value), fitted.encode(value)) for value in VALUES)
    with pytest.raises(RecipeError, match="code-not-allowed"):
        CustomPreprocessor.model_validate_json(fitted.model_dump_json()).encode(VALUES[0])
    with pytest.raises(CheckFailed, match="read gives features 4"):
        check_input(users_inputs.Doubled(), VALUES)


def test_whatever_a_modality_can_do_is_handed_on() -> None:
    """But for what is made of other members, and the columns: a modality of the user reads the one of its name."""
    for base, stand_in, left in (
        (Input, CustomInput, {"alike", "fields", "file_ending", "gathers", "kind", "marks", "over", "read_together", "take"}),
        (Preprocessor, CustomPreprocessor, {"collate", "encode", "fields", "finish_all", "suffixes", "take"}),
    ):
        members = {name for cls in base.__mro__ if cls.__module__ == base.__module__ for name in vars(cls) if name[0] != "_"}
        members -= {"model_config", "model_fields"}
        assert members - vars(stand_in).keys() == left


def test_what_its_code_does_wrong_is_said(package: Path) -> None:
    with pytest.raises(DataError) as caught:
        opened("Doubled", size=4).read(VALUES[0])
    assert (caught.value.code, caught.value.facts["got"], caught.value.facts["want"]) == ("custom-array", "4 float64", "features 4 float32")
    with pytest.raises(RecipeError, match="code-unfindable"):
        opened("Hidden", size=4).fit(map(opened(size=4).read, VALUES))


def test_a_change_of_its_file_reads_everything_anew(package: Path) -> None:
    before = opened(size=4).reading_key()
    assert before == opened(size=4).reading_key() != opened(size=5).reading_key()
    file = package / "users_inputs.py"
    file.write_text(CODE + "\n# changed\n", encoding="utf-8")
    after = opened(size=4).reading_key()
    file.write_text(CODE, encoding="utf-8")
    assert after != before
