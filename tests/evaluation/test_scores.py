"""What `evaluate` tells: its form, its reasons where it cannot tell, and what is made from it."""

import json
import time

import numpy as np
import pytest
from pydantic import ValidationError

from flambeau.errors import CheckFailed, DataError
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.curves import POINTS, curve_points
from flambeau.evaluation.mistakes import suspected_labels, worst_mistakes
from flambeau.evaluation.scores import baseline, evaluate, headlines, quick, require, shortfalls, weakest

PETS = ["cat", "dog", "fox"]


def sharp(truths, num_classes, wrong=()):
    """Answers that are right and sure, but for {place: answer}."""
    answers = np.full((len(truths), num_classes), 0.1 / (num_classes - 1), np.float32)
    chosen = np.array(truths)
    for place, answer in dict(wrong).items():
        chosen[place] = answer
    answers[np.arange(len(truths)), chosen] = 0.9
    return answers


@pytest.fixture
def truths():
    return np.repeat([0, 1, 2], [50, 40, 10])


@pytest.fixture
def scores(truths):
    return evaluate(sharp(truths, 3, {0: 1, 90: 1, 91: 1, 92: 0}), truths, PETS)


def test_form_is_plain_json(scores):
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    names = set(headlines(scores))
    assert names >= {"accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_recall"}
    assert names >= {"weighted_f1", "log_loss", "roc_auc", "weighted_roc_auc", "average_precision", "brier_score", "cohen_kappa", "matthews"}
    for name, score in headlines(scores).items():
        assert set(score) == {"value", "low", "high", "n"}, name
        assert score["low"] <= score["value"] <= score["high"], name
    assert scores["accuracy"] == {"value": 0.96, "low": pytest.approx(0.9016, abs=1e-4), "high": pytest.approx(0.9843, abs=1e-4), "n": 100}


def test_classes_and_confusion(scores):
    assert scores["confusion"] == [[49, 1, 0], [0, 40, 0], [1, 2, 7]]
    fox = scores["per_class"][2]
    assert (fox["label"], fox["support"]) == ("fox", 10)
    assert fox["recall"]["value"] == 0.7
    assert fox["precision"] == {"value": 1.0, "low": pytest.approx(0.6457, abs=1e-4), "high": 1.0, "n": 7}
    assert fox["f1"]["value"] == pytest.approx(14 / 17)
    assert scores["calibration"]["error"] == pytest.approx(0.06, abs=1e-6)
    assert sum(bin_["n"] for bin_ in scores["calibration"]["bins"]) == 100


def test_top_k_only_where_it_says_something(truths):
    assert "top_3_accuracy" not in evaluate(sharp(truths, 3), truths, PETS)
    assert evaluate(sharp(truths, 3), truths, PETS, TestConfig(top_k=2))["top_2_accuracy"]["value"] == 1.0
    assert "top_3_accuracy" in evaluate(sharp(truths, 5), truths, list("abcde"))


def test_absent_classes_are_said_and_left_out_of_means():
    truths = np.array([0, 0, 1, 1])
    scores = evaluate(sharp(truths, 4, {3: 2}), truths, list("abcd"))
    assert scores["absent"] == ["c", "d"]
    assert scores["macro_recall"]["value"] == 0.75
    assert scores["per_class"][2]["recall"] == {"value": None, "low": None, "high": None, "n": 0, "reason": "class-absent"}
    assert scores["per_class"][2]["precision"]["value"] == 0.0
    assert scores["per_class"][3]["precision"]["reason"] == "never-answered"
    assert scores["per_class"][3]["f1"]["reason"] == "class-absent"


def test_a_test_of_one_class_says_what_it_cannot_say():
    truths = np.zeros(8, int)
    scores = evaluate(sharp(truths, 2), truths, ["no", "yes"])
    json.dumps(scores, allow_nan=False)
    for name in ("roc_auc", "weighted_roc_auc", "average_precision", "cohen_kappa", "matthews"):
        assert scores[name] == {"value": None, "low": None, "high": None, "n": 8, "reason": "one-class"}, name
    assert scores["accuracy"]["value"] == 1.0


def test_a_model_with_one_answer():
    truths = np.array([0, 1, 1])
    scores = evaluate(sharp(truths, 2, {0: 1}), truths, ["no", "yes"])
    assert scores["matthews"]["reason"] == "one-answer"
    assert scores["cohen_kappa"]["value"] == pytest.approx(0)


def test_one_example_is_enough_for_an_answer():
    scores = json.loads(json.dumps(evaluate(np.array([[0.2, 0.8]]), np.array([1]), ["no", "yes"]), allow_nan=False))
    assert scores["accuracy"]["value"] == 1 and scores["accuracy"]["n"] == 1 and scores["accuracy"]["low"] < 0.5


def test_no_examples_and_no_numbers_are_refused():
    with pytest.raises(DataError) as nothing:
        evaluate(np.empty((0, 3)), np.empty(0, int), PETS)
    assert nothing.value.code == "test-empty"
    answers = sharp(np.array([0, 1, 2]), 3)
    answers[1, 1] = np.nan
    with pytest.raises(DataError, match="1 of 3 answers are not numbers") as bad:
        evaluate(answers, np.array([0, 1, 2]), PETS)
    assert bad.value.facts["first"] == 1


def test_ten_thousand_examples_take_less_than_a_second():
    generator = np.random.default_rng(0)
    answers, truths = generator.dirichlet(np.ones(10), 10_000), generator.integers(0, 10, 10_000)
    start = time.process_time()
    evaluate(answers, truths, [str(i) for i in range(10)])
    assert time.process_time() - start < 1.0


