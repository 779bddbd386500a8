"""JPEG files decoded past Pillow: nobody can tell but by the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from flambeau.errors import DataError
from flambeau.inputs import decode
from flambeau.inputs.jpeg import jpeg_pixels
from flambeau.inputs.reading import Reading

ORIENTATION = 0x0112
SIZE = (47, 59)
"""No size that blocks of 8 or 16 pixels like."""
Encode: TypeAlias = Callable[..., bytes]
Damaged: TypeAlias = Callable[[bytes, int], Iterator[bytes]]


@pytest.fixture
def odd(photo: Image.Image) -> Image.Image:
    return photo.crop((0, 0, SIZE[1], SIZE[0]))


def reading(channels: int = 3, **options: Any) -> Reading:
    settings = {"size": SIZE, "resize": "stretch", "interpolation": "bilinear", "channels": channels, "decode": "exact", **options}
    return Reading.model_validate(settings)


def outcome(value: object, channels: int = 3) -> tuple[str, bytes]:
    """The pixels with their shape, or the code of the error."""
    try:
        pixels = reading(channels).read(value)
    except DataError as error:
        return error.code, b""
    return str(pixels.shape), pixels.tobytes()


def by_pillow_alone(value: object, monkeypatch: pytest.MonkeyPatch, channels: int = 3) -> tuple[str, bytes]:
    with monkeypatch.context() as patched:
        patched.setattr(decode, "jpeg_pixels", lambda data, shape: None)
        return outcome(value, channels)


SOUND: dict[str, dict[str, Any]] = {
    "4:2:0": {},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True},
    "coarse": {"quality": 5},
    "fine": {"quality": 100, "subsampling": 0},
    "restarts": {"restart_marker_rows": 1},
    "colour profile": {"icc_profile": bytes(70_000)},
    "comment": {"comment": b"by hand"},
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_gives_pillows_pixels_without_pillow(
    name: str, channels: int, odd: Image.Image, encoded: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(odd.convert("L" if channels == 1 else "RGB"), "JPEG", **SOUND[name])
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    expected = by_pillow_alone(data, monkeypatch, channels)
    assert outcome(path, channels) == expected
    monkeypatch.setattr(Image, "open", None)

    assert outcome(data, channels) == expected
    assert expected[0] == f"({channels}, 47, 59)"


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_note_about_the_orientation_is_obeyed(turn: int, odd: Image.Image, encoded: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="{turn}"/></x:xmpmeta>'.encode()
    upright = outcome(encoded(odd, "JPEG"))

    for data in (encoded(odd, "JPEG", exif=exif), encoded(odd, "JPEG", xmp=xmp)):
        assert outcome(data) == by_pillow_alone(data, monkeypatch)
        assert (outcome(data) == upright) == (turn == 1)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 1), ("L", 3), ("CMYK", 3)])
def test_what_needs_another_conversion_is_pillows(
    mode: str, channels: int, odd: Image.Image, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(odd.convert(mode), "JPEG")

    assert jpeg_pixels(data, SIZE if channels == 1 else (*SIZE, 3)) is None
    assert outcome(data, channels) == by_pillow_alone(data, monkeypatch, channels)


def test_stored_as_rgb_is_pillows(odd: Image.Image, encoded: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(odd, "JPEG", keep_rgb=True, subsampling=0)

    assert jpeg_pixels(data, (*SIZE, 3)) is None
    assert outcome(data) == by_pillow_alone(data, monkeypatch)


def test_another_size_is_not_decoded(odd: Image.Image, encoded: Encode) -> None:
    data = encoded(odd, "JPEG")

    assert jpeg_pixels(data, (*SIZE, 3)) is not None
    assert jpeg_pixels(data, (*SIZE[::-1], 3)) is None
    with pytest.raises(DataError) as caught:
        reading(max_pixels=47 * 59 - 1).read(data)
    assert caught.value.code == "image-too-large"


def test_what_could_be_a_film_is_not_decoded(odd: Image.Image, encoded: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(odd, "JPEG")
    comment = b"\xff\xfeft" + b"yp".ljust(int.from_bytes(b"ft", "big") - 2)
    disguised = data[:2] + comment + data[2:]

    assert jpeg_pixels(disguised, (*SIZE, 3)) is not None, "the decoder alone would take it"
    assert outcome(disguised)[0] == by_pillow_alone(disguised, monkeypatch)[0] == "image-format"


@pytest.mark.parametrize("progressive", [False, True])
def test_damage_has_the_same_outcome(progressive: bool, odd: Image.Image, encoded: Encode, damaged: Damaged, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(odd, "JPEG", progressive=progressive)
    taken = 0

    for cut in damaged(data, 400):
        taken += jpeg_pixels(cut, (*SIZE, 3)) is not None
        assert outcome(cut) == by_pillow_alone(cut, monkeypatch)
    assert 40 < taken < 360


def test_a_file_on_disk_keeps_its_name_in_an_error(tmp_path: Path, odd: Image.Image, encoded: Encode) -> None:
    path = tmp_path / "half.jpg"
    path.write_bytes(encoded(odd, "JPEG")[:700])

    with pytest.raises(DataError) as caught:
        reading().read(path)
    assert (caught.value.code, caught.value.where) == ("image-truncated", str(path))
