"""Tasks of the user: an angle, counts, and classes whose confusions cost differently, over the whole walk; nothing of theirs runs without
permission, and whatever they do wrong is said.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import stats

import flambeau as fb
from flambeau import cli, fitted
from flambeau.errors import CheckFailed, DataError, RecipeError
from flambeau.finishing import test as judged
from flambeau.plugins import Target, Task, check_task
from flambeau.recipe import json_schema, parse
from flambeau.restoring import restore_network
from flambeau.tasks.custom_task import CustomTarget, CustomTask
from flambeau.types import Classified, Valued

CODE = '''
import numpy as np
import torch
from torch import nn

from flambeau.plugins import Classification, ClassTarget, Regression, Target, Task, ValuesTarget


class Angle(Regression):
    """A direction in degrees, learnt as sine and cosine."""

    def fit(self, values):
        radians = np.radians(sorted(float(value) for value in values))
        mean = np.degrees(np.arctan2(np.sin(radians).sum(), np.cos(radians).sum())) % 360
        return AngleTarget(**{**super().fit(values).model_dump(), "means": (float(mean),)})


class AngleTarget(ValuesTarget):
    @property
    def out_features(self):
        return 2

    def truth(self, value):
        return super().truth(value) % 360

    def encode(self, value):
        radians = np.radians(self.truth(value))
        return np.concatenate([np.sin(radians), np.cos(radians)]).astype(np.float32)

    def restored(self, encoded):
        return np.degrees(np.arctan2(encoded[:, :1], encoded[:, 1:])) % 360

    def loss(self, allow_code=False):
        return VonMises()

    def activation(self):
        return Degrees()

    def nearest(self, answers, reference):
        return answers - 360 * np.round((answers - reference) / 360)


class VonMises(nn.Module):
    def forward(self, logits, targets):
        length = logits.norm(dim=-1)
        return torch.special.i0e(length).log() + length - (logits * targets).sum(-1)


class Degrees(nn.Module):
    def forward(self, logits):
        return torch.rad2deg(torch.atan2(logits[:, :1], logits[:, 1:])) % 360


class Counts(Regression):
    """Counts whose logarithm is learnt."""

    def fit(self, values):
        return CountsTarget(**super().fit(values).model_dump())


class CountsTarget(ValuesTarget):
    def encode(self, value):
        return self.truth(value).astype(np.float32)

    def restored(self, encoded):
        return encoded

    def loss(self, allow_code=False):
        class Poisson(nn.Module):
            def forward(self, logits, targets):
                return nn.functional.poisson_nll_loss(logits, targets, reduction="none").mean(-1)

        return Poisson()

    def activation(self):
        class Exponential(nn.Module):
            def forward(self, logits):
                return logits.exp()

        return Exponential()


class Costly(Classification):
    """Classes whose confusions cost differently."""

    costs: dict[str, dict[str, float]]
    """True class -> answered class -> what that costs; 1 where it is not said, 0 for the right one."""

    def fit(self, values):
        fitted = super().fit(values)
        costs = [[self.costs.get(true, {}).get(said, float(true != said)) for said in fitted.labels] for true in fitted.labels]
        return CostTarget(**fitted.model_dump(), costs=costs)


class CostTarget(ClassTarget):
    costs: tuple[tuple[float, ...], ...]

    @property
    def monitor(self):
        return "valid_loss"

    def loss(self, allow_code=False):
        return ExpectedCost(self.costs)


class ExpectedCost(nn.Module):
    def __init__(self, costs):
        super().__init__()
        self.register_buffer("costs", torch.tensor(costs))

    def forward(self, logits, targets):
        shares = nn.functional.one_hot(targets, logits.shape[-1]).float() if targets.ndim == 1 else targets
        return ((shares @ self.costs) * logits.softmax(-1)).sum(-1)


def broken(name, base=Regression, target=ValuesTarget, **members):
    """A task, under this name, whose target has other members."""
    made = type(f"{name}Target", (target,), {"__module__": __name__, **members})
    globals()[made.__name__] = made
    task = type(name, (base,), {"__module__": __name__, "fit": lambda self, values: made(**base.fit(self, values).model_dump())})
    globals()[name] = task


def fails(*_):
    raise ZeroDivisionError("of no use")


broken("Encoding", encode=fails)
broken("Listing", encode=lambda self, value: [1.0])
broken("Decoding", decode=fails)
broken("Short", decode=lambda self, answers: [])
broken("Losing", loss=lambda self, allow_code=False: type("Loss", (nn.Module,), {"forward": fails})())
broken("Summing", loss=lambda self, allow_code=False: nn.MSELoss())
broken("Activating", activation=lambda self: type("Wide", (nn.Module,), {"forward": lambda self, z: torch.cat([z, z], 1)})())
broken("Watching", monitor=property(lambda self: "accuracy"))
broken("Unjudged", judged_as=property(lambda self: "poetry"))
broken("Misjudged", judged_as=property(lambda self: "classification"))


class Grouping(Regression):
    def strata(self, values):
        raise ZeroDivisionError("of no use")


class Hidden(Regression):
    def fit(self, values):
        class Inner(ValuesTarget):
            pass

        return Inner(**super().fit(values).model_dump())
'''
COSTS = {"ill": {"well": 5.0}}
ANGLES: list[object] = [0, 90.5, "180", 270, 359.75, 10, -20, 720]
COUNTS: list[object] = [0, 3, 1, "7", 2]
NAMES: list[object] = ["ill", "well", "ill", "well", "well"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("code")
    (folder / "users_tasks.py").write_text(CODE, encoding="utf-8")
    (folder / "users_torn.py").write_text("1 / 0\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("users_tasks", None)


@pytest.fixture(scope="module")
def winds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 winds: their two components, and the direction with a little noise, most of them around north, where 360 is 0."""
    random = np.random.default_rng(0)
    degrees = random.vonmises(0, 1, 240) * 180 / np.pi
    speed = random.uniform(1, 3, 240)
    rows = zip(np.sin(np.radians(degrees)) * speed, np.cos(np.radians(degrees)) * speed, (degrees + random.normal(0, 2, 240)) % 360, strict=True)
    return table(tmp_path_factory.mktemp("winds") / "winds.csv", ("east", "north", "direction"), [*rows])


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 people, half of them ill: a measurement that is normal around 1 of the ill, around -1 of the others."""
    random = np.random.default_rng(0)
    rows = [(middle + random.normal(), random.normal(), name) for name, middle in (("ill", 1), ("well", -1)) for _ in range(200)]
    return table(tmp_path_factory.mktemp("patients") / "patients.csv", ("blood", "mood", "state"), rows)


def table(path: Path, heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heads, *rows])
    return path


def recipe(target: str, code: str, epochs: int = 1, **arguments: object) -> dict[str, Any]:
    return {
        "task": {"type": "custom", "target": target, "code": f"users_tasks:{code}", "arguments": arguments},
        "network": ["column_embedding", {"linear": 16}, "relu"],
        "training": {"epochs": epochs, "optimizer": {"adamw": 0.01}, "compile": False, "seed": 1},
    }


def fit(data: Path, folder: Path, said: Mapping[str, Any]) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(folder / "cache"))
        finished = fb.fit(data, recipe=said, run=folder / "run", allow_code=True, show=fb.silent)
    assert finished.path is not None
    return finished.path


@pytest.fixture(scope="module")
def angle(package: Path, winds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(winds, tmp_path_factory.mktemp("angle"), recipe("direction", "Angle", epochs=25))


@pytest.fixture(scope="module")
def costly(package: Path, patients: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(patients, tmp_path_factory.mktemp("costly"), recipe("state", "Costly", epochs=15, costs=COSTS))


def opened(name: str, target: str = "y", **arguments: object) -> CustomTask:
    said = {"type": "custom", "code": f"users_tasks:{name}", "target": target, "arguments": arguments}
    return CustomTask.model_validate(said, context={"allow_code": True})


def rows_of(data: Path, run: Path, split: str = "test") -> list[dict[str, str]]:
    """The raw rows of a split, by the listing that the run keeps."""
    with data.open(encoding="utf-8") as file, (run / "split.csv").open(encoding="utf-8") as listing:
        return [row for row, said in zip(csv.DictReader(file), csv.DictReader(listing), strict=True) if said["split"] == split]


def circular(one: npt.ArrayLike, other: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Degrees between directions, by complex numbers."""
    return np.abs(np.degrees(np.angle(np.exp(1j * np.radians(np.asarray(one, float) - np.asarray(other, float))))))


