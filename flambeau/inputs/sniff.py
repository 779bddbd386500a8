"""Which file format the first bytes announce. A file's name is never believed."""

from __future__ import annotations

PREFIX = 32
"""Bytes that are enough to tell."""

_READABLE = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    **{b"P" + digit: "PPM" for digit in (b"1", b"2", b"3", b"4", b"5", b"6")},
}
"""Raster formats whose Pillow decoder is a plain C library, by their first bytes. Everything else stays shut:
EPS starts Ghostscript, FITS, HDF5 and GRIB call plug-ins, PSD and the game formats are written in Python and seldom tried."""

_OTHER = {
    b"%!PS": "EPS",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"8BPS": "PSD",
    b"SIMPLE  =": "FITS",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"<?xml": "XML or SVG",
    b"\x00\x00\x01\x00": "ICO",
    b"\x00\x00\x02\x00": "CUR",
    b"icns": "ICNS",
    b"DDS ": "DDS",
    b"gimp xcf": "XCF",
    b"\x89HDF": "HDF5",
    b"GRIB": "GRIB",
    b"BUFR": "BUFR",
    b"\x01\xda": "SGI",
    b"\x59\xa6\x6a\x95": "SUN",
    b"/* XPM": "XPM",
    b"qoif": "QOI",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"\x0a\x05\x01": "PCX",
    b"\xb1\x68\xde\x3a": "DCX",
    b"\x00\x00\x00\x0cjP": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL": "JPEG XL",
    b"v/1\x01": "OpenEXR",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP",
    b"\x1aE\xdf\xa3": "video",
}

_BRANDS = {b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC"}
"""Brands of the ISO media container ("ftyp" at byte 4); what is not named here is a film. "avif" may stand anywhere among them."""

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""What is read, by Pillow's names."""

ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"} | {".ppm", ".pgm", ".pbm", ".pnm", ".avif"}
)
"""File name endings that announce one of FORMATS."""


def sniff(head: bytes) -> str | None:
    """The first bytes of a file -> the name of its format, one of FORMATS or another; None if they are nobody's."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return "AVIF" if b"avif" in head else _BRANDS.get(head[8:12], "video")
    for table in (_READABLE, _OTHER):
        for magic, name in table.items():
            if head.startswith(magic):
                return name
    return None
