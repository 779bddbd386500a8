"""Pictures resized by cykooz.resizer: what Pillow gives, but for the last grey level, whatever the file and the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

from flambeau import extras
from flambeau.errors import DataError, ExtraMissing
from flambeau.inputs import decode
from flambeau.inputs.decode import MAX_PIXELS, picture, stored_pixels
from flambeau.inputs.image import ImageInput
from flambeau.inputs.jpeg import reduced_jpeg
from flambeau.inputs.reading import Reading
from flambeau.inputs.resize import placed

cykooz = pytest.importorskip("cykooz_resizer")

ORIENTATION = 0x0112
Encode: TypeAlias = Callable[..., bytes]
Damaged: TypeAlias = Callable[[bytes, int], Iterator[bytes]]
FIRST = {"nearest": 3.0, "box": 1.0, "bilinear": 0.2, "bicubic": 0.5, "lanczos": 0.8}
"""How far apart the mean levels may be: what is halfway between two pixels goes to the other one, and overshoots are cut off earlier."""


@pytest.fixture(scope="module")
def flower() -> Image.Image:
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("flower.jpg"))


def reading(resizer: str = "simd", **options: Any) -> Reading:
    settings = {"size": (60, 80), "resize": "stretch", "interpolation": "bilinear", "channels": 3, "decode": "exact", "resizer": resizer, **options}
    return Reading.model_validate(settings)


def both(value: object, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """As Pillow resizes it, and as cykooz.resizer does."""
    one, other = (reading(resizer, **options).read(value) for resizer in ("pillow", "simd"))
    assert one.shape == other.shape and one.dtype == other.dtype == np.uint8
    return one, other


def apart(value: object, **options: Any) -> np.ndarray:
    one, other = both(value, **options)
    return np.abs(one.astype(int) - other)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("interpolation", FIRST)
def test_all_filters_and_geometries_are_pillows(interpolation: str, resize: str, channels: int, flower: Image.Image) -> None:
    stored = flower.convert("L" if channels == 1 else "RGB")
    for size in ((60, 80), (31, 200), (427, 640), (700, 333)):
        difference = apart(stored, interpolation=interpolation, resize=resize, channels=channels, size=size)
        assert difference.mean() <= FIRST[interpolation]
        if interpolation == "bilinear":
            assert difference.max() <= 2 and (difference > 0).mean() < 0.2


def test_it_is_not_pillow(flower: Image.Image) -> None:
    assert apart(flower).any()


@pytest.mark.parametrize("extensions", ["none", "sse4_1", "avx2"])
def test_every_processor_gives_the_same(extensions: str, flower: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [{"interpolation": one, "channels": channels} for one in FIRST for channels in (1, 3)]
    wanted = [reading(**kind).read(flower) for kind in kinds]
    ours = cykooz.Resizer

    def older() -> Any:
        made = ours()
        try:
            made.cpu_extensions = getattr(cykooz.CpuExtensions, extensions)
        except ValueError:
            pytest.skip(f"no {extensions} here")
        return made

    monkeypatch.setattr(cykooz, "Resizer", older)

    assert all(np.array_equal(reading(**kind).read(flower), array) for kind, array in zip(kinds, wanted, strict=True))


@pytest.mark.parametrize(("least", "width"), [(None, 501), ((188, 1), 501), ((187, 251), 501), ((187, 250), 251), ((61, 90), 126), ((1, 1), 63)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 1}, {"subsampling": 0}, {"progressive": True}, {"quality": 20}])
def test_a_reduced_decoding_is_pillows_to_the_bit(
    options: dict[str, Any], mode: str, least: tuple[int, int] | None, width: int, flower: Image.Image, encoded: Encode
) -> None:
    def need(height: int, width: int) -> tuple[int, int]:
        assert (height, width) == (375, 501)
        return least or (height, width)

    data = encoded(flower.crop((0, 0, 501, 375)).convert(mode), "JPEG", **options)
    found = reduced_jpeg(data, need if least else None, MAX_PIXELS)
    assert found is not None
    expected = picture(data, need=need if least else None).image

    assert np.array_equal(found[0], np.asarray(expected)) and found[1] == (375, 501)
    assert expected.width == width


def by_pillow_alone(data: bytes, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[str, bytes]:
    with monkeypatch.context() as patched:
        patched.setattr(decode, "reduced_jpeg", lambda data, need, max_pixels: None)
        return outcome(data, **options)


def outcome(data: bytes, **options: Any) -> tuple[str, bytes]:
    try:
        pixels = reading(**options).read(data)
    except DataError as error:
        return error.code, b""
    return str(pixels.shape), pixels.tobytes()


@pytest.mark.parametrize("decode", ["exact", "fast"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_picture_is_upright(turn: int, decode: str, flower: Image.Image, encoded: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    data = encoded(flower, "JPEG", exif=exif)

    assert outcome(data, decode=decode) == by_pillow_alone(data, monkeypatch, decode=decode)
    assert (outcome(data, decode=decode) == outcome(encoded(flower, "JPEG"), decode=decode)) == (turn == 1)
    assert apart(data, decode=decode).max() <= 2


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_every_mode(mode: str, channels: int, flower: Image.Image) -> None:
    stored = flower.convert("L").convert("I;16") if mode == "I;16" else flower.convert(mode)

    assert apart(stored, channels=channels).max() <= 2


@pytest.mark.parametrize("progressive", [False, True])
def test_damage_has_the_same_outcome(
    progressive: bool, flower: Image.Image, encoded: Encode, damaged: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(flower.crop((200, 100, 300, 180)), "JPEG", progressive=progressive)
    taken = 0

    for cut in damaged(data, 300):
        taken += reduced_jpeg(cut, None, MAX_PIXELS) is not None
        assert outcome(cut, decode="fast") == by_pillow_alone(cut, monkeypatch, decode="fast")
    assert 30 < taken < 270


def test_a_large_picture_is_refused_before_it_is_decoded(flower: Image.Image, encoded: Encode) -> None:
    data = encoded(flower, "JPEG")

    assert reduced_jpeg(data, None, 427 * 640) is not None and reduced_jpeg(data, None, 427 * 640 - 1) is None
    with pytest.raises(DataError) as caught:
        reading(max_pixels=427 * 640 - 1).read(data)
    assert caught.value.code == "image-too-large"


def test_a_path_gives_what_its_bytes_give(flower: Image.Image, encoded: Encode, tmp_path: Path) -> None:
    path = tmp_path / "flower.jpg"
    path.write_bytes(encoded(flower, "JPEG"))

    assert np.array_equal(reading().read(path), reading().read(path.read_bytes()))
    assert np.array_equal(stored_pixels(path, MAX_PIXELS, None, 16)[0], np.asarray(Image.open(path)))


@pytest.mark.parametrize("resizer", ["pillow", "simd"])
@pytest.mark.parametrize(("stored", "size"), [((837, 588), (274, 38)), ((808, 693), (82, 83)), ((1363, 496), (459, 370)), ((3, 2000), (7, 5))])
def test_rounding_leads_no_crop_out_of_the_picture(stored: tuple[int, int], size: tuple[int, int], resizer: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*stored, 3), np.uint8)

    assert reading(resizer, resize="crop", size=size).read(pixels).shape == (3, *size)


def test_no_crop_ever_leaves_the_picture() -> None:
    generator = np.random.default_rng(1)
    for height, width, by, high, wide in generator.integers(1, (3000, 3000, 9, 500, 500), (20_000, 5)).tolist():
        decoded = (-(-height // by), -(-width // by))
        window = placed((height, width), decoded, (high, wide), "crop").window
        assert window is not None
        left, top, right, bottom = window
        assert 0 <= left < right <= decoded[1] and 0 <= top < bottom <= decoded[0]


def test_without_the_extra_it_says_what_to_install(flower: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = ImageInput(size=8, resize="pad", channels=3, resizer="simd")
    monkeypatch.setattr(extras, "find_spec", lambda name: None)

    for broken in (lambda: resolved.resolve([]), lambda: resolved.read(flower), resolved.reading_key):
        with pytest.raises(ExtraMissing) as caught:
            broken()
        assert caught.value.fix == 'pip install "flambeau[fast]"'
    assert ImageInput(size=8, resize="pad", channels=3).read(flower).shape == (3, 8, 8)


def test_the_cache_is_another_one() -> None:
    assert len({ImageInput(size=8, resize="pad", channels=3, resizer=one).reading_key() for one in ("pillow", "simd")}) == 2


def test_the_model_remembers_what_resized() -> None:
    pictures = [np.zeros((3, 8, 8), np.uint8)]
    fitted = [ImageInput(size=8, resize="pad", channels=3, resizer=one).fit(pictures) for one in ("pillow", "simd")]

    assert ["cykooz" in one.decoder for one in fitted] == [False, True]
    assert type(fitted[1]).model_validate(fitted[1].model_dump(mode="json")) == fitted[1]
    older = {name: value for name, value in fitted[0].reading.model_dump(mode="json").items() if name != "resizer"}
    assert Reading.model_validate(older) == fitted[0].reading
