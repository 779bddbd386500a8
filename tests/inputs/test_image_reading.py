"""From a raw picture to the cached array: resize, channels, the key of the cache."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from flambeau.inputs.image import ImageInput
from flambeau.inputs.resize import PAD, scaled
from flambeau.inputs.resizer import Wanted, fit


@pytest.mark.parametrize("interpolation", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
def test_stretching_is_pillows_resize(photo, interpolation):
    got = ImageInput(size=(20, 30), resize="stretch", channels=3, interpolation=interpolation).read(photo)
    wanted = photo.resize((30, 20), Image.Resampling[interpolation.upper()])
    assert got.dtype == np.uint8 and np.array_equal(got, np.asarray(wanted).transpose(2, 0, 1))


def test_padding_keeps_the_proportions(photo):
    got = ImageInput(size=30, resize="pad", channels=3).read(photo)  # 60 x 48 becomes 30 x 24
    assert (got[:, :3] == PAD).all() and (got[:, 27:] == PAD).all()
    assert np.array_equal(got[:, 3:27], np.asarray(photo.resize((30, 24), Image.Resampling.BILINEAR)).transpose(2, 0, 1))


def test_cropping_takes_the_middle(photo):
    got = ImageInput(size=24, resize="crop", channels=1).read(photo)
    assert np.array_equal(got[0], np.asarray(photo.resize((24, 24), Image.Resampling.BILINEAR, box=(6, 0, 54, 48)).convert("L")))


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_extreme_shapes(resize, shape):
    got = ImageInput(size=(16, 20), resize=resize, channels=1).read(np.full(shape, 9, np.uint8))
    assert got.shape == (1, 16, 20) and 9 in got
    assert min(scaled(*shape, (16, 20), resize)) >= 1


def test_a_reduced_decoding_does_not_move_the_crop():
    large = Image.effect_mandelbrot((1201, 801), (-2, -1.2, 1, 1.2), 40)
    wanted = Wanted((64, 64), "crop", "bilinear", 10**7, None, 16)
    one, other = (np.asarray(fit(each, (801, 1201), wanted), float) for each in (large, large.reduce(4)))
    assert np.abs(one - other).mean() < 3


def test_fast_and_exact_are_near_and_have_different_keys(encoded):
    from sklearn.datasets import load_sample_image

    data = encoded(Image.fromarray(load_sample_image("flower.jpg")).resize((1600, 1200)), "JPEG", quality=95)
    exact = ImageInput(size=64, resize="crop", channels=3)
    fast = exact.model_copy(update={"decode": "fast"})
    difference = np.abs(exact.read(data).astype(int) - fast.read(data))
    assert 0 < difference.mean() < 4
    assert exact.reading_key() != fast.reading_key()


def test_the_reading_key_knows_the_host_part_alone():
    base = ImageInput(size=8, resize="pad", channels=3)
    for graph in ({"grayscale": True}, {"denoise": "median"}, {"standardise": "none"}, {"augment": ["flip"]}):
        assert ImageInput.model_validate({**base.model_dump(), **graph}).reading_key() == base.reading_key()
    for host in (
        {"size": 9},
        {"resize": "crop"},
        {"interpolation": "box"},
        {"channels": 1},
        {"decode": "fast"},
        {"max_pixels": 9},
    ):
        assert ImageInput.model_validate({**base.model_dump(), **host}).reading_key() != base.reading_key()
