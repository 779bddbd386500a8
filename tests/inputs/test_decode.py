"""One conversion for every kind of picture, and one error for every kind of trouble."""

from __future__ import annotations

import struct
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from flambeau.errors import DataError
from flambeau.inputs.decode import decode, look, picture
from flambeau.inputs.quiet import without_pillow_warnings


def code_of(value) -> str:
    with pytest.raises(DataError) as raised:
        decode(value)
    return raised.value.code


LOSSLESS = ["PNG", "BMP", "TIFF", "PPM"]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_the_pixels_back(photo, encoded, kind):
    assert np.array_equal(decode(encoded(photo, kind)), np.asarray(photo))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "GIF"])
def test_lossy_formats_come_near(photo, encoded, kind):
    got = decode(encoded(photo, kind), channels=3)
    assert np.abs(got.astype(int) - np.asarray(photo)).mean() < 15


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_path_string_bytes_and_pil_give_the_same(photo, encoded, tmp_path, kind):
    data = encoded(photo, kind)
    file = tmp_path / "a picture \U0001f525\n<img onerror=x>.wrong"
    file.write_bytes(data)
    wanted = decode(data)
    for value in (file, str(file), bytearray(data), memoryview(data)):
        assert np.array_equal(decode(value), wanted)
    with Image.open(file) as image:
        assert np.array_equal(decode(image), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_stand_upright(photo, encoded, kind, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    data = encoded(photo, kind, exif=exif, **options)
    with Image.open(BytesIO(data)) as stored:
        wanted = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    assert np.array_equal(decode(data), wanted)
    header = look(data)
    assert (header.height, header.width) == wanted.shape[:2]
    assert (picture(data).height, picture(data).width) == wanted.shape[:2]


def test_orientation_behind_the_pixels_of_a_png_counts(photo, encoded):
    exif = Image.Exif()
    exif[0x112] = 6
    data = encoded(photo, "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + struct.unpack(">I", data[start : start + 4])[0]
    late = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert np.array_equal(decode(late), decode(data))
    assert (picture(late).height, picture(late).width) == (60, 48)


def test_a_broken_exif_block_is_ignored(photo, encoded):
    data = encoded(photo, "JPEG", exif=b"Exif\0\0" + b"II*\0\xff\xff\xff\xff" + b"\x99" * 40)
    assert np.array_equal(decode(data), decode(encoded(photo, "JPEG")))


def test_transparency_lies_on_white():
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., :3] = (200, 100, 0)
    rgba[0, :, 3] = (0, 128, 255)
    got = decode(rgba)
    assert got[0].tolist() == [[255, 255, 255], [227, 177, 127], [200, 100, 0]]
    assert (got[1] == 255).all()


def test_grey_with_alpha_stays_grey(encoded):
    grey = Image.merge("LA", [Image.new("L", (4, 3), 50), Image.new("L", (4, 3), 0)])
    got = decode(encoded(grey, "PNG"))
    assert got.shape == (3, 4, 1) and (got == 255).all()
    assert look(encoded(grey, "PNG")).grey


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_a_single_transparent_colour_is_white(encoded, mode):
    image = Image.new(mode, (4, 4), 0)
    data = encoded(image, "PNG", transparency=0 if mode != "RGB" else (0, 0, 0))
    assert (decode(data) == 255).all()


def test_palettes_become_rgb(photo, encoded):
    palette = photo.quantize(16)
    assert np.array_equal(decode(encoded(palette, "PNG")), np.asarray(palette.convert("RGB")))
    clear = decode(encoded(palette, "PNG", transparency=bytes([0] * 16)))
    assert clear.shape == (48, 60, 3) and (clear == 255).all()


def test_premultiplied_and_palette_with_alpha_in_memory(photo):
    rgba = photo.convert("RGBA")
    assert np.abs(decode(rgba.convert("RGBa")).astype(int) - np.asarray(photo)).max() <= 1
    assert decode(photo.convert("LA").convert("La")).shape == (48, 60, 1)
    assert decode(photo.quantize(8).convert("PA")).shape == (48, 60, 3)


def test_one_bit(photo, encoded):
    image = photo.convert("1")
    for data in (encoded(image, "PNG"), encoded(image, "TIFF", compression="group4"), encoded(image, "PPM")):
        got = decode(data)
        assert got.shape[2] == 1 and np.array_equal(got[:, :, 0] > 0, np.asarray(image)) and set(np.unique(got)) == {0, 255}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_divided_by_257(encoded, kind):
    deep = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    data = encoded(Image.fromarray(deep), kind)
    assert decode(data)[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255] == decode(deep)[0, :, 0].tolist()


def test_big_endian_tiff_and_32_bit_integers(encoded):
    values = np.array([[0, 257, 65535]])
    for image in (Image.fromarray(values.astype(np.int32)), Image.fromarray(values.astype(">u2"))):
        assert decode(encoded(image, "TIFF"))[0, :, 0].tolist() == [0, 1, 255]
    assert code_of(encoded(Image.fromarray(np.array([[70_000]], np.int32)), "TIFF")) == "image-values"


def test_float_tiff(encoded):
    assert decode(encoded(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]
    assert code_of(encoded(Image.fromarray(np.array([[0, np.nan]], np.float32)), "TIFF")) == "image-values"


def test_cmyk_as_pillow_does(photo, encoded):
    data = encoded(photo.convert("CMYK"), "JPEG", quality=100)
    assert np.abs(decode(data).astype(int) - np.asarray(photo)).mean() < 6


def test_the_formula_of_cmyk():
    inks = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    c, k = inks[..., :3].astype(float), inks[..., 3:].astype(float)
    assert np.abs(decode(Image.frombytes("CMYK", (7, 5), inks.tobytes())) - (255 - c) * (255 - k) / 255).max() <= 1


def test_ycck_jpeg_is_the_same_picture(photo, encoded):
    """Marking CMYK data as YCCK (Adobe transform 2) makes libjpeg convert it: another picture, but no trouble."""
    data = encoded(photo.convert("CMYK"), "JPEG")
    place = data.index(b"Adobe") + 11
    assert data[place] == 0
    changed = data[:place] + b"\x02" + data[place + 1 :]
    assert decode(changed).shape == (48, 60, 3)
    assert not np.array_equal(decode(changed), decode(data))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_the_first_frame_of_several(photo, encoded, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    both = decode(encoded(photo, kind, save_all=True, append_images=[ImageOps.invert(photo)], **options), channels=3)
    alone = decode(encoded(photo, "JPEG" if kind == "MPO" else kind, **options), channels=3)
    assert both.shape == alone.shape
    assert np.abs(both.astype(int) - alone).mean() < 12


def test_channels(photo):
    assert np.array_equal(decode(photo, channels=1)[:, :, 0], np.asarray(photo.convert("L")))
    assert np.array_equal(decode(photo.convert("L"), channels=3)[:, :, 1], np.asarray(photo.convert("L")))
    assert decode(photo.convert("L")).shape == (48, 60, 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60_000), (60_000, 1)])
def test_thin_pictures(encoded, shape):
    image = Image.fromarray(np.full(shape, 7, np.uint8))
    assert decode(encoded(image, "PNG")).shape == (*shape, 1)


def test_warnings_do_not_decide(photo, encoded):
    """A truncated EXIF block makes Pillow warn; here warnings are errors."""
    data = encoded(photo, "TIFF")
    cut = data.replace(struct.pack("<HHII", 305, 2, 1, 0), b"")
    broken = encoded(photo, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0" + struct.pack("<HHII", 270, 2, 90_000, 8) * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(cut).shape == decode(broken).shape == (48, 60, 3)


def test_warning_filters_are_restored_after_threads():
    before = list(warnings.filters)

    def inside(seconds: float) -> None:
        with without_pillow_warnings():
            time.sleep(seconds)
            warnings.warn_explicit("from Pillow", UserWarning, "x.py", 1, module="PIL.Image")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(inside, [0.02, 0.01, 0.03, 0.0, 0.02]))
    assert warnings.filters == before
    with pytest.raises(UserWarning):
        warnings.warn_explicit("from Pillow", UserWarning, "x.py", 1, module="PIL.Image")


def test_fast_decoding_reduces_only_large_jpegs(encoded):
    large = Image.effect_mandelbrot((1600, 1200), (-2, -1.5, 1, 1.5), 60).convert("RGB")
    data = encoded(large, "JPEG")
    reduced = picture(data, need=lambda height, width: (height // 10, width // 10))
    assert reduced.image.size == (200, 150) and (reduced.height, reduced.width) == (1200, 1600)
    assert picture(encoded(large, "PNG"), need=lambda *_: (8, 8)).image.size == (1600, 1200)
    assert picture(large, need=lambda *_: (8, 8)).image is large


def test_fast_decoding_of_a_turned_picture(encoded):
    exif = Image.Exif()
    exif[0x112] = 6
    data = encoded(Image.new("RGB", (1600, 200)), "JPEG", exif=exif)
    reduced = picture(data, need=lambda height, width: (height // 2, width // 2))
    assert (reduced.height, reduced.width) == (1600, 200) and reduced.image.size == (100, 800)


def test_a_mode_without_a_rule_goes_through_pillow(photo):
    assert np.abs(decode(photo.convert("YCbCr")).astype(int) - np.asarray(photo)).max() <= 3
    assert np.abs(decode(photo.convert("HSV")).astype(int) - np.asarray(photo)).mean() < 4
