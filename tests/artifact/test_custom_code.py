"""A network of the user's own class whose steps depend on the numbers: PyTorch is its runner, and only where that is allowed."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau import artifact, cli
from flambeau.errors import CheckFailed, FlambeauError, Notice, RecipeError

CODE = '''
import torch
from torch import nn

class Thinker(nn.Module):
    """Thinks once more about bright pictures."""

    def __init__(self, width=8):
        super().__init__()
        self.first = nn.Linear(64, width)
        self.again = nn.Linear(width, width)

    def forward(self, pictures):
        hidden = torch.relu(self.first(pictures.flatten(1)))
        rounds = int(hidden.detach().mean() * 3) % 3
        while rounds > 0:
            hidden = torch.relu(self.again(hidden))
            rounds -= 1
        return torch.stack([row * 2 if row.sum() > 1 else row for row in hidden])

class Gate(nn.Module):
    """Lets a learned share of each channel through."""

    def __init__(self, width):
        super().__init__()
        self.share = nn.Parameter(torch.rand(width))

    def forward(self, pictures):
        return pictures * self.share[:, None, None]

NotAModule = 3
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("code")
    (folder / "thinking_networks.py").write_text(CODE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("thinking_networks", None)


RECIPE = {
    "inputs": {"image": {"type": "image", "augment": []}},
    "network": {"custom": {"target": "thinking_networks:Thinker", "arguments": {"width": 6}}},
    "training": {"epochs": 1, "stop_early": None},
}


@pytest.fixture(scope="module")
def thinker(package: Path, few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    """A run with such a network, and what was shown."""
    shown: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        run = fb.fit(few_digits, recipe=RECIPE, run=tmp_path_factory.mktemp("runs") / "run", allow_code=True, show=shown.append)
    assert run.path is not None
    return run.path, shown


def test_pytorch_is_the_runner(thinker: tuple[Path, list[object]], picture: Path) -> None:
    run, shown = thinker
    assert [event.code for event in shown if isinstance(event, Notice)].count("runs-in-torch") == 1
    assert not (run / "model.flambeau/model.onnx").exists()
    assert not (run / "model.flambeau/verification.json").exists()
    assert "runs-in-torch" in (run / "log.txt").read_text(encoding="utf-8")
    model = fb.load(run, allow_code=True)
    [answer] = model.predict([picture])
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert fb.test(run, allow_code=True, show=fb.silent).test == fb.load(run, allow_code=True).test


@pytest.mark.parametrize("command", [["predict", "{run}", "{picture}"], ["serve", "{run}", "--port", "0"], ["test", "{run}"], ["show", "{run}"]])
def test_without_permission_nothing_is_imported(
    thinker: tuple[Path, list[object]], picture: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    sys.modules.pop("thinking_networks", None)
    code = cli.run([*(word.format(run=thinker[0], picture=picture) for word in command), "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (code, error["code"]) == (2, "code-not-allowed")
    assert "--allow-code" in error["fix"]
    assert "thinking_networks" not in sys.modules


def test_fit_needs_permission(package: Path, few_digits: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        fb.fit(few_digits, recipe=RECIPE, run=tmp_path / "run", show=fb.silent)
    assert caught.value.code == "code-not-allowed"
    assert not (tmp_path / "run").exists(), "a run that came to nothing leaves nothing behind"


def test_it_cannot_be_exported(thinker: tuple[Path, list[object]]) -> None:
    with pytest.raises(CheckFailed) as caught:
        fb.export(thinker[0], "onnx", allow_code=True, show=fb.silent)
    assert (caught.value.code, caught.value.exit_code) == ("export-impossible", 1)
    assert list((thinker[0] / "model.flambeau").glob("exports/*")) == []


def test_predict_and_serve_with_permission(
    thinker: tuple[Path, list[object]], picture: Path, capsys: pytest.CaptureFixture[str], package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    assert cli.run(["predict", str(thinker[0]), str(picture), "--allow-code", "--json"]) == 0
    [expected] = json.loads(capsys.readouterr().out)["predictions"]
    monkeypatch.setenv("PYTHONPATH", str(package))
    command = [sys.executable, "-m", "flambeau", "serve", str(thinker[0]), "--port", "0", "--allow-code", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["runtime"].startswith("torch ")
            request = urllib.request.Request(f"{ready['url']}/predict", picture.read_bytes(), {"Content-Type": "image/png"})
            with urllib.request.urlopen(request, timeout=20) as response:
                [served] = json.load(response)["predictions"]
        finally:
            process.terminate()
    assert served["label"] == expected["label"]
    assert max(abs(served["probabilities"][label] - value) for label, value in expected["probabilities"].items()) < 1e-4


@pytest.mark.parametrize(
    ("custom", "code"),
    [
        ({"target": "thinking_networks:Thinker", "arguments": {"depth": 3}}, "code-fails"),
        ({"target": "thinking_networks:Nobody"}, "code-not-found"),
        ({"target": "no_such_package:Thinker"}, "code-not-found"),
        ({"target": "thinking_networks:NotAModule"}, "code-kind"),
        ({"target": "os:system"}, "code-kind"),
    ],
)
def test_code_that_is_wrong(package: Path, few_digits: Path, custom: dict[str, Any], code: str) -> None:
    with pytest.raises(RecipeError) as caught:
        fb.check(few_digits, recipe={**RECIPE, "network": {"custom": custom}}, allow_code=True, show=fb.silent)
    assert caught.value.code == code


def test_weights_of_another_network(thinker: tuple[Path, list[object]], tmp_path: Path) -> None:
    """Without a graph, the weights are what answers."""
    import hashlib

    import safetensors.numpy

    folder = Path(shutil.copytree(thinker[0] / "model.flambeau", tmp_path / "copy.flambeau"))
    weights = {name: np.zeros_like(array) for name, array in safetensors.numpy.load_file(folder / "weights.safetensors").items()}
    (folder / "weights.safetensors").write_bytes(safetensors.numpy.save(weights))
    manifest = json.loads((folder / "flambeau.json").read_bytes())
    manifest["files"]["weights.safetensors"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    manifest.pop("sha256")
    seal = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (folder / "flambeau.json").write_text(json.dumps({**manifest, "sha256": seal}), encoding="utf-8")
    with pytest.raises(FlambeauError) as caught:
        fb.load(folder, allow_code=True)
    assert caught.value.code == "golden-differs"


@pytest.mark.parametrize("is_served", [False, True])
def test_altered_weights_are_found_before_they_are_read(thinker: tuple[Path, list[object]], tmp_path: Path, is_served: bool) -> None:
    folder = Path(shutil.copytree(thinker[0] / "model.flambeau", tmp_path / "copy.flambeau"))
    assert artifact.load(folder, allow_code=True, serving=is_served).runtime == ""
    with (folder / "weights.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(FlambeauError) as caught:
        artifact.load(folder, allow_code=True, serving=is_served)
    assert caught.value.code == "artifact-altered"


def test_a_layer_list_that_no_graph_can_hold_is_not_swallowed(few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only code of the user may fall back to PyTorch: for our own layers an impossible export is a failure."""
    from flambeau.exporting.onnx import Onnx

    def impossible(self: Onnx, *arguments: object) -> None:
        raise CheckFailed("export-impossible", where="onnx", target="onnx", reason="no")

    monkeypatch.setattr(Onnx, "export", impossible)
    with pytest.raises(CheckFailed) as caught:
        fb.fit(few_digits, recipe={**RECIPE, "network": ["flatten"]}, run=tmp_path / "run", show=fb.silent)
    assert caught.value.code == "export-impossible"
    assert json.loads((tmp_path / "run/run.json").read_bytes())["status"] == "failed"


