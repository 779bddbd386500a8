"""Scores of numbers, of several labels and of classes in order, against scikit-learn and against their promise."""

import json

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn import metrics as referee
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from flambeau.errors import CheckFailed, DataError
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.deviations import Deviations, mae, median_error, over_values, r2, rmse
from flambeau.evaluation.facts import ReportFacts
from flambeau.evaluation.kinds import EVALUATIONS
from flambeau.evaluation.page import page
from flambeau.evaluation.scores import headlines, require
from flambeau.tasks.multi_label import MultiLabel
from flambeau.tasks.ordinal import Ordinal
from flambeau.tasks.regression import Regression


@pytest.fixture(scope="module")
def diabetes():
    """Answers of a least-squares fit to 142 patients that it has not seen, and the truths."""
    data = load_diabetes()
    model = LinearRegression().fit(data.data[:300], data.target[:300])
    return Regression(target="y").fit(data.target[:300].tolist()), model.predict(data.data[300:])[:, None].astype(np.float32), data.target[300:, None]


def test_errors_are_those_of_scikit_learn(diabetes):
    target, answers, truths = diabetes
    scores = EVALUATIONS["regression"].evaluate(answers, truths, target, TestConfig())
    assert scores["mae"]["value"] == pytest.approx(referee.mean_absolute_error(truths, answers))
    assert scores["rmse"]["value"] == pytest.approx(referee.root_mean_squared_error(truths, answers))
    assert scores["r2"]["value"] == pytest.approx(referee.r2_score(truths, answers))
    assert scores["median_error"]["value"] == pytest.approx(referee.median_absolute_error(truths, answers))
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert sum(row["mae"]["n"] for row in scores["per_range"]) == scores["n"] == 142
    quick = EVALUATIONS["regression"].quick(answers, truths, target)
    assert quick == {name: pytest.approx(scores[name]["value"]) for name in ("mae", "rmse", "r2")}


@pytest.mark.parametrize(("figure", "plain"), [(mae, referee.mean_absolute_error), (rmse, referee.root_mean_squared_error), (r2, referee.r2_score)])
def test_intervals_are_about_those_of_a_bootstrap(diabetes, figure, plain):
    _, answers, truths = diabetes
    seen = Deviations(answers[:, 0].astype(float), truths[:, 0])
    ours = over_values(figure, [seen], 0.95)
    theirs = bootstrap((truths[:, 0], answers[:, 0]), plain, paired=True, vectorized=False, n_resamples=2000, rng=np.random.default_rng(0))
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours["low"] == pytest.approx(theirs.confidence_interval.low, abs=0.15 * width)
    assert ours["high"] == pytest.approx(theirs.confidence_interval.high, abs=0.15 * width)


def test_intervals_hold_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(1)
    held = {"mae": 0, "rmse": 0, "r2": 0, "median": 0}
    for _ in range(1500):
        truths = generator.normal(size=60)
        seen = Deviations(truths + 0.5 * generator.normal(size=60), truths)
        found = {"mae": over_values(mae, [seen], 0.95), "rmse": over_values(rmse, [seen], 0.95), "r2": over_values(r2, [seen], 0.95)}
        found["median"] = median_error([seen], 0.95)
        true = {"mae": 0.5 * np.sqrt(2 / np.pi), "rmse": 0.5, "r2": 0.75, "median": 0.5 * 0.67449}
        for name, score in found.items():
            held[name] += score["low"] <= true[name] <= score["high"]
    assert all(0.92 <= count / 1500 <= 0.98 for count in held.values()), held


def test_several_values_are_means_over_them(diabetes):
    _, answers, truths = diabetes
    both, wanted = np.hstack([answers, answers * 1000]), np.hstack([truths, truths * 900])
    target = Regression(target="y", names=("a", "b")).fit(wanted.tolist())
    scores = EVALUATIONS["regression"].evaluate(both, wanted, target, TestConfig())
    assert scores["mae"]["value"] == pytest.approx(referee.mean_absolute_error(wanted, both))
    assert scores["r2"]["value"] == pytest.approx(referee.r2_score(wanted, both))
    assert [row["label"] for row in scores["per_value"]] == ["a", "b"]
    assert EVALUATIONS["regression"].weakest(scores)["label"] == min(scores["per_value"], key=lambda row: row["r2"]["value"])["label"]


