"""Comparing runners, timing them, and the predictor that they are put into."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pytest

from flambeau.errors import CheckFailed, DataError, FlambeauError
from flambeau.evaluation.answering import answer_all, answer_by_each
from flambeau.exporting.verify import Verification, demand, largest_difference, latency, verify
from flambeau.inputs.input import Preprocessor
from flambeau.predictor import BATCH, Predictor
from flambeau.tasks.classification import Classification
from flambeau.types import Array, Example, Runner, TensorSpec


class Numbers(Preprocessor):
    """A list of three numbers -> float32; anything else is an error."""

    type: Literal["numbers"] = "numbers"

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(("features",), (3,), "float32")

    @property
    def gives(self) -> TensorSpec:
        return self.spec

    def read(self, value: object) -> Array:
        if not isinstance(value, Sequence) or len(value) != 3:
            raise DataError("example-missing", where=str(value))
        return np.asarray(value, np.float32)

    def module(self) -> Any:
        raise AssertionError("no graph is made here")


calls: list[int] = []


def softmax(inputs: Mapping[str, Array]) -> np.ndarray:
    calls.append(len(inputs["x"]))
    shares = np.exp(inputs["x"] - inputs["x"].max(-1, keepdims=True))
    answers: np.ndarray = (shares / shares.sum(-1, keepdims=True)).astype(np.float32)
    return answers


@pytest.fixture
def predictor() -> Predictor:
    calls.clear()
    return Predictor({"x": Numbers()}, softmax, Classification(target="y").fit(["a", "b", "c"]))


def examples(number: int) -> list[Example]:
    return [{"x": row} for row in np.random.default_rng(0).normal(size=(number, 3)).tolist()]


def compared(predictor: Predictor, runner: Runner, reference: Runner, number: int) -> Verification:
    answers, wanted = answer_by_each(predictor, (runner, reference), examples(number), lambda done, total: None)
    return verify("x", answers, wanted, predictor.target)


def test_equal_runners_pass(predictor: Predictor) -> None:
    found = compared(predictor, softmax, softmax, 70)
    assert (found.num_examples, found.num_same, found.largest_difference, found.passed) == (70, 70, 0.0, True)
    assert max(calls) == BATCH
    demand(found, "here")
    assert found.to_json()["target"] == "x"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda answers: answers + 2e-4,
        lambda answers: answers[:, ::-1],
        lambda answers: np.where(answers > 0.7, np.nan, answers),
        lambda answers: answers * np.inf,
    ],
)
def test_other_runners_do_not(predictor: Predictor, wrong: Any) -> None:
    found = compared(predictor, lambda inputs: wrong(softmax(inputs)), softmax, 70)
    assert not found.passed
    with pytest.raises(CheckFailed) as caught:
        demand(found, "here")
    assert (caught.value.code, caught.value.where) == ("export-differs", "here")
    back = compared(predictor, softmax, lambda inputs: wrong(softmax(inputs)), 70)
    assert not back.passed, "the reference may be the one that is wrong"


def test_near_numbers_with_other_answers_do_not_pass(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(predictor.target), "agrees", lambda self, answers, reference, tolerance: np.arange(len(answers)) > 0)
    found = compared(predictor, softmax, softmax, 5)
    assert (found.num_same, found.largest_difference, found.passed) == (4, 0.0, False)


def test_a_small_difference_is_rounding(predictor: Predictor) -> None:
    found = compared(predictor, lambda inputs: softmax(inputs) + np.float32(5e-5), softmax, 40)
    assert found.passed
    assert found.largest_difference == pytest.approx(5e-5, rel=0.01)


def test_large_numbers_are_compared_relatively() -> None:
    reference = np.array([[1e6, 0.5]], np.float32)
    assert largest_difference(reference + np.array([[10, 0]], np.float32), reference) == pytest.approx(1e-5)
    assert largest_difference(reference + np.array([[0, 0.1]], np.float32), reference) == pytest.approx(0.1)
    for bad in (np.nan, np.inf, -np.inf):
        other = np.array([[bad, 0.5]], np.float32)
        assert largest_difference(other, reference) == largest_difference(reference, other) == float("inf")


def test_latency_is_the_median() -> None:
    import time

    seen = []

    def runner(inputs: Mapping[str, Array]) -> np.ndarray:
        seen.append(1)
        time.sleep(0.002 if len(seen) != 10 else 0.2)
        return np.zeros((1, 1), np.float32)

    assert 2 <= latency(runner, {}, repeats=9) < 50
    assert len(seen) == 12


def test_errors_keep_their_place(predictor: Predictor) -> None:
    values: list[Example] = examples(BATCH + 3)
    values[1], values[BATCH] = {"x": "no"}, {"y": [1, 2, 3]}
    results = predictor.try_predict(values)
    assert [place for place, result in enumerate(results) if isinstance(result, FlambeauError)] == [1, BATCH]
    missing = results[BATCH]
    assert isinstance(missing, DataError)
    assert (missing.code, missing.where) == ("field-missing", "x")
    good = [value for place, value in enumerate(values) if place not in (1, BATCH)]
    assert [result for result in results if not isinstance(result, FlambeauError)] == predictor.predict(good)
    with pytest.raises(DataError):
        predictor.predict(values)


def test_nothing_good_asks_no_model(predictor: Predictor) -> None:
    assert all(isinstance(result, DataError) for result in predictor.try_predict([{"x": None}] * 3))
    assert predictor.try_predict([]) == []
    assert calls == []


def test_bare_values_need_one_input(predictor: Predictor) -> None:
    assert predictor.as_examples([[1, 2, 3], {"x": [1, 2, 3]}]) == [{"x": [1, 2, 3]}, {"x": [1, 2, 3]}]
    two = Predictor({"x": Numbers(), "y": Numbers()}, softmax, predictor.target)
    with pytest.raises(DataError) as caught:
        two.as_examples([[1, 2, 3]])
    assert caught.value.code == "fields-needed"
    assert two.as_examples([{"x": 1, "y": 2}]) == [{"x": 1, "y": 2}]


def test_answers_of_a_long_list(predictor: Predictor) -> None:
    seen: list[tuple[int, int]] = []
    values = examples(BATCH * 2 + 5)
    answers = answer_all(predictor, values, lambda done, total: seen.append((done, total)))
    assert seen == [(BATCH, 69), (2 * BATCH, 69), (69, 69)]
    assert np.array_equal(answers, softmax({"x": np.array([value["x"] for value in values], np.float32)}))
    with pytest.raises(DataError):
        answer_all(predictor, [*values, {"x": "no"}], lambda done, total: None)
    assert threading.active_count() < 20
