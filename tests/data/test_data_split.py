"""Splits: sizes, strata, what stays together, what is given; for any data, and against scikit-learn."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flambeau.data.config import SplitConfig
from flambeau.data.examples import class_counts, counted
from flambeau.data.sharing import share_out
from flambeau.data.split import Split, overlap, split
from flambeau.errors import DataError

SHARES = {"train": 0.7, "valid": 0.15, "test": 0.15}


def parts(found: Split) -> dict[str, np.ndarray]:
    return {"train": found.train, "valid": found.valid, "test": found.test}


def alone(size: int) -> np.ndarray:
    return np.arange(size)


@settings(max_examples=150, deadline=None)
@example(sizes=[6, 6, 6, 7, 11, 35], seed=0, shares=(0.5, 0.25, 0.25))
@given(
    st.lists(st.integers(3, 60), min_size=1, max_size=8),
    st.integers(0, 2**40),
    st.sampled_from([(0.7, 0.15, 0.15), (0.8, 0.1, 0.1), (0.34, 0.33, 0.33), (0.5, 0.25, 0.25)]),
)
def test_single_examples(sizes: list[int], seed: int, shares: tuple[float, float, float]) -> None:
    labels = [f"c{name}" for name, size in enumerate(sizes) for _ in range(size)]
    config = SplitConfig(train=shares[0], valid=shares[1], test=shares[2], seed=seed)
    found = split(labels, alone(len(labels)), config)
    assert np.array_equal(found.used(), np.arange(len(labels)))
    counts = {word: Counter(labels[row] for row in rows) for word, rows in parts(found).items()}
    wanted_total = dict.fromkeys(counts, 0.0)
    for name, size in enumerate(sizes):
        large = min(shares) * size >= 1
        for word, share in zip(counts, shares, strict=True):
            assert counts[word][f"c{name}"] >= 1
            if large:
                assert abs(counts[word][f"c{name}"] - share * size) < 1
            wanted_total[word] += share * size
    if all(min(shares) * size >= 1 for size in sizes):
        for word, total in wanted_total.items():
            assert abs(counts[word].total() - total) <= 1
    assert found.notices == ()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 7)), min_size=12, max_size=60), st.integers(0, 99))
def test_clusters_and_groups_never_cross(units: list[tuple[int, int]], seed: int) -> None:
    """Units of one class each and of 1 to 7 examples; every second one is tied by a group, not by likeness."""
    labels = [label for label, size in units for _ in range(size)]
    unit_of = np.array([number for number, (_, size) in enumerate(units) for _ in range(size)])
    clusters = np.where(unit_of % 2 == 0, np.array([np.flatnonzero(unit_of == unit)[0] for unit in unit_of]), np.arange(len(labels)))
    groups = [("group", int(unit)) if unit % 2 else ("alone", row) for row, unit in enumerate(unit_of)]
    per_class = Counter(label for label, _ in units)
    if min(per_class.values()) < 3:
        with pytest.raises(DataError, match="class-too-"):
            split(labels, clusters, SplitConfig(seed=seed), groups)
        return
    found = split(labels, clusters, SplitConfig(seed=seed), groups)
    word = np.array(found.words(len(labels)))
    assert all(len(set(word[unit_of == unit])) == 1 for unit in set(unit_of))
    assert overlap(found, clusters) == 0
    assert all({labels[row] for row in rows} == set(labels) for rows in parts(found).values())
    assert np.array_equal(found.used(), np.arange(len(labels)))


def test_sizes_with_large_clusters_are_within_one_cluster() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, 400)
    unit_of = np.repeat(np.arange(400), sizes)
    labels = rng.integers(0, 4, 400)[unit_of]
    found = split(labels.tolist(), unit_of, SplitConfig())
    for word, rows in parts(found).items():
        assert abs(len(rows) - SHARES[word] * len(labels)) <= sizes.max()
        for label in range(4):
            assert abs((labels[rows] == label).sum() - SHARES[word] * (labels == label).sum()) <= sizes.max()


def test_as_even_as_scikit_learn_with_groups() -> None:
    """Mixed groups (people): our test part is as near to its share in size and classes as StratifiedGroupKFold's folds are."""
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(1)
    groups = rng.integers(0, 80, 1500)
    labels = rng.choice(5, 1500, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(np.zeros(1500), labels, groups)
    expected = np.bincount(labels) / 5
    theirs = np.mean([np.abs(np.bincount(labels[test], minlength=5) - expected).sum() for _, test in folds])
    config = SplitConfig(train=0.6, valid=0.2, test=0.2)
    ours = []
    for seed in range(5):
        found = split(labels.tolist(), alone(1500), config.model_copy(update={"seed": seed}), groups.tolist())
        assert len(set(groups[found.train]) & set(groups[found.test])) == len(set(groups[found.valid]) & set(groups[found.test])) == 0
        ours.append(np.abs(np.bincount(labels[found.test], minlength=5) - expected).sum())
    assert np.mean(ours) <= theirs * 1.25


def test_the_seed_decides_and_nothing_else() -> None:
    labels = ["a", "b"] * 50
    one, same, other = (split(labels, alone(100), SplitConfig(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.test, same.test)
    assert not np.array_equal(one.test, other.test)
    again = split([label.upper() for label in labels], alone(100), SplitConfig(seed=1))
    assert np.array_equal(one.test, again.test)


def test_every_example_gets_its_turn_in_the_test() -> None:
    labels = ["a"] * 30 + ["b"] * 10
    times = np.zeros(40)
    for seed in range(300):
        times[split(labels, alone(40), SplitConfig(seed=seed)).test] += 1
    assert times.sum() == 300 * 6
    assert times.min() > 0.08 * 300
    assert times.max() < 0.25 * 300


def test_rows_take_part_and_no_others() -> None:
    labels = ["a", "b", "never"] * 40
    rows = np.array([row for row in range(120) if row % 3 != 2])
    found = split(labels, alone(120), SplitConfig(), rows=rows)
    assert np.array_equal(found.used(), rows)
    assert found.words(120)[2] == ""


@pytest.mark.parametrize(
    ("counts", "clusters", "code"), [({"cat": 5, "fox": 1}, None, "class-too-small"), ({"cat": 5, "fox": 4}, "tied", "class-too-alike")]
)
def test_small_classes(counts: dict[str, int], clusters: str | None, code: str) -> None:
    labels = [name for name, count in counts.items() for _ in range(count)]
    names = alone(len(labels))
    if clusters:
        names[5:8] = 5
    with pytest.raises(DataError) as caught:
        split(labels, names, SplitConfig())
    assert (caught.value.code, caught.value.exit_code) == (code, 3)
    assert "'fox'" in caught.value.what
    assert f"cat 5 · fox {counts['fox']}" in caught.value.why
    assert "--exclude-class fox" in caught.value.fix


def test_three_of_a_class_are_enough() -> None:
    found = split(["a"] * 100 + ["rare"] * 3, alone(103), SplitConfig())
    assert [sum(row >= 100 for row in rows) for rows in parts(found).values()] == [1, 1, 1]


def test_given_is_respected() -> None:
    labels = ["a", "b"] * 10
    given = (["train"] * 14 + ["valid"] * 2 + ["test"] * 4)[::-1]
    found = split(labels, alone(20), SplitConfig(), given=given)
    assert found.words(20) == given
    assert found.notices == ()


@pytest.mark.parametrize(
    ("present", "missing", "sizes"), [("test", "valid", (82, 18, 20)), ("valid", "test", (82, 20, 18)), ("", "valid + test", (70, 15, 15))]
)
def test_what_is_not_given_is_cut_from_train(present: str, missing: str, sizes: tuple[int, int, int]) -> None:
    labels = ["a", "b"] * (60 if present else 50)
    given = [None] * 100 + [present] * 20 if present else ["train"] * 100
    found = split(labels, alone(len(labels)), SplitConfig(), given=given)
    assert (len(found.train), len(found.valid), len(found.test)) == sizes
    assert [(notice.code, notice.facts["words"]) for notice in found.notices] == [("split-cut", missing)]
    if present:
        assert parts(found)[present].tolist() == list(range(100, 120))


def test_copies_across_a_given_border_are_counted_and_left() -> None:
    labels, given = ["a", "b"] * 10, ["train"] * 10 + ["valid"] * 4 + ["test"] * 6
    clusters = alone(20)
    clusters[[12, 19]] = [0, 13]
    found = split(labels, clusters, SplitConfig(), given=given)
    assert found.words(20) == given
    assert [(notice.code, notice.facts["n"]) for notice in found.notices] == [("duplicates-cross", 3)]
    assert overlap(found, clusters) == 3


def test_a_given_split_without_train_or_with_unseen_classes() -> None:
    with pytest.raises(DataError, match="split-without-train"):
        split(["a", "b"], alone(2), SplitConfig(), given=["test", "valid"])
    with pytest.raises(DataError, match="class-not-in-train") as caught:
        split(["a", "b", "c"], alone(3), SplitConfig(), given=["train", "train", "test"])
    assert caught.value.facts["labels"] == "c"


def test_few_groups_hold_a_class() -> None:
    """Nine people, of whom three have all of class b: each of the three has to go to another split."""
    labels = ["a"] * 90 + ["b"] * 30
    groups = [row % 9 for row in range(90)] + [row % 3 for row in range(30)]
    found = split(labels, alone(120), SplitConfig(), groups)
    assert all({labels[row] for row in rows} == {"a", "b"} for rows in parts(found).values())


def test_a_class_that_cannot_be_everywhere_is_noticed() -> None:
    labels = [0, 1, 0, 2, 1, 2, 0, 1, 2]
    groups = [0, 0, 1, 1, 2, 2, 3, 3, 3]
    found = split(labels, alone(9), SplitConfig(), groups)
    have = {word: {labels[row] for row in rows} for word, rows in parts(found).items()}
    complete = all(names == {0, 1, 2} for names in have.values())
    assert [notice.code for notice in found.notices] == ([] if complete else ["class-uncovered"])
    assert not complete  # four groups, of which each single one lacks a class but one


def test_a_hundred_thousand_are_quick() -> None:
    labels = [str(row % 100) for row in range(100_000)]
    clusters = alone(100_000)
    clusters[50_000:60_000] = clusters[:10_000]
    start = time.process_time()
    found = split(labels, clusters, SplitConfig())
    assert time.process_time() - start < 10
    assert overlap(found, clusters) == 0


def test_share_out_takes_any_numbers_of_units() -> None:
    units = np.array([10**12, -5, 10**12, 7, 8, 9])
    found = share_out(np.zeros(6, np.int64), units, [1, 1], 0)
    assert found[0] == found[2]
    assert sorted(np.bincount(found)) == [3, 3]


def test_nothing_left() -> None:
    with pytest.raises(DataError, match="data-empty"):
        split(["a"], alone(1), SplitConfig(), rows=np.empty(0, np.int64))


def test_counts() -> None:
    assert counted(class_counts(["b", "a10", "a9", "b", 7])) == "b 2 · a9 1 · a10 1 · 7 1"
