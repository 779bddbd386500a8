"""Arrays of every kind become grey levels by one rule."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.errors import DataError
from flambeau.inputs.decode import decode


def code_of(value) -> str:
    with pytest.raises(DataError) as raised:
        decode(value)
    assert raised.value.what and raised.value.fix
    return raised.value.code


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64])
def test_arrays_of_0_to_255(photo, dtype):
    pixels = np.asarray(photo)
    assert np.array_equal(decode(pixels.astype(dtype)), pixels)
    assert np.array_equal(decode(pixels[:, :, 0].astype(dtype))[:, :, 0], pixels[:, :, 0])
    assert np.array_equal(decode(pixels[:, :, :1].astype(dtype)), pixels[:, :, :1])


def test_arrays_of_0_to_1(photo):
    pixels = np.asarray(photo)
    assert np.array_equal(decode(pixels / 255), pixels)
    assert decode(np.array([[True, False]]))[0, :, 0].tolist() == [255, 0]
    assert np.array_equal(decode(pixels[::-1, ::2]), pixels[::-1, ::2])


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan, np.inf, -np.inf])
def test_values_outside_are_refused(value):
    assert code_of(np.array([[0.5, value]])) == "image-values"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(4),
        np.zeros((2, 2, 2)),
        np.zeros((1, 2, 2, 3)),
        np.zeros((2, 2), complex),
        np.array([["x", "y"]]),
        np.zeros((2, 2), object),
        np.array(3),
    ],
)
def test_arrays_that_are_no_pictures(array):
    assert code_of(array) == "image-array"


def test_floats_that_overshoot_are_cut_off():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    over = ramp.copy()
    over[0, 0], over[7, 7] = -0.02, 1.0005
    assert np.array_equal(decode(over), decode(ramp))
    assert decode(ramp * 255).max() == 255
    with pytest.raises(DataError, match="image-values"):
        decode(ramp - 0.5)