def test_quantiles_tell_how_often_the_interval_holds():
    generator = np.random.default_rng(2)
    truths = generator.normal(size=(4000, 1))
    target = Regression(target="y", loss="quantile", quantiles=(0.1, 0.5, 0.9)).fit(truths.tolist())
    answers = np.tile(np.quantile(truths, (0.1, 0.5, 0.9)), (4000, 1)).astype(np.float32)
    scores = EVALUATIONS["regression"].evaluate(answers, truths, target, TestConfig())
    assert scores["coverage"]["value"] == pytest.approx(0.8, abs=0.001) and scores["nominal_coverage"] == pytest.approx(0.8)
    assert scores["mae"]["value"] == pytest.approx(referee.mean_absolute_error(truths, answers[:, 1]))


def test_the_baseline_is_the_mean_of_train(diabetes):
    target, _, truths = diabetes
    base = EVALUATIONS["regression"].baseline(truths, target, 0.95)
    assert base["mae"]["value"] == pytest.approx(np.abs(truths - target.means[0]).mean())
    assert base["label"] == "149"


@pytest.mark.parametrize(("number", "told"), [(4, "0, 1.000, 2.000, 3.000"), (5, "0, 1.000, 2.000, … (+2)"), (20, "0, 1.000, 2.000, … (+17)")])
def test_of_many_numbers_a_few_are_named(number, told):
    truths = np.tile(np.arange(number), (6, 1)) + np.random.default_rng(0).permuted(np.tile([-1.0, 0.0, 1.0, -1.0, 0.0, 1.0], (number, 1)), axis=1).T
    target = Regression(target="y").fit(truths.tolist())
    kind = EVALUATIONS["regression"]
    base = kind.baseline(truths, target, 0.95)
    assert base["label"].replace("0.000", "0") == told
    scores = kind.evaluate(truths.astype(np.float32), truths, target, TestConfig())
    assert kind.lines(scores, base, None)[0][1]["label"] == base["label"]


def test_what_cannot_be_scored(diabetes):
    target, answers, truths = diabetes
    kind = EVALUATIONS["regression"]
    with pytest.raises(DataError) as caught:
        kind.evaluate(np.full_like(answers, np.nan), truths, target, TestConfig())
    assert caught.value.code == "answers-not-numbers"
    with pytest.raises(DataError) as caught:
        kind.evaluate(answers[:0], truths[:0], target, TestConfig())
    assert caught.value.code == "test-empty"
    alone = kind.evaluate(answers[:1], truths[:1], target, TestConfig())
    assert alone["r2"] == {"value": None, "low": None, "high": None, "n": 1, "reason": "one-value"} and alone["mae"]["n"] == 1
    assert np.isnan(kind.quick(answers[:1], truths[:1], target)["r2"])


def test_errors_have_an_upper_bound(diabetes):
    target, answers, truths = diabetes
    scores = EVALUATIONS["regression"].evaluate(answers, truths, target, TestConfig())
    bounds = TestConfig(min={"r2": 0.4}, max={"mae": 60.0})
    require(scores, {**bounds.min, **bounds.max})
    with pytest.raises(CheckFailed, match=r"mae .* > 1"):
        require(scores, {"mae": 1.0})
    for side, name in (("min", "mae"), ("max", "r2"), ("max", "accuracy")):
        with pytest.raises(ValueError, match="bounded so"):
            TestConfig.model_validate({side: {name: 1.0}})


def report_of(task, target, answers, truths):
    kind = EVALUATIONS[task]
    return ReportFacts(
        run="r",
        created="2026-11-25",
        labels=target.labels,
        test=kind.evaluate(answers, truths, target, TestConfig()),
        baseline=kind.baseline(truths, target, 0.95),
        curves=kind.curves(answers, truths, target),
        mistakes=[mistake for _, mistake in kind.mistakes(answers, truths, target, 5)],
        num_mistakes=kind.num_mistakes(answers, truths, target),
        task=task,
    )


def test_the_report_of_a_regression(diabetes):
    target, answers, truths = diabetes
    told = page(report_of("regression", target, answers, truths))
    assert told.count('class="dot c0"') == 142 and "chart-parity" in told and "chart-errors" in told
    assert "Better than always answering" in told and "142 answers" in told
    assert "recall" not in told.partition("<main")[2].lower()
    worst = EVALUATIONS["regression"].mistakes(answers, truths, target, 3)
    assert [row for row, _ in worst] == np.argsort(-np.abs(answers - truths)[:, 0])[:3].tolist()


