"""Copies are found, other photos are not: on real photos, with copies that are made here."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dct

from flambeau.inputs.decode import picture
from flambeau.inputs.image import ImageInput
from flambeau.inputs.likeness import ALIKE, NEAR, SPREAD, fingerprint, fingerprints, is_alike, is_blank

COLOUR = ImageInput(size=64, resize="stretch", channels=3).resolve([])


def compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def levels(image: Image.Image, gain: float, more: float) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image, float) * gain + more, 0, 255).astype(np.uint8))


COPIES = {
    "compressed to 40 %": lambda image: compressed(image, 40),
    "compressed to 75 %": lambda image: compressed(image, 75),
    "smaller": lambda image: image.resize((image.width * 7 // 10, image.height * 7 // 10)),
    "larger": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    "brighter": lambda image: levels(image, 1, 20),
    "darker": lambda image: levels(image, 0.8, 0),
    "less contrast": lambda image: levels(image, 0.9, 12),
}


def found(one: np.ndarray, other: np.ndarray) -> bool:
    """As the data room asks: the fingerprints first, then the comparison."""
    return (fingerprint(one) ^ fingerprint(other)).bit_count() <= NEAR and is_alike(one, other)


def found_pairs(arrays: list[np.ndarray]) -> int:
    marks = [fingerprint(array) for array in arrays]
    pairs = ((i, j) for i in range(len(arrays)) for j in range(i) if (marks[i] ^ marks[j]).bit_count() <= NEAR)
    return sum(is_alike(arrays[i], arrays[j]) for i, j in pairs)


@pytest.fixture(scope="module")
def sample(signs) -> list[Image.Image]:
    return [picture(path).image for path in signs[::17]]


@pytest.mark.parametrize("way", COPIES)
def test_copies_are_found(sample, way):
    hits = [found(COLOUR.read(image), COLOUR.read(COPIES[way](image))) for image in sample]
    assert sum(hits) == len(hits) >= 100


def test_other_photos_are_not(sample):
    arrays = [COLOUR.read(image) for image in sample]
    assert found_pairs(arrays) == 0


def test_a_mirrored_and_a_turned_photo_are_others(photo):
    array = COLOUR.read(photo)
    assert not is_alike(array, array[:, :, ::-1]) and not is_alike(array, array[:, ::-1])


def test_a_cut_out_piece_is_another_photo(photo):
    assert not is_alike(COLOUR.read(photo), COLOUR.read(photo.crop((10, 10, 40, 40))))


def test_colour_counts():
    red, blue = (COLOUR.read(Image.new("RGB", (20, 20), name)) for name in ("red", "blue"))
    assert not is_alike(red, blue) and is_alike(red, red)


def test_different_channels_are_different():
    assert not is_alike(np.zeros((1, 8, 8), np.uint8), np.zeros((3, 8, 8), np.uint8))


def test_digits_are_seldom_taken_for_each_other():
    from sklearn.datasets import load_digits

    digits = (load_digits().images[:400] / 16 * 255).astype(np.uint8)[:, None]
    assert found_pairs(digits) <= 3


def test_blank():
    blank = np.full((3, 9, 9), 100, np.uint8)
    assert is_blank(blank)
    blank[1] = 30
    assert is_blank(blank), "one colour need not be grey"
    blank[0, 0, 0] = 104
    assert is_blank(blank)
    blank[0, 0, 0] = 105
    assert not is_blank(blank)


def test_faint_noise_is_not_magnified():
    dice = np.random.default_rng(0)
    one, other = (dice.integers(99, 102, (1, 32, 32)).astype(np.uint8) for _ in range(2))
    assert is_alike(one, other) and ALIKE < SPREAD


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 8, 8), (1, 1, 500), (3, 300, 2)])
def test_any_size_has_a_fingerprint(shape):
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    assert 0 <= fingerprint(array) < 2**64 and fingerprint(array) == fingerprint(array.copy())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 24), (32, 64), (45, 70), (64, 33), (160, 160), (3200, 40)])
def test_a_fingerprint_is_the_signs_of_the_lowest_frequencies(size: tuple[int, int], channels: int) -> None:
    """By the definition: the mean of the channels, reduced to 32 x 32 by shares of area, its cosine transform (scipy's), each against the median."""
    generator = np.random.default_rng(3)
    pixels = generator.integers(180, 256, (5, channels, *size), np.uint8)  # a hundred rows of three channels are about 2**16

    def shares(length: int) -> np.ndarray:
        edges = np.arange(33) * length / 32
        return np.diff(np.clip(edges[:, None] - np.arange(length), 0, 1), axis=0) * 32 / length

    expected = []
    for one in pixels:
        reduced = shares(size[0]) @ one.astype(np.float64).sum(0) @ shares(size[1]).T
        low = dct(dct(reduced, axis=0), axis=1)[:9, :9].ravel()[1:65]
        expected.append(low > np.median(low))
    found = np.unpackbits(fingerprints(pixels).astype(">u8").view(np.uint8).reshape(5, 8), axis=1).astype(bool)

    assert (found == expected).mean() == 1
    assert [fingerprint(one) for one in pixels] == fingerprints(pixels).tolist()
