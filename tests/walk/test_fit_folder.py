"""`flambeau fit` on a folder of pictures: what it leaves behind, what it prints, what each option changes."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import flambeau as fb
from flambeau.errors import DataError, UsageError

Fit = Callable[..., Any]
FILES = {
    "recipe.yaml",
    "recipe.resolved.yaml",
    "run.json",
    "log.txt",
    "metrics.jsonl",
    "metrics.csv",
    "split.csv",
    "data.md",
    "checkpoints",
    "model.flambeau",
    "report.html",
    "report.json",
}
MEMBERS = {
    "flambeau.json",
    "recipe.yaml",
    "signature.json",
    "preprocessing.json",
    "target.json",
    "weights.safetensors",
    "model.onnx",
    "golden",
    "report.json",
    "report.html",
    "verification.json",
    "README.md",
}


def hashes(run: Path) -> dict[str, str]:
    names = ("weights.safetensors", "model.onnx", "preprocessing.json", "target.json", "recipe.yaml")
    return {name: hashlib.sha256((run / "model.flambeau" / name).read_bytes()).hexdigest() for name in names}


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def resolved(run: Path) -> dict[str, Any]:
    return yaml.safe_load((run / "recipe.resolved.yaml").read_text(encoding="utf-8"))


def test_a_run_folder_holds_what_the_handbook_says(finished: Path, few_digits: Path, tiny: Path) -> None:
    found = {entry.name for entry in finished.iterdir()} - {".lock"}
    assert found == FILES
    assert {entry.name for entry in (finished / "model.flambeau").iterdir()} == MEMBERS
    assert (finished / "recipe.yaml").read_text(encoding="utf-8") == tiny.read_text(encoding="utf-8")
    record = json.loads((finished / "run.json").read_bytes())
    assert record["status"] == "finished"
    assert record["seed"] == 0
    assert len(record["data"]) == len(record["source"]) == 64
    assert {"python", "flambeau", "torch", "onnxruntime"} <= record["versions"].keys()
    listed = rows(finished)
    assert list(listed[0]) == ["path", "label", "split", "sha256"]
    assert Counter(row["split"] for row in listed) == {"train": 84, "valid": 18, "test": 18}
    for row in listed[::17]:
        file = few_digits / row["path"]
        assert file.parent.name == row["label"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row["sha256"]
    epochs = [json.loads(line) for line in (finished / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    with (finished / "metrics.csv").open(encoding="utf-8", newline="") as file:
        assert [row["valid_accuracy"] for row in csv.DictReader(file)] == [str(epoch["valid_accuracy"]) for epoch in epochs]


def test_the_split_is_stratified_and_each_class_is_in_each_part(finished: Path) -> None:
    counts = Counter((row["label"], row["split"]) for row in rows(finished))
    for label in "0123":
        assert counts[label, "train"] == 21
        assert counts[label, "valid"] in (4, 5)
        assert counts[label, "test"] in (4, 5)


def test_the_resolved_recipe_leaves_nothing_open(finished: Path, few_digits: Path) -> None:
    recipe = resolved(finished)
    assert set(recipe) == {"data", "inputs", "task", "network", "training", "test", "export"}
    assert recipe["data"]["folder"] == str(few_digits)
    assert recipe["inputs"]["image"]["size"] == [8, 8]
    assert recipe["inputs"]["image"]["channels"] == 1
    assert recipe["task"]["target"] == "label"
    assert fb.Recipe.model_validate(recipe).training.epochs == 2


def test_the_json_of_fit(flambeau: Fit, tmp_path: Path, few_digits: Path, tiny: Path) -> None:
    run = tmp_path / "run"
    outcome = flambeau("fit", few_digits, "--recipe", tiny, "--run", run, "--json")
    assert outcome.code == 0
    result = outcome.json
    assert list(result) == ["run", "artifact", "test", "baseline", "verdict", "seconds"]
    assert (result["run"], result["artifact"]) == (str(run), str(run / "model.flambeau"))
    assert {"accuracy", "balanced_accuracy", "macro_recall", "macro_precision", "macro_f1", "log_loss", "roc_auc"} <= result["test"].keys()
    for score in result["test"].values():
        assert {"value", "low", "high", "n"} <= score.keys()
        assert score["value"] is None or score["low"] <= score["value"] <= score["high"]
    assert 0 <= result["test"]["accuracy"]["value"] <= 1
    assert result["test"]["accuracy"]["n"] == 18
    assert set(result["baseline"]["accuracy"]) == {"value", "low", "high", "n"}
    assert {"total", "data", "train", "export", "test"} == result["seconds"].keys()
    tested = flambeau("test", run, "--json")
    assert tested.json["test"] == result["test"]
    assert list(tested.json) == list(result)


def test_the_transcript_of_fit(flambeau: Fit, tmp_path: Path, few_digits: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results on standard output, progress on standard error, no cursor movements where no terminal is."""
    monkeypatch.chdir(tmp_path)
    outcome = flambeau("fit", few_digits, "--recipe", tiny)
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines() if line and not line.startswith(" ")] == ["Test", "Saved", "Report", "Next"]
    assert "95% interval" in outcome.out
    assert "n=18" in outcome.out
    assert "flambeau predict runs/few-1 new.jpg" in outcome.out
    assert {"Data", "Split", "Plan", "Train"} <= {line.split(" ")[0] for line in outcome.err.splitlines()}
    assert "\x1b" not in outcome.err + outcome.out
    assert "\r" not in outcome.err + outcome.out
    assert (tmp_path / "runs/few-1/model.flambeau/flambeau.json").is_file()


