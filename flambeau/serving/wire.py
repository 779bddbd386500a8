"""How the fields of an example travel over HTTP. A new modality is one more entry, here and among the playground's widgets."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flambeau.errors import UsageError
from flambeau.inputs.input import Preprocessor, SentAs
from flambeau.inputs.table import TablePreprocessor
from flambeau.messages import text
from flambeau.serving import strict_json

OCTETS = "application/octet-stream"
TEXT = "text/"
MAX_DEPTH = 3
"""Lists in lists of a series, the outer one included."""
_URL = re.compile(r"\s*(https?|ftp|file|data):", re.IGNORECASE)


@dataclass(frozen=True)
class Wire:
    """One field on its way in."""

    schema: Mapping[str, object]
    """JSON Schema of a value inside JSON."""
    from_json: Callable[[object, str], object]
    """(a value inside JSON, its place in the request) -> the raw value that the preprocessor reads."""
    media: str | None = None
    """What the Content-Type of a raw value as the whole body starts with; None where it travels in JSON alone."""
    example: str = "application/json"
    """A Content-Type to show in examples."""


def octets_from_base64(value: object, where: str) -> bytes:
    """A base64 string -> its bytes, strictly.

    Raises:
        UsageError: it is no string, no base64, or an address: the server fetches nothing.
    """
    given = strict_json.a_text(value, where)
    if _URL.match(given[:64]):
        raise UsageError("url-refused", where=where)
    try:
        return base64.b64decode(given.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise UsageError("base64-invalid", where=where) from None


def numbers(value: object, where: str) -> object:
    """A list of numbers, or of lists of them; null stands for a number that is missing.

    Raises:
        UsageError: it is anything else.
    """
    _check_numbers(value, where, MAX_DEPTH)
    if not isinstance(value, list):
        raise UsageError("request-value-type", where=where, expected=text("kind-list-filled"), got=strict_json.name_of(value))
    return value


def _check_numbers(value: object, where: str, depth: int) -> None:
    if isinstance(value, list) and depth:
        for one in value:
            _check_numbers(one, where, depth - 1)
    elif value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UsageError("request-value-type", where=where, expected=text("kind-number"), got=strict_json.name_of(value))


def _of_kinds(*kinds: type) -> Callable[[object, str], object]:
    """Takes values of these kinds, and null for what is missing."""

    def check(value: object, where: str) -> object:
        if value is not None and type(value) not in kinds:
            expected = text("word-or").join(dict.fromkeys(text(f"kind-{_NAMES[kind]}") for kind in kinds))
            raise UsageError("request-value-type", where=where, expected=expected, got=strict_json.name_of(value))
        return value

    return check


_NAMES = {str: "text", float: "number", int: "number", bool: "boolean"}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_SERIES = {"type": "array", "items": {"type": ["array", "number", "null"]}}

WIRES: Mapping[str, Wire] = {
    "image": Wire(_BASE64, octets_from_base64, "image/", "image/jpeg"),
    "audio": Wire(_BASE64, octets_from_base64, "audio/", "audio/wav"),
    "text": Wire({"type": "string"}, strict_json.a_text, TEXT, "text/plain"),
    "sequence": Wire(_SERIES, numbers),
}
"""By modality."""

OF_OTHERS: Mapping[SentAs, Wire] = {
    "file": Wire(_BASE64, octets_from_base64, "application/", OCTETS),
    "text": Wire({"type": "string"}, strict_json.a_text, TEXT, "text/plain"),
    "json": Wire({}, lambda value, where: value),
}
"""For a modality of others, by what it says of itself."""

CELLS: Mapping[str, Wire] = {
    "number": Wire({"type": ["number", "null"]}, _of_kinds(float, int)),
    "boolean": Wire({"type": ["boolean", "null"]}, _of_kinds(bool)),
    "category": Wire({"type": ["string", "number", "boolean", "null"]}, _of_kinds(str, float, int, bool)),
    "date": Wire({"type": ["string", "null"], "description": "ISO 8601"}, _of_kinds(str)),
    "vector": Wire({"type": "array", "items": {"type": ["number", "null"]}}, numbers),
}
"""By the kind of a column of a table."""


def wires_of(inputs: Mapping[str, Preprocessor]) -> dict[str, Wire]:
    """The fields of an example of a model -> how each travels."""
    found: dict[str, Wire] = {}
    for name, chosen in inputs.items():
        if isinstance(chosen, TablePreprocessor):
            found |= {column: CELLS[kind.name] for column, kind in chosen.columns.items()}
        else:
            found[name] = WIRES[chosen.type] if chosen.type in WIRES else OF_OTHERS[chosen.sent_as]
    return found
