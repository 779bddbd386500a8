"""The temperature beside scipy's, and what it does to a model that ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression

from flambeau.training.calibration import DOUBT, FEWEST, calibrated


def _answers(spread: float, number: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Logits of real pictures by a linear model that saw few of them, times `spread`, and the truths."""
    pictures, digits = load_digits(return_X_y=True)
    noisy = pictures + np.random.default_rng(0).normal(0, 6, pictures.shape)
    known = LogisticRegression(max_iter=3000).fit(noisy[:300], digits[:300])
    return spread * known.decision_function(noisy[300 : 300 + number]), digits[300 : 300 + number]


@pytest.mark.parametrize("spread", [0.2, 1.0, 8.0])
@pytest.mark.parametrize("number", [25, 600])
def test_scipy_finds_the_same(spread: float, number: int) -> None:
    logits, truths = _answers(spread, number)

    def cost(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float(-log_softmax(logits * factor, 1)[np.arange(number), truths].sum() + DOUBT * (factor - log_factor))

    best = minimize_scalar(cost, bounds=(-6, 6), method="bounded", options={"xatol": 1e-10}).x
    found = calibrated(torch.tensor(logits, dtype=torch.float32), torch.tensor(truths))
    assert found is not None
    assert found.temperature == pytest.approx(np.exp(-best), rel=1e-3)
    for told, temperature in ((found.before, 1.0), (found.after, found.temperature)):
        assert told == pytest.approx(-log_softmax(logits / temperature, 1)[np.arange(number), truths].mean(), rel=1e-5)
    assert found.after < found.before


def test_where_it_cannot_be_told_nothing_is_done() -> None:
    logits, truths = _answers(1.0)
    right = logits.argmax(1) == truths
    asked = torch.tensor(logits, dtype=torch.float32), torch.tensor(truths)
    assert calibrated(asked[0][torch.tensor(right)], asked[1][torch.tensor(right)]) is None
    assert calibrated(asked[0][: FEWEST - 1], asked[1][: FEWEST - 1]) is None
    assert calibrated(asked[0].where(asked[0] < asked[0].max(), torch.nan), asked[1]) is None


def test_one_mistake_of_very_many_does_not_make_it_sure_of_everything() -> None:
    logits = torch.eye(2).repeat(1000, 1) * 3
    truths = torch.tensor([0, 1]).repeat(1000)
    truths[0] = 1
    found = calibrated(logits, truths)
    assert found is not None
    assert 0.3 < found.temperature < 1


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same data and network learnt by heart: with calibration, without, and refitted."""
    import flambeau as fb

    folder = tmp_path_factory.mktemp("calibration")
    rows, labels = make_classification(600, 40, n_informative=8, flip_y=0.3, random_state=0)
    data = {**{f"x{column}": rows[:, column] for column in range(40)}, "label": np.array(["no", "yes"])[labels]}
    same = {"precision": "fp32", "memory_format": "contiguous", "fused": True, "compile": False, "threads": 1}
    recipe = {"network": ["column_embedding", {"linear": 256}, "relu"], "training": {"epochs": 60, "stop_early": None, **same}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(folder / "cache"))
        for name, more in (("with", {}), ("without", {"settings": ["training.calibrate=false"]}), ("refit", {"refit": True})):
            fb.fit(data, target="label", recipe=recipe, run=folder / name, show=fb.silent, **more)
    return {name: folder / name for name in ("with", "without", "refit")}


def _report(run: Path) -> dict[str, object]:
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


def test_the_model_that_ships_is_the_same_but_for_its_head(fitted: dict[str, Path]) -> None:
    import flambeau as fb

    temperature = _report(fitted["with"])["calibration"]["temperature"]
    assert temperature > 1.5
    assert _report(fitted["without"])["calibration"] is None
    with_, without = (fb.load(fitted[name]).network().state_dict() for name in ("with", "without"))
    for name, tensor in without.items():
        wanted = tensor / temperature if name.startswith("head.") else tensor
        assert torch.equal(with_[name], wanted), name


def test_the_labels_stay_and_the_probabilities_are_better(fitted: dict[str, Path]) -> None:
    with_, without = (_report(fitted[name])["test"] for name in ("with", "without"))
    assert with_["confusion"] == without["confusion"]
    assert with_["log_loss"]["value"] < 0.8 * without["log_loss"]["value"]
    assert with_["brier_score"]["value"] < without["brier_score"]["value"]


def test_a_refit_takes_the_temperature_of_the_first_training(fitted: dict[str, Path]) -> None:
    assert _report(fitted["refit"])["calibration"] == _report(fitted["with"])["calibration"]
    assert _report(fitted["refit"])["test"]["log_loss"]["value"] < _report(fitted["without"])["test"]["log_loss"]["value"]


def test_it_is_told(fitted: dict[str, Path]) -> None:
    temperature = _report(fitted["with"])["calibration"]["temperature"]
    assert f"temperature {temperature:g}" in (fitted["with"] / "report.html").read_text(encoding="utf-8")
