"""Series of every kind, gaps, lengths, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flambeau.errors import DataError
from flambeau.inputs.sequence import SequenceInput

RANDOM = np.random.default_rng(0)


def code_of(given: SequenceInput, value: object) -> str:
    with pytest.raises(DataError) as raised:
        given.read(value)
    return raised.value.code


@pytest.fixture
def varied() -> SequenceInput:
    return SequenceInput().resolve([np.zeros((4, 2)), np.ones((6, 2))])


def test_padding_with_nan_at_the_end_is_no_data(varied: SequenceInput) -> None:
    padded = np.full((9, 2), np.nan)
    padded[:5] = RANDOM.normal(size=(5, 2))
    padded[2, 1] = np.nan
    assert varied.read(padded).shape == (5, 2)
    assert np.array_equal(varied.read(padded), padded[:5].astype(np.float32), equal_nan=True)
    assert SequenceInput().resolve([padded, padded[:7]]).spec.shape == (5, 2)


def test_lists_with_null_are_gaps(varied: SequenceInput) -> None:
    assert np.array_equal(varied.read([[1, None], [None, 2.5]]), [[1, np.nan], [np.nan, 2.5]], equal_nan=True)
    flat = SequenceInput(channels=1, length="varies")
    assert np.array_equal(flat.read([1, None, 3]), [[1], [np.nan], [3]], equal_nan=True)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([[1, "2"]], "sequence-kind"),
        ([["1", "2"]], "sequence-kind"),
        ([[1, 2], [3]], "sequence-shape"),
        ([[1, 2, 3]], "sequence-channels"),
        ([[math.nan, None]], "sequence-empty"),
        ([], "sequence-empty"),
        ([[math.inf, 0]], "sequence-values"),
        ([[10**400, 0]], "sequence-kind"),
        (np.zeros((2, 2, 2)), "sequence-shape"),
        (np.array([[object(), 1]]), "sequence-kind"),
        ("1,2", "sequence-kind"),
        (7, "sequence-kind"),
        (np.array([[1 + 2j, 0]]), "sequence-kind"),
    ],
)
def test_what_is_no_series(varied: SequenceInput, value: object, code: str) -> None:
    assert code_of(varied, value) == code


def test_length_and_its_limit() -> None:
    ramp = np.arange(10.0)[:, None]
    assert code_of(SequenceInput(channels=1, length=9), ramp) == "sequence-length"
    assert SequenceInput(channels=1, length="varies", max_length=4).read(ramp)[:, 0].tolist() == [6, 7, 8, 9]
    assert SequenceInput(channels=1, length="varies", max_length=4, keep="start").read(ramp)[:, 0].tolist() == [0, 1, 2, 3]
    assert SequenceInput(max_length=4).resolve([ramp, ramp]).spec.shape == (4, 1)


def test_transposed_series_are_named() -> None:
    with pytest.raises(DataError, match="transposed"):
        SequenceInput().resolve([np.ones((2, 7)), np.ones((2, 9))])
    with pytest.raises(DataError, match="different numbers of channels"):
        SequenceInput().resolve([np.ones((5, 2)), np.ones((6, 3))])


def test_series_are_told_from_features_and_other_things() -> None:
    smooth = [np.sin(np.arange(50) / 6 + shift) for shift in range(5)]
    assert SequenceInput.recognises(smooth)
    assert SequenceInput.recognises([one[:, None] for one in smooth])
    assert SequenceInput.recognises([one[: 30 + place].tolist() for place, one in enumerate(smooth)])
    assert not SequenceInput.recognises(list(RANDOM.normal(size=(20, 50))))
    assert not SequenceInput.recognises([[1.0, 2.0, 3.0]] * 4)
    assert not SequenceInput.recognises(["a", "b"])
    assert not SequenceInput.recognises([1.0, 2.0])
    assert not SequenceInput.recognises([])


def test_standardised_as_numpy_says_with_flags_for_gaps() -> None:
    values = [RANDOM.normal(1e4, 3, size=(int(size), 3)) for size in RANDOM.integers(4, 12, 30)]
    for one in values[::3]:
        one[1, 1] = np.nan
    given = SequenceInput().resolve(values)
    fitted = given.fit([given.read(one) for one in values])
    joined = np.concatenate(values).astype(np.float32).astype(np.float64)
    assert np.allclose(fitted.statistics.mean, np.nanmean(joined, 0), rtol=1e-7)
    assert np.allclose(fitted.statistics.std, np.nanstd(joined, 0), rtol=1e-5)
    assert fitted.statistics.gaps == (False, True, False)
    assert fitted.gives.shape == (None, 4)
    batch = fitted.collate([fitted.encode(one) for one in values])
    given_out, mask = fitted.module()(torch.from_numpy(batch[""]), torch.from_numpy(batch[".mask"]))
    assert np.array_equal(mask.numpy(), batch[".mask"])
    for row, one in enumerate(values):
        expected = (one - np.nanmean(joined, 0)) / np.nanstd(joined, 0)
        assert np.allclose(given_out[row, : len(one), :3], np.nan_to_num(expected), atol=2e-3)
        assert np.array_equal(given_out[row, : len(one), 3].numpy(), np.isnan(one[:, 1]))
        assert not given_out[row, len(one) :].any()


def test_a_gap_where_training_had_none_is_the_mean() -> None:
    values = [RANDOM.normal(5, 1, size=(6, 2)) for _ in range(5)]
    given = SequenceInput().resolve(values)
    fitted = given.fit([given.read(one) for one in values])
    holed = values[0].copy()
    holed[2, 0] = np.nan
    out = fitted.module()(torch.from_numpy(fitted.encode(holed))[None])
    assert out.shape == (1, 6, 2)
    assert out[0, 2, 0] == 0


def test_still_series_are_blank_and_have_pictures(varied: SequenceInput) -> None:
    assert varied.is_blank(varied.read([[1, 2]] * 4))
    assert varied.is_blank(varied.read([[1, 2], [None, 2], [1, 2]]))
    assert not varied.is_blank(varied.read([[1, 2], [1, 3]]))
    fitted = varied.fit([varied.read([[1, 2], [3, None], [5, 0.5]])])
    array = fitted.encode([[1, 2], [3, None]])
    assert fitted.picture(array).startswith("data:image/png;base64,")
    assert fitted.excerpt(array) == "2 channels x 2 times"


def test_small_measures_are_no_constants():
    dice = np.random.default_rng(0)
    series = [dice.normal(size=(20, 2)).astype(np.float32) * np.array([1e-13, 1.0], np.float32) for _ in range(20)]
    chosen = SequenceInput().resolve(series)
    fitted = chosen.fit([chosen.read(one) for one in series])
    assert fitted.statistics.std[0] == pytest.approx(np.concatenate(series)[:, 0].std(), rel=1e-4)