def ask(run: Path, rows: list[dict[str, str]], target: str) -> list[Any]:
    return fb.predict(run, [{name: value for name, value in row.items() if name != target} for row in rows], allow_code=True)


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_bytes())
    return content


def test_an_angle_is_answered_and_judged_on_the_circle(angle: Path, winds: Path) -> None:
    rows = rows_of(winds, angle)
    truths = [float(row["direction"]) for row in rows]
    answers = [answer.value for answer in ask(angle, rows, "direction")]
    assert all(0 <= answer <= 360 for answer in answers)
    record = read(angle / "model.flambeau/signature.json")
    assert record["task"] == "regression" and record["answers"] == ["direction"]
    assert record["test"]["mae"]["value"] == pytest.approx(circular(answers, truths).mean(), abs=1e-3)
    assert record["test"]["mae"]["value"] < 10
    mean = stats.circmean([float(row["direction"]) for row in rows_of(winds, angle, "train")], high=360)
    assert record["baseline"]["mae"]["value"] == pytest.approx(circular(np.full(len(truths), mean), truths).mean(), rel=1e-6)
    worst = read(angle / "model.flambeau/report.json")["mistakes"][0]
    assert abs(worst["error"]) == pytest.approx(circular(answers, truths).max(), abs=1e-3)
    again = fb.test(angle, allow_code=True, show=fb.silent)
    assert again.test["mae"]["value"] == pytest.approx(record["test"]["mae"]["value"], abs=1e-6)