LABELS = ["red", "round", "small"]


@pytest.fixture(scope="module")
def flagged():
    generator = np.random.default_rng(3)
    truths = (generator.random((300, 3)) < (0.7, 0.3, 0.1)).astype(np.uint8)
    answers = np.clip(0.4 * truths + 0.7 * generator.random((300, 3)), 0, 1).astype(np.float32)
    target = MultiLabel(target="y", names=tuple(LABELS)).fit(truths.tolist())
    return target, answers, truths


def test_labels_are_scored_as_by_scikit_learn(flagged):
    target, answers, truths = flagged
    given = answers >= 0.5
    scores = EVALUATIONS["multi_label"].evaluate(answers, truths, target, TestConfig())
    for average in ("micro", "macro"):
        precision, recall, f1, _ = referee.precision_recall_fscore_support(truths, given, average=average)
        got = [scores[f"{average}_{name}"]["value"] for name in ("precision", "recall", "f1")]
        assert got == pytest.approx([precision, recall, f1])
    assert scores["subset_accuracy"]["value"] == pytest.approx(referee.accuracy_score(truths, given))
    assert scores["hamming_loss"]["value"] == pytest.approx(referee.hamming_loss(truths, given))
    assert [row["f1"]["value"] for row in scores["per_class"]] == pytest.approx(referee.f1_score(truths, given, average=None).tolist())
    quick = EVALUATIONS["multi_label"].quick(answers, truths, target)
    assert quick["log_loss"] == pytest.approx(np.mean([referee.log_loss(truths[:, i], answers[:, i].astype(float)) for i in range(3)]), rel=1e-3)
    assert all(score["low"] <= score["value"] <= score["high"] for score in headlines(scores).values())


def test_intervals_of_f1_are_about_those_of_a_bootstrap(flagged):
    target, answers, truths = flagged
    ours = EVALUATIONS["multi_label"].evaluate(answers, truths, target, TestConfig())["micro_f1"]
    rows = np.arange(300)
    theirs = bootstrap(
        (rows,),
        lambda at: referee.f1_score(truths[at], answers[at] >= 0.5, average="micro"),
        vectorized=False,
        method="percentile",
        n_resamples=500,
        rng=np.random.default_rng(0),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert (ours["low"], ours["high"]) == (pytest.approx(theirs.low, abs=0.2 * width), pytest.approx(theirs.high, abs=0.2 * width))


def test_the_report_of_labels(flagged):
    told = page(report_of("multi_label", *flagged))
    assert "Weakest label" in told and "chart-roc" in told and "chart-confusion" not in told


def test_nothing_is_answered_and_nothing_is_true(flagged):
    target, answers, truths = flagged
    kind = EVALUATIONS["multi_label"]
    nothing = kind.evaluate(np.zeros_like(answers), np.zeros_like(truths), target, TestConfig())
    assert nothing["micro_f1"]["value"] is None and nothing["subset_accuracy"]["value"] == 1.0
    assert kind.weakest(nothing) is None and kind.lines(nothing, kind.baseline(truths, target, 0.95), None)


def test_classes_in_order_are_scored_as_by_scikit_learn():
    generator = np.random.default_rng(4)
    truths = generator.integers(0, 5, 400)
    answers = generator.dirichlet(np.ones(5), 400).astype(np.float32)
    answers[np.arange(400), np.clip(truths + generator.integers(-1, 2, 400), 0, 4)] += 1
    answers /= answers.sum(1, keepdims=True)
    target = Ordinal(target="y").fit(truths.tolist())
    scores = EVALUATIONS["ordinal"].evaluate(answers, truths, target, TestConfig())
    given = answers.argmax(1)
    assert scores["quadratic_kappa"]["value"] == pytest.approx(referee.cohen_kappa_score(truths, given, weights="quadratic"))
    assert scores["mae"]["value"] == pytest.approx(np.abs(given - truths).mean())
    theirs = bootstrap(
        (truths, given),
        lambda a, b: referee.cohen_kappa_score(a, b, weights="quadratic"),
        paired=True,
        vectorized=False,
        n_resamples=500,
        rng=np.random.default_rng(0),
    ).confidence_interval
    ours = scores["quadratic_kappa"]
    assert (ours["low"], ours["high"]) == (pytest.approx(theirs.low, abs=0.02), pytest.approx(theirs.high, abs=0.02))
    assert "chart-confusion" in page(report_of("ordinal", target, answers, truths))
