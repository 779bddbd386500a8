"""Whatever holds a picture -> an upright 8-bit picture in grey or RGB. One conversion, the same in training and serving.

1. Only the first frame of an animation, only the first page of a TIFF.
2. Turned upright as its EXIF orientation says; an unreadable EXIF block is ignored.
3. 16-bit grey is divided by 257, or by less where fewer bits are used, 32-bit integers are read as 16-bit ones, floats follow `pixels.levels`.
   (16-bit colour PNGs are cut to their high bytes by Pillow itself.)
4. Transparency is laid on white: RGBA, LA, palettes with transparent colours, a PNG's single transparent colour.
5. Palettes become RGB; 1-bit becomes 0 and 255; YCCK becomes CMYK, and CMYK becomes RGB by R = (255 - C) (255 - K) / 255.
   Colour profiles are not applied.

Only the formats of `sniff.FORMATS` are opened, and each only by its own decoder, chosen by the first bytes. The bytes of a
JPEG file that needs nothing more than decoding go past Pillow (`jpeg.py`), which makes no difference but in time.
"""

from __future__ import annotations

import re
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from flambeau.errors import DataError
from flambeau.inputs.jpeg import Need, Pixels, jpeg_pixels, reduced_jpeg
from flambeau.inputs.pixels import DEEPEST, as_pixels, levels, sixteen_bit_levels
from flambeau.inputs.quiet import without_pillow_warnings
from flambeau.inputs.sniff import FORMATS, PREFIX, sniff

MAX_PIXELS = 50_000_000
"""Larger pictures are refused before they are decoded: 50 megapixels take 150 MB."""
PILLOW_LIMIT = 178_956_970
"""Pillow itself refuses larger ones, whatever we allow."""
MAX_BYTES = 512 * 2**20
"""Larger files are refused before they are read."""

WHITE = 255

PILLOW_ERRORS = (
    OSError,  # truncated, unknown to the decoder, and what the file system says
    SyntaxError,  # Pillow's word for "not a file of this format"
    ValueError,  # sizes, modes, chunk limits, an unsupported conversion
    TypeError,  # a tag of the wrong kind
    KeyError,  # a tag that is missing, a mode that has no decoder
    IndexError,  # a table that is too short
    AttributeError,  # a header that ended before it set the palette or the tiles
    AssertionError,  # TIFF directories
    RuntimeError,  # the WebP and AVIF decoders; NotImplementedError is one
    ArithmeticError,  # OverflowError and ZeroDivisionError of sizes and rationals
    MemoryError,  # a size that nobody can allocate
    EOFError,  # no frame
    struct.error,  # a header shorter than its fixed part
    zlib.error,  # a broken stream in a chunk
    Image.DecompressionBombError,  # above twice Pillow's own limit
)
"""Everything that a hostile file can make Pillow raise. Their texts hold memory addresses and are never passed on."""

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://|data:", re.ASCII)
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what puts the picture upright. From 5 on, height and width change places."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright."""

    image: Image.Image
    """Of mode "L" or "RGB"."""
    height: int
    """As it was stored; `image` is smaller where it was decoded reduced."""
    width: int


@dataclass(frozen=True)
class Header:
    """What a picture says about itself before it is decoded."""

    height: int
    """Upright."""
    width: int
    grey: bool
    deep: bool
    """Whether its levels are 16-bit numbers, or 32-bit ones that are read so."""


