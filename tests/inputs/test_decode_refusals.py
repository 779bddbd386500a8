"""What is refused, with which code, how quickly, and without telling too much."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flambeau.errors import DataError
from flambeau.inputs import decode as decoding
from flambeau.inputs.decode import decode, look
from flambeau.inputs.sniff import sniff


def png(width, height, color=2, depth=8, data=b"") -> bytes:
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def code_of(value, **options) -> str:
    with pytest.raises(DataError) as raised:
        decode(value, **options)
    assert raised.value.what and raised.value.fix
    return raised.value.code


def test_empty_things_are_empty(tmp_path):
    (tmp_path / "a.png").touch()
    for value in (b"", np.zeros((0, 4), np.uint8), np.zeros((4, 0, 3)), tmp_path / "a.png", Image.new("L", (0, 3))):
        assert code_of(value) == "image-empty"


@pytest.mark.parametrize("value", [None, 3, 2.5, object(), ["a.png"], {}, ""])
def test_other_kinds(value):
    assert code_of(value) == "image-kind"


@pytest.mark.parametrize(
    "url", ["http://localhost/a.png", "HTTPS://x/a", "ftp://x", "file:///etc/passwd", "data:image/png;base64,AA", "s3://bucket/a"]
)
def test_web_addresses_are_not_fetched(url):
    assert code_of(url) == "input-is-url"


def test_paths_that_lead_nowhere(tmp_path):
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert code_of(tmp_path / "no.png") == "file-missing"
    assert code_of(str(tmp_path / "no.png")) == "file-missing"
    assert code_of("a\0b") == code_of("\ud800") == code_of("x" * 9000) == code_of(loop) == "file-missing"
    assert code_of(tmp_path) == code_of(pipe) == code_of("/dev/null") == "file-not-regular"


def test_a_forbidden_file(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(png(1, 1))

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert code_of(file) == "file-forbidden"


def test_errors_name_the_file_and_never_an_address(tmp_path):
    file = tmp_path / "broken.png"
    file.write_bytes(png(4, 4)[:40])
    with pytest.raises(DataError) as raised:
        decode(file)
    assert raised.value.where == str(file)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    for value in (png(4, 4), png(4, 4)[:20], b"II*\0" + b"\xff" * 30):
        with pytest.raises(DataError) as raised:
            decode(value)
        assert "0x" not in str(raised.value) and "Bytes" not in str(raised.value) and raised.value.where is None


OTHERS = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "PSD": b"8BPS\0\1" + b"\0" * 40,
    "FITS": b"SIMPLE  =                    T" + b" " * 60,
    "PDF": b"%PDF-1.7\n",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "ICO": b"\0\0\1\0\1\0" + b"\0" * 20,
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "ZIP": b"PK\3\4" + b"\0" * 30,
}


@pytest.mark.parametrize("name", OTHERS)
def test_formats_outside_the_list_are_not_opened(name, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("no decoder may be asked"))
    with pytest.raises(DataError, match=name) as raised:
        decode(OTHERS[name])
    assert raised.value.code == "image-format"


def test_a_real_eps_never_starts_ghostscript(photo, encoded, monkeypatch):
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a process was started"))
    assert code_of(encoded(photo, "EPS")) == "image-format"


def test_only_the_announced_decoder_is_asked(photo, encoded, monkeypatch):
    asked = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda file, formats: asked.append(formats) or original(file, formats=formats))
    decode(encoded(photo, "TIFF"))
    assert asked == [["TIFF"]]


@pytest.mark.parametrize(
    ("data", "name"), [(b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"), (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"), (b"hello", None), (b"", None)]
)
def test_sniffing(data, name):
    assert sniff(data) == name


def test_a_renamed_text_is_unreadable(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_text("this is no picture, " * 20)
    assert code_of(file) == "image-unreadable"


def test_a_giant_header_is_refused_at_once(encoded):
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIIIII", 100, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    tiff = encoded(Image.new("L", (60, 48)), "TIFF")
    for tag, old in ((256, 60), (257, 48)):
        tiff = tiff.replace(struct.pack("<HHII", tag, 4, 1, old), struct.pack("<HHII", tag, 4, 1, 60_000))
    for data in (png(60_000, 60_000), bmp, tiff, b"P6\n60000 60000\n255\n"):
        decode(png(1, 1, data=zlib.compress(b"\0\0\0\0")))  # plug-ins are loaded
        start = time.perf_counter()
        assert code_of(data) == "image-too-large"
        with pytest.raises(DataError):
            look(data)
        assert time.perf_counter() - start < 0.05


def test_a_bomb_is_refused_without_memory():
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" * (12_000 * 100 + 100)) for _ in range(120)) + packer.flush()
    bomb = png(12_000, 12_000, color=0, data=rows)
    assert len(bomb) < 200_000
    tracemalloc.start()
    assert code_of(bomb) == "image-too-large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_limits_can_be_moved(photo, monkeypatch):
    assert code_of(photo, max_pixels=60 * 48 - 1) == "image-too-large"
    assert decode(photo, max_pixels=60 * 48).shape == (48, 60, 3)
    monkeypatch.setattr(decoding, "MAX_BYTES", 10)
    assert code_of(png(1, 1)) == "image-bytes"
