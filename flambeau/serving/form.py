"""multipart/form-data -> the bytes of its files, in order. File names and part types are ignored: nobody has to trust them."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from flambeau.errors import UsageError

FIELD = b"file"
MAX_CONTENT_TYPE = 1024
"""Bytes of the Content-Type header: a boundary has at most 70 characters."""


class FormFiles:
    """Collects the parts of one form while its bytes arrive."""

    def __init__(self, content_type: bytes, max_items: int) -> None:
        """
        Raises:
            UsageError: the header names no usable boundary.
        """
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"") if len(content_type) <= MAX_CONTENT_TYPE else b""
        if not boundary:
            raise UsageError("form-invalid")
        self._parts = _Parts(max_items)
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._parts.begin,
                    "on_header_begin": self._parts.header_begin,
                    "on_header_field": self._parts.header_field,
                    "on_header_value": self._parts.header_value,
                    "on_header_end": self._parts.header_end,
                    "on_headers_finished": self._parts.headers_finished,
                    "on_part_data": self._parts.data,
                    "on_part_end": self._parts.end,
                    "on_end": self._parts.complete,
                },
            )
        except FormParserError:
            raise UsageError("form-invalid") from None

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            UsageError: this is no form, it has too many parts, or a part that is not called "file".
        """
        try:
            self._parser.write(piece)
        except FormParserError:
            raise UsageError("form-invalid") from None

    def files(self) -> list[bytes]:
        """The files, in order.

        Raises:
            UsageError: the form has no end, or nothing in it.
        """
        if not self._parts.is_complete or not self._parts.files:
            raise UsageError("form-invalid")
        return self._parts.files


class _Parts:
    """What the parser tells. It does not know the parser, which knows it: a ring would hold the files until garbage is searched for."""

    def __init__(self, max_items: int) -> None:
        self.files: list[bytes] = []
        self.is_complete = False
        self._max_items = max_items
        self._pieces: list[bytes] = []
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""

    def begin(self) -> None:
        if len(self.files) >= self._max_items:
            raise UsageError("items-too-many", limit=self._max_items)
        self._pieces = []
        self._disposition = b""

    def header_begin(self) -> None:
        self._header_name = self._header_value = b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value

    def headers_finished(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"name", b"")
        if name != FIELD:
            raise UsageError("request-field-unknown", field=name.decode("utf-8", "replace")[:80], fields=FIELD.decode(), guess="")

    def data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def end(self) -> None:
        self.files.append(b"".join(self._pieces))

    def complete(self) -> None:
        self.is_complete = True