def test_the_graph_answers_in_degrees_as_torch_does(angle: Path, winds: Path) -> None:
    import onnxruntime

    predictor = fb.load(angle, allow_code=True).artifact.predictor
    encoded = [predictor.encode(row) for row in rows_of(winds, angle)]
    batch = {name: np.stack([one[name] for one in encoded]) for name in predictor.inputs}
    network = restore_network(angle / "model.flambeau", predictor.inputs, predictor.target, allow_code=True)
    with torch.no_grad():
        sine, cosine = network.logits({name: torch.from_numpy(values) for name, values in batch.items()}).double().numpy().T
    session = onnxruntime.InferenceSession(angle / "model.flambeau/model.onnx")
    [answers] = session.run(None, {entry.name: batch[entry.name] for entry in session.get_inputs()})
    assert answers.shape == (len(encoded), 1)
    assert circular(answers[:, 0], np.degrees(np.arctan2(sine, cosine))).max() < 1e-3
    assert read(angle / "model.flambeau/verification.json")["onnx"]["passed"]


def test_it_is_served(angle: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{package}:{Path(fb.__file__).parents[1]}")
    wind = {"east": 1.5, "north": -1.5}
    [expected] = fb.predict(angle, [wind], allow_code=True)
    assert isinstance(expected, Valued)
    command = [sys.executable, "-m", "flambeau", "serve", str(angle), "--port", "0", "--allow-code", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            request = urllib.request.Request(f"{url}/predict", json.dumps({"inputs": [wind]}).encode(), {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=20) as response:
                [served] = json.load(response)["predictions"]
            assert served["value"] == pytest.approx(expected.value, abs=1e-3)
            with urllib.request.urlopen(f"{url}/openapi.json", timeout=20) as response:
                described = json.load(response)
            assert "value" in described["components"]["schemas"]["Prediction"]["properties"]
            [model] = [path for path in described["paths"] if path.startswith("/v2/models/") and path.count("/") == 3]
            with urllib.request.urlopen(f"{url}{model}", timeout=20) as response:
                assert json.load(response)["outputs"][0]["shape"] == [-1, 1], "two numbers are learnt, one is answered"
        finally:
            process.terminate()


def test_who_is_missed_at_five_times_the_cost_is_seldom_missed(costly: Path) -> None:
    """Least expected cost says "ill" above -log(5)/2 = -0.8, where the densities of the two are as 1 to 5."""
    asked = [fb.predict(costly, [{"blood": blood, "mood": 0.0}], allow_code=True)[0] for blood in (-3.0, -1.6, -0.3, 2.0)]
    assert [answer.label for answer in asked if isinstance(answer, Classified)] == ["well", "well", "ill", "ill"]
    record = read(costly / "model.flambeau/signature.json")
    assert (record["task"], record["labels"]) == ("classification", ["ill", "well"])
    assert {"accuracy", "macro_recall"} <= record["test"].keys()
    kept = read(costly / "model.flambeau/target.json")
    assert (kept["type"], kept["code"], kept["labels"]) == ("custom", "users_tasks:CostTarget", ["ill", "well"])
    assert kept["state"]["costs"] == [[0.0, 5.0], [1.0, 0.0]]
    assert "Answers one of 2 classes." in (costly / "model.flambeau/README.md").read_text(encoding="utf-8")


def test_the_recipe_of_a_run_leaves_nothing_open(costly: Path) -> None:
    written = (costly / "recipe.resolved.yaml").read_text(encoding="utf-8")
    assert 'code: "users_tasks:Costly"' in written
    assert "label_smoothing: 0.0" in written and "ill: {well: 5.0}" in written


@pytest.mark.parametrize("command", [["predict", "{run}", "{data}"], ["serve", "{run}", "--port", "0"], ["test", "{run}"], ["export", "{run}"]])
def test_without_permission_nothing_is_imported(angle: Path, winds: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    sys.modules.pop("users_tasks", None)
    code = cli.run([*(word.format(run=angle, data=winds) for word in command), "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (code, error["code"]) == (2, "code-not-allowed")
    assert "users_tasks:AngleTarget" in error["message"] and "--allow-code" in error["fix"] and error["where"].endswith("target.json")
    assert "users_tasks" not in sys.modules


def test_fit_needs_permission_too(package: Path, winds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text('task: {type: custom, target: direction, code: "users_tasks:Angle"}\n', encoding="utf-8")
    sys.modules.pop("users_tasks", None)
    assert cli.run(["fit", str(winds), "--recipe", str(file), "--run", str(tmp_path / "run"), "--json"]) == 2
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert (error["code"], error["where"].rpartition("/")[2]) == ("code-not-allowed", "recipe.yaml:1:47")
    assert "users_tasks" not in sys.modules and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("said", "code", "column"),
    [
        ('code: "users_tasks:Angle", arguments: {looss: l1}', "recipe-key-unknown", 80),
        ('code: "users_tasks:Angle", arguments: {delta: much}', "recipe-type", 87),
        ('code: "users_tasks:Angle", arguments: {weight: mass}', "task-argument", 79),
        ('code: "users_tasks:Nobody"', "code-not-found", 47),
        ('code: "users_nowhere:Angle"', "code-not-found", 47),
        ('code: "users_torn:Angle"', "code-not-found", 47),
        ('code: "users_tasks:AngleTarget"', "code-kind", 47),
        ('code: "no colon"', "recipe-pattern", 47),
        ('code: "users_tasks:Grouping"', "code-fails", 47),
        ('code: "users_tasks:Hidden"', "code-unfindable", 47),
        ('code: "users_tasks:Listing"', "task-array", 47),
        ('code: "users_tasks:Activating"', "task-activation", 47),
        ('code: "users_tasks:Unjudged"', "task-judged", 47),
        ('code: "users_tasks:Misjudged"', "task-judged-from", 47),
    ],
)
def test_mistakes_are_told_at_their_place_before_anything_is_learnt(
    package: Path, winds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], said: str, code: str, column: int
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(f"task: {{type: custom, target: direction, {said}}}\nnetwork: [column_embedding, {{linear: 4}}]\n", encoding="utf-8")
    assert cli.run(["check", str(winds), "--recipe", str(file), "--allow-code", "--json"]) == 2
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert (error["code"], error["where"].rpartition("recipe.yaml:")[2]) == (code, f"1:{column}"), error


@pytest.mark.parametrize(
    ("name", "code"), [("Encoding", "task-value"), ("Losing", "code-fails"), ("Summing", "loss-result"), ("Watching", "task-monitor")]
)
def test_what_fails_while_it_learns_is_said(package: Path, winds: Path, tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises((RecipeError, DataError)) as caught:
        fit(winds, tmp_path, recipe("direction", name))
    assert caught.value.code == code
    assert f"users_tasks:{name}" in str(caught.value)


def test_what_fails_while_it_answers_is_said(package: Path) -> None:
    answers = np.zeros((2, 1), np.float32)
    for name, code in (("Decoding", "code-fails"), ("Short", "task-predictions")):
        with pytest.raises(RecipeError) as caught:
            opened(name).fit([1.0, 2.0, 5.0]).decode(answers)
        assert caught.value.code == code
    with pytest.raises(DataError, match="cannot take 'north'") as unread:
        opened("Encoding").fit([1.0, 2.0]).encode("north")
    assert unread.value.code == "task-value"


@pytest.mark.parametrize(("name", "arguments", "values"), [("Angle", {}, ANGLES), ("Counts", {}, COUNTS), ("Costly", {"costs": COSTS}, NAMES)])
def test_both_the_class_and_what_stands_for_it_keep_the_contract(package: Path, name: str, arguments: dict[str, Any], values: list[object]) -> None:
    import users_tasks  # type: ignore[import-not-found]

    check_task(getattr(users_tasks, name)(target="y", **arguments), values)
    check_task(opened(name, **arguments), values)
    check_task(opened(name, **arguments).settled(values), values)


def test_the_losses_are_those_of_the_books(package: Path) -> None:
    angles = opened("Angle").fit(ANGLES)
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.5]])
    truths = np.array([200.0, 80.0])
    encoded = torch.tensor(np.stack([angles.encode(truth) for truth in truths]))
    strength, middle = np.hypot(*logits.numpy().T), np.arctan2(*logits.numpy().T)
    expected = -stats.vonmises.logpdf(np.radians(truths), strength, middle) - np.log(2 * np.pi)
    np.testing.assert_allclose(angles.loss()(logits, encoded).numpy(), expected, rtol=1e-5)
    counts = opened("Counts").fit(COUNTS)
    rates = torch.tensor([[0.5], [1.5]])
    losses = counts.loss()(rates, torch.tensor(np.stack([counts.encode(3), counts.encode(0)]))).numpy()
    assert losses[0] - losses[1] == pytest.approx(np.exp(0.5) - 3 * 0.5 - np.exp(1.5))
    np.testing.assert_allclose(counts.activation()(rates).numpy(), np.exp(rates.numpy()), rtol=1e-6)


def test_runtimes_on_both_sides_of_north_agree(package: Path) -> None:
    target = opened("Angle").fit(ANGLES)
    above, below = np.array([[0.00001]], np.float32), np.array([[359.99999]], np.float32)
    assert target.agrees(above, below, 1e-4).all()
    assert np.abs(target.nearest(above, below) - below).max() < 1e-3


def test_column_and_weight_are_those_of_every_task(package: Path) -> None:
    said = opened("Angle").model_copy(update={"target": "direction", "weight": "trust"})
    assert (said.inner.target, said.inner.weight) == ("direction", "trust")
    assert said.fit(ANGLES).answers == ("direction",)


def test_a_recipe_is_read_without_importing_anything(package: Path) -> None:
    sys.modules.pop("users_tasks", None)
    read = parse(recipe("direction", "Angle"))
    assert read.names_code and parse(read.to_tree()) == read
    assert "users_tasks" not in sys.modules
    for work in (lambda: read.task.strata([1.0]), lambda: read.task.fit([1.0])):  # type: ignore[union-attr]
        with pytest.raises(RecipeError, match="code-not-allowed"):
            work()
    assert {"code", "arguments", "target", "weight"} <= json_schema()["$defs"]["CustomTask"]["properties"].keys()


def test_an_artifact_is_read_without_importing_anything(angle: Path) -> None:
    kept = read(angle / "model.flambeau/target.json")
    sys.modules.pop("users_tasks", None)
    with pytest.raises(RecipeError, match="code-not-allowed"):
        fitted.target(kept, angle)
    assert "users_tasks" not in sys.modules
    with pytest.raises(DataError, match=r"state\.names"):
        fitted.target({**kept, "state": {**kept["state"], "names": 3}}, angle, allow_code=True)
    with pytest.raises(RecipeError, match="code-kind"):
        fitted.target({**kept, "code": "subprocess:Popen"}, angle, allow_code=True)


def test_a_target_that_is_judged_otherwise_by_now_is_told(angle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = fb.load(angle, allow_code=True).artifact.predictor
    monkeypatch.setattr(type(loaded.target.inner), "judged_as", "poetry")
    with pytest.raises(RecipeError, match="task-judged"):
        judged(loaded, [{"east": 1.0, "north": 0.0}], np.zeros((1, 1)), parse({}).test, fb.silent)


def test_it_is_written_in_no_plain_files(angle: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        fb.eject(angle, tmp_path / "plain", allow_code=True, show=fb.silent)
    assert (caught.value.code, caught.value.facts["target"]) == ("eject-task", "users_tasks:AngleTarget")
    assert not list(tmp_path.iterdir())


def test_whatever_a_task_can_do_is_handed_on() -> None:
    for base, stand_in in ((Task, CustomTask), (Target, CustomTarget)):
        members = {name for name in vars(base) if name[0] != "_"} - {"model_config", "model_fields", *base.model_fields}
        assert members <= vars(stand_in).keys()
