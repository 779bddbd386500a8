"""What is not used and why; copies are found quickly and completely, and likeness does not chain."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flambeau.data import duplicates
from flambeau.data.cache import Cache, encode
from flambeau.data.cleaning import Cleaned, clean
from flambeau.data.config import DataConfig
from flambeau.data.duplicates import Sets, close_pairs, cluster
from flambeau.data.examples import Source
from flambeau.data.source import open_source
from flambeau.errors import DataError
from flambeau.tasks.classification import Classification

NONE = np.empty((0, 2), np.int64)


def cleaned(pixels: type, folder: Path, memory: dict[str, object], **options: object) -> tuple[Source, Cleaned]:
    config = DataConfig.model_validate(options)
    source = open_source(config, memory=memory)
    inputs = {"x": pixels()}
    return source, clean(source, encode(source, inputs, folder), inputs, config, Classification(target="y"))


def noisy(picture: np.ndarray, seed: int) -> np.ndarray:
    return np.clip(picture.astype(int) + np.random.default_rng(seed).integers(-1, 2, picture.shape), 0, 255).astype(np.uint8)


def test_bad_examples_are_listed(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type) -> None:
    x, y = digits[0][:100].copy(), digits[1][:100].astype(object).tolist()
    x[5] = 80
    y[7], y[8], y[9] = None, " ", float("nan")
    source, found = cleaned(pixels, tmp_path, {"x": x, "y": y}, max_bad=0.05)
    assert [(problem.row, problem.where, problem.error.code) for problem in found.problems] == [
        (5, "#6", "example-blank"),
        (7, "#8", "target-missing"),
        (8, "#9", "target-missing"),
        (9, "#10", "target-missing"),
    ]
    assert found.kept.tolist() == [row for row in range(100) if row not in (5, 7, 8, 9)]
    (notice,) = found.notices
    assert notice.what.startswith("skipped 4 of 100 examples (4.0%)")
    assert len(source) == 100
    kept = cleaned(pixels, tmp_path, {"x": x, "y": y}, max_bad=0.05, blank="keep")[1].kept
    assert 5 in kept


def test_too_many_bad_stop_the_run(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type) -> None:
    x = digits[0][:100].copy()
    x[:2] = 0
    with pytest.raises(DataError, match="data-too-bad") as caught:
        cleaned(pixels, tmp_path, {"x": x, "y": digits[1][:100]})
    assert caught.value.exit_code == 3
    assert "#1: " in caught.value.what
    assert caught.value.fix.endswith("--max-bad 2%")
    assert len(cleaned(pixels, tmp_path, {"x": x, "y": digits[1][:100]}, max_bad=0.02)[1].problems) == 2


def test_copies_and_near_copies(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type) -> None:
    x = np.concatenate([digits[0][:60], digits[0][:3], [noisy(digits[0][10], 1)]])
    y = np.concatenate([digits[1][:60], digits[1][:3], [3]])
    source, found = cleaned(pixels, tmp_path, {"x": x, "y": y})
    assert found.clusters[60:].tolist() == [0, 1, 2, 10]
    assert found.clusters[:60].tolist() == list(range(60))
    assert [rows.tolist() for rows in found.duplicates] == [[0, 60], [1, 61], [2, 62], [10, 63]]
    assert found.num_duplicates == 4
    assert len(found.kept) == len(source)
    assert found.notices == ()
    ignored = cleaned(pixels, tmp_path, {"x": x, "y": y}, near_duplicates="ignore")[1]
    assert ignored.duplicates == []
    dropped = cleaned(pixels, tmp_path, {"x": x, "y": y}, near_duplicates="drop")[1]
    assert dropped.kept.tolist() == list(range(60))


def test_contradicting_labels(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type) -> None:
    x, y = np.concatenate([digits[0][:30], digits[0][:2]]), [*digits[1][:30].tolist(), 0, 9]
    _, found = cleaned(pixels, tmp_path, {"x": x, "y": y})
    assert found.contradictions == ((1, 31),)
    assert [notice.what for notice in found.notices] == ["1 set of identical examples has different labels: #2 (1), #32 (9)"]
    assert len(found.kept) == 32
    dropped = cleaned(pixels, tmp_path, {"x": x, "y": y}, near_duplicates="drop")[1]
    assert dropped.kept.tolist() == [row for row in range(30) if row != 1]


def test_drop_leaves_a_given_test_whole(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type) -> None:
    memory = {"x_train": digits[0][:20], "y_train": digits[1][:20], "x_test": digits[0][15:25], "y_test": digits[1][15:25]}
    _, found = cleaned(pixels, tmp_path, memory, near_duplicates="drop")
    assert found.kept.tolist() == [*range(15), *range(20, 30)]


def test_all_inputs_have_to_agree(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type, letters: type) -> None:
    memory = {"x": np.repeat(digits[0][:4], 2, axis=0), "t": list("aabbcdef"), "y": [0, 0, 1, 1] * 2}
    config = DataConfig()
    source = open_source(config, memory=memory)
    inputs = {"t": letters(), "x": pixels()}
    found = clean(source, encode(source, inputs, tmp_path), inputs, config)
    assert found.clusters.tolist() == [0, 0, 2, 2, 4, 5, 6, 7]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=40), st.integers(0, 8))
def test_close_pairs_equal_brute_force(numbers: list[int], most: int) -> None:
    near = [number ^ (1 << place) ^ 1 for place, number in enumerate(numbers[:10])]
    prints = np.array([*numbers, *near], np.uint64)
    pairs, distances = close_pairs(prints, most)
    every = {(i, j): (int(prints[i]) ^ int(prints[j])).bit_count() for j in range(len(prints)) for i in range(j)}
    assert dict(zip(map(tuple, pairs.tolist()), distances.tolist(), strict=True)) == {pair: d for pair, d in every.items() if d <= most}
    assert distances.tolist() == sorted(distances.tolist())


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=25))
def test_sets_are_the_components_of_the_graph(joins: list[tuple[int, int]]) -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sets = Sets(20)
    for one, other in joins:
        sets.join(one, other)
    links = np.array(joins, int).reshape(-1, 2)
    _, expected = connected_components(coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), (20, 20)), directed=False)
    names = sets.names()
    assert all((names[i] == names[j]) == (expected[i] == expected[j]) for i in range(20) for j in range(20))
    assert all(name <= member for member, name in enumerate(names))


def test_a_hundred_thousand_fingerprints_are_quick() -> None:
    rng = np.random.default_rng(0)
    prints = rng.integers(0, 2**64, 100_000, dtype=np.uint64)
    prints[-500:] = prints[:500] ^ np.uint64(0b1000100000000000000000000000000000000000000001)
    start = time.process_time()
    pairs, distances = close_pairs(prints)
    names, num_cut = cluster(len(prints), NONE, pairs, distances, lambda asked: np.ones(len(asked), np.bool_))
    assert time.process_time() - start < 20
    assert (names[-500:] == np.arange(500)).all()
    assert num_cut == 0


@pytest.mark.parametrize("kinds", [1, 30])
def test_degenerate_fingerprints_stay_bounded(kinds: int) -> None:
    prints = np.random.default_rng(1).integers(0, 2**64, kinds, dtype=np.uint64)[np.arange(20_000) % kinds]
    asked: list[int] = []

    def none_alike(pairs: np.ndarray) -> np.ndarray:
        asked.extend(pairs[:, 0].tolist())
        return np.zeros(len(pairs), np.bool_)

    start = time.process_time()
    names, _ = cluster(len(prints), NONE, *close_pairs(prints), none_alike)
    assert time.process_time() - start < 15
    assert (names == np.arange(len(prints))).all()
    assert len(asked) <= 33 * len(prints)


@pytest.mark.parametrize("together", [1, 7, 1024])
def test_candidates_compared_together_are_clustered_as_one_by_one(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(2)
    prints = dice.integers(0, 2**64, 60, dtype=np.uint64)[dice.integers(0, 60, 600)] ^ (np.uint64(1) << dice.integers(0, 64, 600).astype(np.uint64))
    kinds = dice.integers(0, 9, 600)
    pairs, distances = close_pairs(prints)
    monkeypatch.setattr(duplicates, "TOGETHER", together)
    names, _ = cluster(600, NONE, pairs, distances, lambda asked: kinds[asked[:, 0]] == kinds[asked[:, 1]])
    tries, sets = [0] * 600, Sets(600)
    for one, other in pairs.tolist():  # the plain way
        if sets.find(one) != sets.find(other) and max(tries[one], tries[other]) < duplicates.MAX_TRIES:
            if kinds[one] == kinds[other]:
                sets.join(one, other)
            else:
                tries[one], tries[other] = tries[one] + 1, tries[other] + 1
    assert (names == sets.names()).all() and max(tries) > 5 and len(np.unique(names)) < 500


def test_a_chain_is_cut_where_it_is_weakest() -> None:
    """200 examples in a row, each like the next: 10 tight sets of 20 that 6 bits link to one another."""
    pairs = np.stack([np.arange(199), np.arange(1, 200)], axis=1)
    distances = np.where(pairs[:, 1] % 20 == 0, 6, 2)
    order = np.argsort(distances, kind="stable")
    names, num_cut = cluster(200, NONE, pairs[order], distances[order], lambda asked: np.ones(len(asked), np.bool_))
    assert num_cut == 1
    assert (names == np.arange(200) // 20 * 20).all()
    whole, none_cut = cluster(40, NONE, pairs[:39], distances[:39], lambda asked: np.ones(len(asked), np.bool_))
    assert (none_cut, set(whole)) == (0, {0})


def test_equal_examples_are_never_parted() -> None:
    equal = np.array([(0, other) for other in range(1, 300)])
    names, _ = cluster(300, equal, NONE, np.empty(0, np.int64), lambda asked: np.zeros(len(asked), np.bool_))
    assert set(names) == {0}


def test_similar_photos_of_many_people_are_not_copies(sign_digits: Path, tmp_path: Path) -> None:
    """2,062 photos of ten hand signs: much alike, no copies. Real copies put among them (other quality, half the size) are found."""
    from flambeau.inputs.image import ImageInput

    folder = tmp_path / "signs"
    for label in "05":
        (folder / label).mkdir(parents=True)
        for photo in sorted((sign_digits / label).iterdir()):
            (folder / label / photo.name).symlink_to(photo)
    copied = sorted((sign_digits / "0").iterdir())[:20]
    for number, photo in enumerate(copied):
        with Image.open(photo) as image:
            image.resize((60, 60)).save(folder / "5" / f"copy{number:02}.jpg", quality=70)
    source, found = _clean_folder(folder, lambda values: ImageInput().resolve(values), tmp_path)
    sets = sorted([source.where(row) for row in rows.tolist()] for rows in found.duplicates)
    assert sets == [[f"0/{photo.name}", f"5/copy{number:02}.jpg"] for number, photo in enumerate(copied)]


def _clean_folder(folder: Path, resolve: Callable[[list[object]], object], run: Path) -> tuple[Source, Cleaned]:
    config = DataConfig(folder=folder)
    source = open_source(config)
    inputs = {"image": resolve(source.values("image")[:20])}
    done: Cache = encode(source, inputs, run)  # type: ignore[arg-type]
    return source, clean(source, done, inputs, config)  # type: ignore[arg-type]