def test_quick_agrees_with_the_whole(truths):
    answers = sharp(truths, 3, {0: 1, 90: 1})
    scores = evaluate(answers, truths, PETS)
    assert quick(answers, truths) == {name: pytest.approx(scores[name]["value"]) for name in ("accuracy", "macro_recall", "log_loss")}


def test_quick_of_a_diverged_model_has_no_loss(truths):
    assert np.isnan(quick(np.full((100, 3), np.nan), truths)["log_loss"])


def test_baseline_is_the_most_frequent_class_of_training(truths):
    told = baseline((512, 498, 194), truths, PETS)
    assert (told["label"], told["accuracy"]["value"], told["accuracy"]["n"]) == ("cat", 0.5, 100)
    assert baseline((1, 2, 2), truths, PETS)["label"] == "dog"
    assert baseline((1, 2, 2), np.empty(0, int), PETS)["accuracy"]["reason"] == "no-examples"


def test_weakest_class(scores):
    assert weakest(scores) == {"label": "fox", "recall": scores["per_class"][2]["recall"], "taken_for": "dog", "times": 2, "errors": 3}


def test_weakest_of_a_perfect_test_is_taken_for_nothing(truths):
    told = weakest(evaluate(sharp(truths, 3), truths, PETS))
    assert (told["label"], told["taken_for"], told["errors"]) == ("cat", None, 0)
    assert weakest({"per_class": [], "labels": [], "confusion": []}) is None


def test_least_acceptable_values(scores):
    require(scores, {"accuracy": 0.96, "macro_f1": 0.5})
    assert shortfalls(scores, {"accuracy": 0.97, "top_3_accuracy": 0.1}) == [
        {"metric": "accuracy", "value": 0.96, "bound": 0.97},
        {"metric": "top_3_accuracy", "value": None, "bound": 0.1},
    ]
    with pytest.raises(CheckFailed, match=r"accuracy 0\.9600 < 0\.97") as failed:
        require(scores, {"accuracy": 0.97})
    assert failed.value.exit_code == 1


def test_config_refuses_what_it_cannot_check():
    assert TestConfig(min={"accuracy": 0.9, "top_5_accuracy": 0.99}).min["accuracy"] == 0.9
    with pytest.raises(ValidationError, match="acuracy"):
        TestConfig(min={"acuracy": 0.9})
    with pytest.raises(ValidationError, match="log_loss"):
        TestConfig(min={"log_loss": 0.9})
    with pytest.raises(ValidationError):
        TestConfig(confidence=1.0)


def test_confidence_level_moves_the_ends(truths):
    answers = sharp(truths, 3, {0: 1, 90: 1})
    wide, narrow = evaluate(answers, truths, PETS, TestConfig(confidence=0.99)), evaluate(answers, truths, PETS, TestConfig(confidence=0.5))
    assert wide["level"] == 0.99
    for name in headlines(wide):
        assert wide[name]["low"] < narrow[name]["low"] <= narrow[name]["value"], name


def test_worst_mistakes_come_first():
    truths = np.array([0, 0, 1, 1, 1])
    answers = np.array([[0.9, 0.1], [0.4, 0.6], [0.95, 0.05], [0.2, 0.8], [0.55, 0.45]], np.float32)
    worst = worst_mistakes(answers, truths, 2)
    assert [(one.row, one.truth, one.answer) for one in worst] == [(2, 1, 0), (1, 0, 1)]
    assert worst[0].confidence == pytest.approx(0.95)
    assert worst[0].truth_probability == pytest.approx(0.05)
    assert worst_mistakes(answers, truths, 0) == []


def test_swapped_labels_are_suspected():
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    pictures, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:1200], order[1200:]
    answers = LogisticRegression(max_iter=300).fit(pictures[train] / 16, labels[train]).predict_proba(pictures[test] / 16)
    truths, swapped = labels[test].copy(), np.arange(0, 120, 6)
    truths[swapped] = (truths[swapped] + 3) % 10
    found = suspected_labels(answers, truths)
    assert found[swapped].mean() > 0.7
    assert found.mean() < 0.1


def test_curves_are_thin_and_whole():
    generator = np.random.default_rng(1)
    answers, truths = generator.dirichlet(np.ones(3), 2000), generator.integers(0, 2, 2000)
    curves = curve_points(answers, truths, PETS)
    assert [curve["label"] for curve in curves] == ["cat", "dog"]
    for curve in curves:
        for points in (curve["roc"], curve["precision_recall"]):
            assert len(points) <= POINTS + 2
            assert points[0][0] == 0
            assert points[-1][0] == 1
        x, y = np.array(curve["roc"]).T
        assert np.trapezoid(y, x) == pytest.approx(curve["roc_auc"], abs=0.01)
    assert [curve["label"] for curve in curve_points(answers[:, :2], truths, ["no", "yes"])] == ["yes"]


def test_of_two_classes_the_weighted_area_is_the_area():
    dice = np.random.default_rng(0)
    truths = dice.integers(0, 2, 200)
    chance = 1 / (1 + np.exp(-(truths * 2 - 1 + dice.normal(0, 1.5, 200))))
    scores = evaluate(np.stack([1 - chance, chance], 1), truths, ["no", "yes"])
    assert scores["weighted_roc_auc"] == scores["roc_auc"]
    assert scores["roc_auc"]["high"] - scores["roc_auc"]["low"] < 0.2