def decode(value: object, *, channels: int | None = None, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """A path, bytes, an array or a PIL image -> (height, width, channels) uint8.

    Args:
        channels: 1 for grey, 3 for RGB; None keeps grey pictures grey.

    Raises:
        DataError: image-unreadable, -truncated, -empty, -format, -too-large, -array, -values, file-missing and the like.
    """
    image = picture(value, max_pixels=max_pixels).image
    pixels = np.array(as_channels(image, channels))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def as_channels(image: Image.Image, channels: int | None) -> Image.Image:
    """A picture of mode L or RGB -> the same with 1 or 3 channels (ITU-R 601 weights); None leaves it."""
    mode = {None: image.mode, 1: "L", 3: "RGB"}[channels]
    return image if image.mode == mode else image.convert(mode)


def picture(value: object, *, max_pixels: int = MAX_PIXELS, need: Need | None = None, depth: int = DEEPEST) -> Picture:
    """As `decode`, as a PIL image.

    Args:
        need: for JPEG files: let the decoder reduce the picture by 2, 4 or 8 while it stays at least this large.
        depth: bits that the levels of 16-bit pictures use.
    """
    with _opened(value, max_pixels, depth) as image:
        height, width, turn = _upright_size(image)
        if need is not None and not isinstance(value, Image.Image):
            least = need(height, width)
            image.draft(None, least if _changes_places(turn) else least[::-1])
        image.load()
        if not turn and image.format == "PNG":
            height, width, turn = _upright_size(image)  # it may say so behind its pixels
        flat = _flat(image, depth)
        return Picture(flat.transpose(_TURNS[turn]) if turn else flat, height, width)


def plain_pixels(value: object, shape: tuple[int, ...], max_pixels: int) -> npt.NDArray[np.uint8] | None:
    """The bytes of a JPEG file that needs nothing but decoding -> its pixels, (height, width) grey or (height, width, 3) RGB = `shape`; None
    for all else. Past Pillow and all that keeps it safe, which takes longer than a small file."""
    return jpeg_pixels(value, shape) if _is_jpeg(value) and shape[0] * shape[1] <= max_pixels else None


def stored_pixels(value: object, max_pixels: int, need: Need | None, depth: int) -> tuple[Pixels, tuple[int, int]]:
    """As `picture`, its pixels and the (height, width) that are stored. Past Pillow where nothing but decoding is needed."""
    found = reduced_jpeg(value, need, max_pixels) if _is_jpeg(value) else None
    if found is not None:
        return found
    slowly = picture(value, max_pixels=max_pixels, need=need, depth=depth)
    return np.asarray(slowly.image), (slowly.height, slowly.width)


def _is_jpeg(value: object) -> TypeGuard[bytes]:
    """Whether these are the bytes of what may be opened as JPEG."""
    return type(value) is bytes and len(value) <= MAX_BYTES and sniff(value[:PREFIX]) == "JPEG"


def look(value: object, *, max_pixels: int = MAX_PIXELS) -> Header:
    """As `decode`, but only the header is read.

    Raises:
        DataError: the header cannot be read, or says that the picture is too large.
    """
    with _opened(value, max_pixels) as image:
        height, width, _ = _upright_size(image)
        return Header(height, width, image.mode in _GREY_MODES, _is_deep(image) or getattr(value, "dtype", None) == np.uint16)


def peak(value: object, max_pixels: int) -> int:
    """The greatest number in a picture whose header says that it is deep."""
    if isinstance(value, np.ndarray):
        return int(value.max(initial=0))
    with _opened(value, max_pixels) as image:
        image.load()
        return int(np.asarray(image).max(initial=0))


@contextmanager
def _opened(value: object, max_pixels: int, depth: int = DEEPEST) -> Iterator[Image.Image]:
    """`value` as a PIL image that may not be decoded yet. What Pillow raises inside the block leaves it as a DataError."""
    where: str | None = None
    size = 0
    try:
        with without_pillow_warnings():
            if isinstance(value, Image.Image):
                yield _checked(value, max_pixels)
            elif isinstance(value, np.ndarray):
                yield _checked(Image.fromarray(as_pixels(value, depth)), max_pixels)
            else:
                with _stream(value) as (stream, where, size), Image.open(stream, formats=[_format(stream, where, size)]) as image:
                    yield _checked(image, max_pixels)
    except DataError as error:
        raise DataError(error.code, where=error.where or where, **error.facts) from None
    except PILLOW_ERRORS as error:
        raise _explained(error, where, size, max_pixels) from None


def _checked(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width < 1 or height < 1:
        raise DataError("image-empty")
    if width * height > max_pixels:
        raise DataError("image-too-large", size=f"{width:,} x {height:,}", limit=max_pixels)
    return image


def _explained(error: BaseException, where: str | None, size: int, max_pixels: int) -> DataError:
    if isinstance(error, Image.DecompressionBombError):
        return DataError("image-too-large", where=where, size="", limit=max_pixels)
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return DataError("image-truncated", where=where, size=size)
    return DataError("image-unreadable", where=where)


@contextmanager
def _stream(value: object) -> Iterator[tuple[BinaryIO, str | None, int]]:
    """Bytes or a path -> (the open file, its name for messages, its size in bytes)."""
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        yield BytesIO(data), None, _sized(len(data), None)
        return
    if isinstance(value, str) and _URL.match(value):
        raise DataError("input-is-url")
    if not isinstance(value, str | Path) or value == "":
        raise DataError("image-kind", kind=type(value).__name__)
    where = str(value)
    try:
        status = Path(value).stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError("file-not-regular", where=where)  # a folder; a FIFO would keep us waiting for ever
        stream = Path(value).open("rb")  # noqa: SIM115 (closed below)
    except PermissionError:
        raise DataError("file-forbidden", where=where) from None
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate in the name
        raise DataError("file-missing", where=where) from None
    with stream:
        yield stream, where, _sized(status.st_size, where)


def _sized(size: int, where: str | None) -> int:
    if size == 0:
        raise DataError("image-empty", where=where)
    if size > MAX_BYTES:
        raise DataError("image-bytes", where=where, size=size, limit=MAX_BYTES)
    return size


def _format(stream: BinaryIO, where: str | None, size: int) -> str:
    """The one decoder that may open this file."""
    name = sniff(stream.read(PREFIX))
    stream.seek(0)
    if name is None:
        raise DataError("image-unreadable", where=where)
    if name not in FORMATS:
        raise DataError("image-format", where=where, format=name, formats=", ".join(FORMATS))
    return name


def _upright_size(image: Image.Image) -> tuple[int, int, int]:
    """(height, width) as they are when the picture stands upright, and the EXIF orientation (0: upright already)."""
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation)
    except PILLOW_ERRORS:
        turn = None
    if image.format == "TIFF" or not isinstance(turn, int) or turn not in _TURNS:
        turn = 0  # Pillow turns a TIFF itself: its size is upright from the start, its pixels once they are loaded
    return (image.width, image.height, turn) if _changes_places(turn) else (image.height, image.width, turn)


def _changes_places(turn: int) -> bool:
    return turn >= 5


def _is_deep(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _flat(image: Image.Image, depth: int) -> Image.Image:
    """A picture of any mode -> mode L or RGB, without transparency, not turned yet."""
    if image.mode == "I":
        return Image.fromarray(sixteen_bit_levels(np.asarray(image), depth))
    if image.mode == "F" or _is_deep(image):
        return Image.fromarray(levels(np.asarray(image), depth))
    mode = "L" if image.mode in _GREY_MODES else "RGB"
    if image.mode in {"LA", "La", "RGBA", "RGBa", "PA"} or "transparency" in image.info:
        return _on_white(image, mode)
    return image if image.mode == mode else image.convert(mode)


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    clear = image.convert("LA" if mode == "L" else "RGBA")
    ground = Image.new(mode, image.size, WHITE if mode == "L" else (WHITE,) * 3)
    ground.paste(clear.convert(mode), mask=clear.getchannel("A"))
    return ground
