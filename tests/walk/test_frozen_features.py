"""A frozen body is computed once, the head learns from what it gave, and the whole network is what is shipped."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import flambeau as fb
from flambeau import learning
from flambeau.demo import write_digits
from flambeau.network.modules import Frozen

timm = pytest.importorskip("timm")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("frozen") / "digits", classes=3, limit=40)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a frozen model needs: here those that its own initialisation draws."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet10t.pth"
    torch.save(timm.create_model("resnet10t", num_classes=0, in_chans=1).state_dict(), file)
    return file


def recipe(weights: Path, augment: list[Any]) -> dict[str, Any]:
    return {
        "inputs": {"image": {"type": "image", "size": 32, "augment": augment}},
        "network": {"timm": {"name": "resnet10t", "weights": str(weights), "freeze": True}},
        "training": {"epochs": 4, "batch_size": 16, "stop_early": None, "precision": "fp32", "memory_format": "contiguous", "threads": 1},
    }


def test_the_body_is_computed_once_and_the_whole_network_ships(digits: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    forward = Frozen.forward
    monkeypatch.setattr(Frozen, "forward", lambda self, x: seen.append(1) or forward(self, x))
    trained = learning.train
    counts: list[int] = []

    def counted(network: torch.nn.Module, *rest: Any, **options: Any) -> Any:
        counts.append(sum(seen))
        yield from trained(network, *rest, **options)
        counts.append(sum(seen))

    monkeypatch.setattr(learning, "train", counted)
    run = fb.fit(digits, recipe=recipe(weights, []), run=tmp_path / "once", show=lambda event: None)
    before, after = counts
    assert after == before, "no step and no validation went through the frozen body"
    whole = fb.load(run.path)
    files = sorted(digits.glob("*/*"))[::10]
    assert len({answer.confidence for answer in whole.predict(files)}) > 1, "the graph that ships takes pictures, and answers them differently"


def test_each_example_goes_through_the_body_once(digits: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fit of four epochs: every example that is learned from or validated on, and none twice."""
    seen: dict[str, list[torch.Tensor]] = {"features": [], "training": [], "": []}
    phase = [""]
    forward, computed, trained = Frozen.forward, learning.features_of, learning.train

    def counted(self: Frozen, x: Any) -> Any:
        if phase[-1] and not x.is_meta:  # shapes alone are looked up with tensors that hold nothing
            seen[phase[-1]] += x.detach().clone()
        return forward(self, x)

    def features_of(*given: Any) -> Any:
        phase.append("features")
        try:
            return computed(*given)
        finally:
            phase.append("training")

    def train(*given: Any, **options: Any) -> Any:
        yield from trained(*given, **options)
        phase.append("")

    monkeypatch.setattr(Frozen, "forward", counted)
    monkeypatch.setattr(learning, "features_of", features_of)
    monkeypatch.setattr(learning, "train", train)
    run = fb.fit(digits, recipe=recipe(weights, []), run=tmp_path / "counted", show=lambda event: None)
    assert (len(_metrics(run.path)), phase) == (4, ["", "features", "training", ""])
    with (run.path / "split.csv").open(encoding="utf-8", newline="") as file:
        used = sum(line["split"] in ("train", "valid") for line in csv.DictReader(file))
    assert len({picture.numpy().tobytes() for picture in seen["features"]}) == len(seen["features"]) == used
    assert not seen["training"]


def test_the_head_learns_as_it_does_behind_the_body(digits: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(name: str) -> list[tuple[float, float]]:
        run = fb.fit(digits, recipe=recipe(weights, []), run=tmp_path / name, show=lambda event: None)
        return [(epoch["train_loss"], epoch["valid_loss"]) for epoch in _metrics(run.path)]

    quick = losses("quick")
    monkeypatch.setattr(learning, "is_fixed", lambda network: False)
    np.testing.assert_allclose(quick, losses("plain"), rtol=1e-4)


def test_variation_is_kept_and_told(digits: Path, weights: Path, tmp_path: Path) -> None:
    shown: list[Any] = []
    fb.fit(digits, recipe=recipe(weights, ["flip"]), run=tmp_path / "varied", show=shown.append)
    assert "features-vary" in {getattr(event, "code", "") for event in shown}


def _metrics(run: Path) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
