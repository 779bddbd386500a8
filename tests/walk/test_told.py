"""What a person is told about a training and its test: of the weights that ship, and truly."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau.events import Trained

Verb = Callable[..., Any]
CHEAP = {"network": "mlp", "training": {"epochs": 3, "batch_size": 32}}
"""Of a table a few hundred rows long: a second."""


def table(path: Path, labels: Sequence[str], shift: float = 0.0) -> Path:
    """Two columns of noise, the first one moved by `shift` for each further label."""
    noise = np.random.default_rng(0).normal(size=(len(labels), 2))
    order = sorted(set(labels))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "y"])
        writer.writerows([round(a + shift * order.index(label), 4), round(b, 4), label] for (a, b), label in zip(noise.tolist(), labels, strict=True))
    return path


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One example in twenty is a "yes", and no column says which."""
    return table(tmp_path_factory.mktemp("data") / "rare.csv", ["yes" if place % 20 == 0 else "no" for place in range(300)])


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "cheap.yaml"
    path.write_text(json.dumps(CHEAP), encoding="utf-8")
    return path


def test_few_validation_examples(flambeau: Verb, tmp_path: Path) -> None:
    """The last weights are kept: everything that is said is about them."""
    data = table(tmp_path / "small.csv", ["no", "yes"] * 50, shift=1.0)
    outcome = flambeau("fit", data, "--target", "y", "--epochs", 6, "--run", tmp_path / "run")
    assert outcome.code == 0
    assert "at most 6 epochs, the last weights are kept" in outcome.err
    assert "<-" not in outcome.err
    [said] = [line for line in outcome.err.splitlines() if line.startswith("Train")]
    facts = json.loads((tmp_path / "run/report.json").read_bytes())
    assert [epoch["kept"] for epoch in facts["epochs"]] == [False] * 5 + [True]
    assert f"{facts['epochs'][-1]['valid']['accuracy']:.1%} on validation (epoch 6 of 6)" in said


def test_refit_goes_as_far_as_the_weights_that_were_kept(tmp_path: Path, recipe: Path, rare: Path) -> None:
    shown: list[Any] = []
    settings = ["training.keep_best=false", "training.stop_early=null"]
    fb.fit(rare, recipe=recipe, target="y", settings=settings, refit=True, run=tmp_path / "run", show=shown.append)
    [trained] = [event for event in shown if isinstance(event, Trained)]
    [refitting] = [event for event in shown if getattr(event, "code", "") == "refitting"]
    assert trained.kept == refitting.facts["epochs"] == 3


def test_a_diverged_training_is_told_to_learn_slower(flambeau: Verb, tmp_path: Path, recipe: Path) -> None:
    data = table(tmp_path / "two.csv", ["no", "yes"] * 150, shift=1.0)
    settings = [word for each in ("training.optimizer={sgd: 1000}", "training.clip=null") for word in ("--set", each)]
    outcome = flambeau("fit", data, "--recipe", recipe, "--target", "y", *settings, "--run", tmp_path / "run")
    [said] = [line for line in outcome.err.splitlines() if line.startswith("Train")]
    assert "diverged" in said and "an answer that looks at nothing has 0.693" in said
    assert "divide the learning rate by 10" in said
    assert "more epochs" not in said


@pytest.mark.parametrize(("lang", "words"), [("en", "not shown to be better than always answering"), ("zh", "未能证明优于一律回答")])
def test_a_model_that_beats_nothing_comes_with_a_warning(
    flambeau: Verb, tmp_path: Path, rare: Path, recipe: Path, lang: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", lang)
    outcome = flambeau("fit", rare, "--recipe", recipe, "--target", "y", "--run", tmp_path / "run")
    again, as_json = flambeau("test", tmp_path / "run"), flambeau("test", tmp_path / "run", "--json")
    for told in (outcome.err, again.err, as_json.err):
        lines = told.splitlines()
        [place] = [place for place, line in enumerate(lines) if "[not-shown-better]" in line]
        assert words in lines[place] and "no" in lines[place]
        assert "class_weights: balanced" in lines[place + 1]
    facts = json.loads((tmp_path / "run/report.json").read_bytes())
    [check] = [check for check in facts["checks"] if facts["baseline"]["label"] in check["detail"] and "accuracy" in check["detail"]]
    assert check["passed"] is False, "the report says the same"
    assert as_json.json["verdict"] == "undecided"
    assert "not-shown-better" in (tmp_path / "run/log.txt").read_text(encoding="utf-8")


def test_a_model_that_beats_it_comes_with_none(flambeau: Verb, tmp_path: Path, recipe: Path) -> None:
    data = table(tmp_path / "easy.csv", ["no", "yes"] * 150, shift=8.0)
    fitted = flambeau("fit", data, "--recipe", recipe, "--target", "y", "--run", tmp_path / "run", "--json")
    assert fitted.json["verdict"] == "better" and "always answering" not in fitted.err
    assert flambeau("test", tmp_path / "run").err == ""


def test_many_numbers_stay_on_one_line(flambeau: Verb, tmp_path: Path, recipe: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(120, 22)).round(3)
    rows = [json.dumps({"a": a, "b": b, "y": list(rest)}) for a, b, *rest in numbers.tolist()]
    (tmp_path / "many.jsonl").write_text("\n".join(rows), encoding="utf-8")
    outcome = flambeau("fit", tmp_path / "many.jsonl", "--recipe", recipe, "--target", "y", "--run", tmp_path / "run")
    assert outcome.code == 0
    [said] = [line for line in outcome.out.splitlines() if line.startswith("Test")]
    assert ", … (+17): MAE" in said
    assert len(said) < 200
