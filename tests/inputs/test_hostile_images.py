"""Damaged files of every format: an array or a DataError, nothing else, and quickly."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from PIL import Image, ImageOps

from flambeau.errors import DataError
from flambeau.inputs.decode import decode, look

CODES = {"image-unreadable", "image-truncated", "image-empty", "image-too-large", "image-values", "image-format"}


@pytest.fixture(scope="module")
def files(photo, encoded) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x112] = 6
    frames = {"save_all": True, "append_images": [ImageOps.mirror(photo)]}
    deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 200)
    return {
        "jpeg": encoded(photo, "JPEG", exif=exif),
        "progressive": encoded(photo, "JPEG", progressive=True),
        "cmyk": encoded(photo.convert("CMYK"), "JPEG"),
        "mpo": encoded(photo, "MPO", **frames),
        "png": encoded(photo, "PNG", exif=exif),
        "apng": encoded(photo, "PNG", **frames),
        "palette": encoded(photo.quantize(16), "PNG", transparency=3),
        "deep": encoded(deep, "PNG"),
        "gif": encoded(photo, "GIF", **frames),
        "bmp": encoded(photo, "BMP"),
        "webp": encoded(photo, "WEBP", exif=exif),
        "animated": encoded(photo, "WEBP", **frames),
        "tiff": encoded(photo, "TIFF", exif=exif),
        "packed": encoded(photo, "TIFF", compression="packbits"),
        "float": encoded(Image.fromarray(np.asarray(photo.convert("L")) / np.float32(255)), "TIFF"),
        "ppm": encoded(photo, "PPM"),
        "plain": b"P2\n3 2 300\n1 0 1\n0 1 299\n",
        "avif": encoded(photo, "AVIF"),
    }


JPEGS = ["jpeg", "progressive", "cmyk", "mpo"]
PNGS = ["png", "apng", "palette", "deep"]
KINDS = [*JPEGS, *PNGS, "gif", "bmp", "webp", "animated", "tiff", "packed", "float", "ppm", "plain", "avif"]


def survives(data: bytes) -> str:
    start = time.perf_counter()
    outcome = "read"
    for attempt in (decode, look):
        try:
            attempt(data, max_pixels=1_000_000)
        except DataError as error:
            assert error.code in CODES
            assert "0x" not in str(error) and " at " not in error.what.replace("at byte", "")
            outcome = error.code
    assert time.perf_counter() - start < 2
    return outcome


@pytest.mark.parametrize("kind", KINDS)
def test_cut_anywhere(files, kind):
    data = files[kind]
    assert survives(data) == "read"
    outcomes = {length: survives(data[:length]) for length in sorted({*range(min(len(data), 40)), *range(0, len(data), max(1, len(data) // 25))})}
    assert outcomes[0] == "image-empty"
    if kind not in {"gif", "apng", "mpo", "animated"}:  # half of the file may hold the whole first frame
        assert all(outcome != "read" for length, outcome in outcomes.items() if length < len(data) // 2)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes(files, kind):
    dice = random.Random(kind)
    outcomes = []
    for _ in range(60):
        data = bytearray(files[kind])
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data) if dice.random() < 0.5 else min(len(data), 120))] = dice.randrange(256)
        outcomes.append(survives(bytes(data)))
    assert len(outcomes) == 60


def test_random_bytes_behind_each_magic_number():
    dice = random.Random(0)
    magics = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF\0\0\0\0WEBP", b"P6\n", b"\0\0\0\x18ftypavif"]
    for magic in magics:
        for length in (0, 1, 7, 30, 300):
            assert survives(magic + dice.randbytes(length)) != "read"


def test_libtiff_bombs(capfd):
    """A compressed TIFF with a lying strip; libtiff prints to the terminal, and that is all it may do."""
    from io import BytesIO

    buffer = BytesIO()
    Image.new("RGB", (40, 40), "red").save(buffer, "TIFF", compression="tiff_lzw")
    data = bytearray(buffer.getvalue())
    outcomes = set()
    for place in range(8, len(data), 3):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        outcomes.add(survives(bytes(damaged)))
    assert {"read", "image-unreadable"} <= outcomes
    capfd.readouterr()
