"""The character set that a client names for its text."""

from __future__ import annotations

import codecs
from encodings import normalize_encoding
from encodings.aliases import aliases

from python_multipart.multipart import parse_options_header

from flambeau.errors import DataError, UsageError

UTF_8 = "utf-8"
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
"""Python's own; some take a time that grows with the square of a text."""
_KNOWN = (frozenset(aliases) | frozenset(aliases.values())) - _NO_CHARSETS
"""Python looks every other name up among files, and keeps it for ever."""


def charset_of(content_type: bytes) -> str:
    """A Content-Type -> Python's name of its charset, "utf-8" where it names none.

    Raises:
        UsageError: Python does not know it, or it is none.
    """
    if b"charset" not in content_type.lower():
        return UTF_8
    given = parse_options_header(content_type)[1].get(b"charset", b"").decode("latin-1").strip() or UTF_8
    name = normalize_encoding(given).lower()
    if name in _KNOWN and aliases.get(name, name) not in _NO_CHARSETS:
        try:
            codec = codecs.lookup(name)
            if codec._is_text_encoding:  # as bytes.decode asks; "base64" is none
                return codec.name
        except LookupError:  # of another system
            pass
    raise UsageError("charset-unknown", charset=given[:40])


def decoded(body: bytes, charset: str) -> str:
    """A text.

    Raises:
        DataError: the bytes are none in this charset.
    """
    try:
        return body.decode(charset)
    except UnicodeError:
        raise DataError("charset-wrong", charset=charset) from None