def test_runs_are_numbered(tmp_path: Path, few_digits: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flambeau.runfolder import new_run

    monkeypatch.chdir(tmp_path)
    paths = [new_run(None, "my photos <1>", force=False).path.name for _ in range(3)]
    assert paths == ["my-photos-1-1", "my-photos-1-2", "my-photos-1-3"]
    assert new_run(None, "../..", force=False).path == tmp_path / "runs" / "run-1"


def test_an_existing_folder_is_refused(flambeau: Fit, run_copy: Path, few_digits: Path, tiny: Path) -> None:
    before = hashes(run_copy)
    outcome = flambeau("fit", few_digits, "--recipe", tiny, "--run", run_copy, "--json")
    assert (outcome.code, outcome.error["code"]) == (2, "run-exists")
    assert hashes(run_copy) == before


def test_force_replaces_runs_only(flambeau: Fit, run_copy: Path, few_digits: Path, tiny: Path, tmp_path: Path) -> None:
    old = json.loads((run_copy / "run.json").read_bytes())
    outcome = flambeau("fit", few_digits, "--recipe", tiny, "--run", run_copy, "--force", "--epochs", 1, "--json")
    assert outcome.code == 0
    assert json.loads((run_copy / "run.json").read_bytes())["seconds"] != old["seconds"]
    assert len((run_copy / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    (run_copy / "thesis.docx").write_text("years of work", encoding="utf-8")
    outcome = flambeau("fit", few_digits, "--recipe", tiny, "--run", run_copy, "--force", "--json")
    assert (outcome.code, outcome.error["code"]) == (2, "run-foreign")
    assert (run_copy / "thesis.docx").exists()
    assert (run_copy / "model.flambeau/model.onnx").exists()
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").mkdir()
    assert flambeau("fit", few_digits, "--recipe", tiny, "--run", home, "--force", "--json").error["code"] == "run-foreign"
    assert (home / "cache").is_dir()
    file = tmp_path / "a.txt"
    file.write_text("mine", encoding="utf-8")
    assert flambeau("fit", few_digits, "--recipe", tiny, "--run", file, "--json").error["code"] == "run-exists"
    assert flambeau("fit", few_digits, "--recipe", tiny, "--run", file, "--force", "--json").error["code"] == "run-foreign"
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_dry_run_trains_nothing(flambeau: Fit, few_digits: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = flambeau("fit", few_digits, "--recipe", tiny, "--dry-run", "--json")
    assert outcome.code == 0
    result = outcome.json
    assert list(result) == ["data", "split", "plan", "recipe"]
    assert result["data"]["counts"] == {"0": 30, "1": 30, "2": 30, "3": 30}
    assert [result["split"][word] for word in ("train", "valid", "test")] == [84, 18, 18]
    assert result["plan"]["epochs"] == 2
    assert result["plan"]["seconds"] > 0
    assert list(tmp_path.iterdir()) == []
    shown = flambeau("fit", few_digits, "--recipe", tiny, "--dry-run")
    assert shown.out == ""
    assert "Plan" in shown.err
    assert "epoch   train loss" not in shown.err


def test_options_are_settings(flambeau: Fit, few_digits: Path, tiny: Path) -> None:
    outcome = flambeau(
        *("fit", few_digits, "--recipe", tiny, "--dry-run", "--json", "--epochs", 7, "--seed", 3, "--max-bad", "5%", "--exclude-class", "2"),
        *("--set", "training.optimizer.adamw.lr=0.01", "--set", "inputs.image.size=[6, 6]", "--set", "network[0].conv2d.channels=4"),
        *("--set", "task.label_smoothing=0.1", "--set", "test.top_k=2"),
    )
    assert outcome.code == 0, outcome.out
    recipe = outcome.json["recipe"]
    assert recipe["training"]["epochs"] == 7
    assert recipe["training"]["seed"] == recipe["data"]["split"]["seed"] == 3
    assert recipe["data"]["max_bad"] == 0.05
    assert recipe["data"]["exclude_classes"] == ["2"]
    assert set(outcome.json["data"]["counts"]) == {"0", "1", "3"}
    assert recipe["training"]["optimizer"]["adamw"]["lr"] == 0.01
    assert recipe["inputs"]["image"]["size"] == [6, 6]
    assert recipe["network"][0]["conv2d"]["channels"] == 4
    assert recipe["task"]["label_smoothing"] == 0.1
    assert recipe["test"]["top_k"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["--max-bad", "lots"], "share-form", 2),
        (["--epochs", "0"], "usage", 2),
        (["--seed", "-1"], "usage", 2),
        (["--set", "training.epoch=3"], "set-path-unknown", 2),
        (["--set", "training.epochs"], "set-form", 2),
        (["--set", "training.epochs=many"], "recipe-type", 2),
        (["--set", "inputs.picture={type: image, size: 8}"], "input-column-unknown", 2),
        (["--exclude-class", "cat"], "class-unknown", 3),
        (["--target", "lable"], "column-unknown", 3),
        (["--group", "patient"], "column-unknown", 3),
        (["--nonsense"], "usage", 2),
        (["--exclude-class", "1", "--exclude-class", "2", "--exclude-class", "3"], "class-alone", 3),
    ],
)
def test_a_wrong_option_is_one_error_object(flambeau: Fit, few_digits: Path, tiny: Path, arguments: list[str], code: str, exit_code: int) -> None:
    outcome = flambeau("fit", few_digits, "--recipe", tiny, "--dry-run", "--json", *arguments)
    assert (outcome.error["code"], outcome.code) == (code, exit_code)


def test_the_same_seed_gives_the_same_artifact(finished: Path, few_digits: Path, tiny: Path, tmp_path: Path) -> None:
    again = fb.fit(few_digits, recipe=tiny, run=tmp_path / "again", show=fb.silent)
    assert hashes(tmp_path / "again") == hashes(finished)
    assert (tmp_path / "again" / "split.csv").read_bytes() == (finished / "split.csv").read_bytes()
    assert dict(again.test) == json.loads((finished / "run.json").read_bytes())["test"]
    other = fb.fit(few_digits, recipe=tiny, run=tmp_path / "other", seed=1, show=fb.silent)
    assert other.path is not None
    assert [row["split"] for row in rows(other.path)] != [row["split"] for row in rows(finished)]
    assert hashes(other.path)["weights.safetensors"] != hashes(finished)["weights.safetensors"]


def test_data_of_the_command_line_goes_before_the_recipe(flambeau: Fit, few_digits: Path, digits_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"data: {{folder: {json.dumps(str(digits_folder))}, exclude_classes: ['3']}}", encoding="utf-8")
    result = flambeau("check", few_digits, "--recipe", recipe, "--json").json
    assert result["data"]["counts"] == {"0": 30, "1": 30, "2": 30}
    assert result["recipe"]["data"]["folder"] == str(few_digits)


def test_a_relative_folder_is_relative_to_the_recipe(flambeau: Fit, few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "photos").symlink_to(few_digits)
    (tmp_path / "work" / "recipe.yaml").write_text("data: {folder: photos}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = flambeau("check", "--recipe", "work/recipe.yaml", "--json").json
    assert result["ok"] is True
    assert result["recipe"]["data"]["folder"] == str(tmp_path / "work" / "photos")


def test_no_data_at_all(flambeau: Fit, tmp_path: Path) -> None:
    assert flambeau("fit", "--json").error["code"] == "data-missing"
    outcome = flambeau("fit", tmp_path / "phtos", "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "data-not-found")
    assert flambeau("fit", "--recipe", tmp_path / "no.yaml", "--json").error["code"] == "recipe-not-found"


def test_refit_uses_train_and_validation(tmp_path: Path, few_digits: Path, tiny: Path) -> None:
    shown: list[object] = []
    run = fb.fit(few_digits, recipe=tiny, run=tmp_path / "run", refit=True, show=shown.append)
    [said] = [event for event in shown if getattr(event, "code", "") == "refitting"]
    assert said.facts["n"] == 84 + 18
    assert run.path is not None
    assert hashes(run.path)["weights.safetensors"]
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    best = max(map(json.loads, lines), key=lambda epoch: (epoch["best"], epoch["epoch"]))
    assert len((run.path / "refit" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == best["epoch"] == said.facts["epochs"]
    assert "refitting" in (run.path / "log.txt").read_text(encoding="utf-8")


def test_find_lr_writes_what_it_found_into_the_recipe(tmp_path: Path, few_digits: Path, tiny: Path) -> None:
    shown: list[object] = []
    run = fb.fit(few_digits, recipe=tiny, run=tmp_path / "run", find_lr=True, epochs=1, show=shown.append)
    [said] = [event for event in shown if getattr(event, "code", "") in ("lr-found", "lr-not-found")]
    assert said.code == "lr-found"
    assert run.path is not None
    lr = resolved(run.path)["training"]["optimizer"]["adamw"]["lr"]
    assert lr == pytest.approx(said.facts["lr"], rel=0.01)
    assert lr != said.facts["before"]
    shipped = yaml.safe_load((run.artifact / "recipe.yaml").read_text(encoding="utf-8"))
    assert {**resolved(run.path), "data": shipped["data"]} == shipped


def test_what_ships_does_not_say_where_the_data_lay(finished: Path, few_digits: Path) -> None:
    for file in (finished / "model.flambeau").rglob("*"):
        assert not file.is_file() or str(few_digits).encode() not in file.read_bytes(), file.name


def test_python_raises_the_same_errors(few_digits: Path, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        fb.fit(3, show=fb.silent)
    assert caught.value.code == "data-kind"
    with pytest.raises(DataError) as missing:
        fb.fit(tmp_path / "nothing", show=fb.silent)
    assert (missing.value.code, missing.value.where) == ("data-not-found", str(tmp_path / "nothing"))


def test_a_recipe_as_mapping_or_object(few_digits: Path) -> None:
    given = {"training": {"epochs": 3}, "network": ["flatten"]}
    as_mapping = fb.check(few_digits, recipe=given, show=fb.silent)
    as_object = fb.check(few_digits, recipe=fb.Recipe.model_validate(given), show=fb.silent)
    assert as_mapping.recipe == as_object.recipe
    assert as_mapping.recipe.training.epochs == 3
    assert as_mapping.planned.network == "layers"