# A layer of a list: where a graph can hold it, whoever uses the model needs none of its code.

LISTED = {
    **RECIPE,
    "network": [{"conv2d": 4}, "relu", {"custom": {"target": "thinking_networks:Gate", "arguments": {"width": 4}}}, "global_avg_pool"],
}


@pytest.fixture(scope="module")
def gated(package: Path, few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a layer of the user in its list."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        run = fb.fit(few_digits, recipe=LISTED, run=tmp_path_factory.mktemp("runs") / "run", allow_code=True, show=fb.silent)
    assert run.path is not None
    return run.path


def test_the_graph_of_a_listed_layer_needs_no_code(gated: Path, picture: Path) -> None:
    from flambeau.exporting.torch import TorchRunner
    from flambeau.restoring import restore_network

    sys.modules.pop("thinking_networks", None)
    model = fb.load(gated)
    [answer] = model.predict([picture])
    assert "thinking_networks" not in sys.modules
    loaded = model.artifact.predictor
    network = restore_network(gated / "model.flambeau", loaded.inputs, loaded.target, allow_code=True)
    share = network.state_dict()["body.2_custom.share"]
    assert share.shape == (4,)
    [example] = loaded.as_examples([picture])
    by_torch = TorchRunner(network)({name: array[None].copy() for name, array in loaded.encode(example).items()})
    assert list(answer.probabilities.values()) == pytest.approx(sorted(by_torch[0].tolist(), reverse=True), abs=1e-5)


def test_the_artifact_says_which_code_it_was(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "thinking_networks:Gate" in (gated / "model.flambeau/recipe.yaml").read_text(encoding="utf-8")
    assert cli.run(["show", str(gated), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "code-not-allowed"
    assert cli.run(["show", str(gated), "--allow-code", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["layers"]}
    assert (rows["custom"]["parameters"], rows["custom"]["output"]) == (4, "channels 4 x height 8 x width 8")


def test_a_mistake_is_told_with_its_line(package: Path, few_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("network:\n  - {conv2d: 4}\n  - custom: {target: 'thinking_networks:Gate', arguments: {width: 5}}\n", encoding="utf-8")
    assert cli.run(["check", str(few_digits), "--recipe", str(recipe), "--allow-code", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "custom-fails"
    assert error["where"].endswith("recipe.yaml:3:22")


def test_a_listed_layer_that_looks_at_its_numbers_runs_in_torch(package: Path, few_digits: Path, tmp_path: Path, picture: Path) -> None:
    layers = ["flatten", {"custom": {"target": "thinking_networks:Thinker", "arguments": {"width": 6}}}]
    shown: list[object] = []
    run = fb.fit(few_digits, recipe={**RECIPE, "network": layers}, run=tmp_path / "run", allow_code=True, show=shown.append)
    assert [event.code for event in shown if isinstance(event, Notice)].count("runs-in-torch") == 1
    with pytest.raises(RecipeError, match="code-not-allowed"):
        fb.load(run.artifact)
    assert sum(fb.load(run.artifact, allow_code=True).predict([picture])[0].probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_a_listed_layer_is_ejected(gated: Path, tmp_path: Path) -> None:
    ejected = fb.eject(gated, tmp_path / "plain", allow_code=True, show=fb.silent)
    assert ejected.num_checked == 8
    assert "from thinking_networks import Gate" in (tmp_path / "plain/model.py").read_text(encoding="utf-8")
