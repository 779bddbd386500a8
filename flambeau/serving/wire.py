"""How a value of each modality travels over HTTP. A new modality is one more entry, here and among the playground's widgets."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from flambeau.errors import UsageError
from flambeau.inputs.pixels import data_url
from flambeau.serving import strict_json
from flambeau.types import Array

OCTETS = "application/octet-stream"
_URL = re.compile(r"\s*(https?|ftp|file|data):", re.IGNORECASE)


@dataclass(frozen=True)
class Wire:
    """One modality on its way in and out."""

    media: str
    """What the Content-Type of a raw value starts with."""
    example: str
    """A Content-Type to show in examples."""
    schema: Mapping[str, object]
    """JSON Schema of a value inside JSON."""
    from_json: Callable[[object, str], object]
    """(a value inside JSON, its place in the request) -> the raw value that the preprocessor reads."""
    show: Callable[[Array], str | None]
    """What the preprocessor gave -> a data: URL that a browser shows; None where there is nothing to see."""


def octets_from_base64(value: object, where: str) -> bytes:
    """A base64 string -> its bytes, strictly.

    Raises:
        UsageError: it is no string, no base64, or an address: the server fetches nothing.
    """
    text = strict_json.a_text(value, where)
    if _URL.match(text[:64]):
        raise UsageError("url-refused", where=where)
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise UsageError("base64-invalid", where=where) from None


def png_of(array: Array) -> str | None:
    """(channels, height, width) uint8 with one or three channels -> a data: URL of a PNG."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[0] not in (1, 3):
        return None
    return data_url(array.astype(np.uint8, copy=False))


WIRES: Mapping[str, Wire] = {
    "image": Wire("image/", "image/jpeg", {"type": "string", "contentEncoding": "base64"}, octets_from_base64, png_of),
}
