"""Thousands of mutated pictures of every format: `decode` gives an array or a DataError, soon, and within bounded memory."""

from __future__ import annotations

import random
import resource
import time

import numpy as np
import pytest
from PIL import Image

from flambeau.errors import DataError
from flambeau.inputs.decode import decode

LARGEST = 1_000_000
"""Pixels that are allowed here."""
SECONDS = 2.0
"""Processor time of one picture, at most; a thousandth of it is usual."""


@pytest.fixture(scope="module")
def seeds(photo, encoded) -> list[bytes]:
    """Sound files of every format that is read."""
    grey = photo.convert("L")
    exif = Image.Exif()
    exif[0x112] = 6
    return [
        encoded(photo, "JPEG", exif=exif),
        encoded(photo, "JPEG", progressive=True),
        encoded(photo.convert("CMYK"), "JPEG"),
        encoded(photo, "PNG", exif=exif),
        encoded(photo.quantize(16), "PNG", transparency=3),
        encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) * 200), "PNG"),
        encoded(photo, "GIF", save_all=True, append_images=[grey]),
        encoded(photo, "BMP"),
        encoded(photo, "WEBP", exif=exif),
        encoded(photo, "TIFF"),
        encoded(photo, "TIFF", compression="packbits"),
        encoded(photo, "TIFF", compression="tiff_lzw"),
        encoded(photo, "PPM"),
        encoded(photo, "AVIF"),
    ]


def mutated(dice: random.Random, seeds: list[bytes]) -> bytes:
    """One of the files with flipped bits, cut, with a piece of another one spliced in, doubled, removed or filled."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.randrange(1, 4)):
        start = dice.randrange(len(data) if dice.random() < 0.5 else min(len(data), 200))
        end = start + dice.randrange(1, 64)
        way = dice.randrange(6)
        if way == 0:
            for _ in range(dice.randrange(1, 9)):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        elif way == 1:
            del data[max(start, 1) :]
        elif way == 2:
            other = dice.choice(seeds)
            place = dice.randrange(len(other))
            data[start:end] = other[place : place + dice.randrange(1, 400)]
        elif way == 3:
            data[start:start] = data[start:end]
        elif way == 4:
            del data[start:end]
        else:
            data[start:end] = bytes([dice.choice((0, 0x7F, 0x80, 0xFF))]) * (end - start)
        if not data:
            return b""
    return bytes(data)


def survive(seeds: list[bytes], count: int, seed: int) -> tuple[int, int]:
    """Decodes so many -> how many were read, and how many refused."""
    dice = random.Random(seed)
    read = 0
    for number in range(count):
        data = mutated(dice, seeds)
        started = time.process_time()
        try:
            pixels = decode(data, max_pixels=LARGEST)
        except DataError as error:
            assert error.code.startswith("image-"), (seed, number)
            assert "0x" not in str(error), (seed, number)
        else:
            assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] in (1, 3), (seed, number)
            assert pixels.shape[0] * pixels.shape[1] <= LARGEST, (seed, number)
            read += 1
        assert time.process_time() - started < SECONDS, (seed, number)
    return read, count - read


def check(seeds: list[bytes], count: int, seed: int) -> None:
    survive(seeds, 200, seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read, refused = survive(seeds, count, seed)
    assert read > count / 10 and refused > count / 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "KiB at the peak"


def test_five_thousand_mutated_pictures(seeds, capfd):
    check(seeds, 5_000, seed=1)
    capfd.readouterr()  # libtiff prints what it finds


@pytest.mark.soak
def test_a_hundred_thousand_others_each_time(seeds, capfd):
    check(seeds, 100_000, seed=time.time_ns() % 2**32)
    capfd.readouterr()
