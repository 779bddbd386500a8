"""Columns that give the answer away, in real tables."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from flambeau.data.audit import gives_away


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_measurements_are_not_accused(load: object) -> None:
    data = load()  # type: ignore[operator]
    targets = [str(target) for target in data.target]
    assert not any(gives_away(column.tolist(), targets) for column in data.data.T)


def test_a_number_made_from_the_class_is_found() -> None:
    data = load_breast_cancer()
    noise = np.random.default_rng(0).normal(0, 0.01, len(data.target))
    targets = [str(target) for target in data.target]
    assert gives_away((data.target + noise).tolist(), targets)
    assert gives_away([f"{value:.4f}" for value in data.target + noise], targets)


def test_another_word_for_the_class_is_found() -> None:
    data = load_wine()
    assert gives_away([["red", "white", "rose"][target] for target in data.target], [str(target) for target in data.target])


def test_names_that_never_come_again_are_not_accused() -> None:
    data = load_wine()
    assert not gives_away([f"bottle {number}" for number in range(len(data.target))], [str(target) for target in data.target])


def test_the_range_of_a_number() -> None:
    data = load_diabetes()
    edges = np.quantile(data.target, [0.25, 0.5, 0.75])
    ranges = [str(place) for place in np.searchsorted(edges, data.target)]
    assert gives_away((data.target * 2 + 1).tolist(), ranges)
    assert not gives_away(data.data[:, 2].tolist(), ranges)
