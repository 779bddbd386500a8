"""Errors on their way to an HTTP client: the status of each code, and its RFC 9457 body."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus

import orjson

from flambeau.errors import DataError, FlambeauError, UsageError
from flambeau.messages import text

log = logging.getLogger("flambeau.serving")

MEDIA = b"application/problem+json"

STATUS = {
    "request-empty": 400,
    "request-not-http": 400,
    "host-missing": 400,
    "json-invalid": 400,
    "json-key-twice": 400,
    "form-invalid": 400,
    "base64-invalid": 400,
    "tensor-shape": 400,
    "tensor-values": 422,
    "tensor-type": 400,
    "tensor-names": 400,
    "cross-site": 403,
    "path-unknown": 404,
    "method-unknown": 405,
    "header-slow": 408,
    "body-slow": 408,
    "body-too-large": 413,
    "items-too-many": 413,
    "media-type-unknown": 415,
    "encoding-unknown": 415,
    "charset-unknown": 415,
    "expectation-unknown": 417,
    "request-field-unknown": 422,
    "request-value-type": 422,
    "number-invalid": 422,
    "text-invalid": 422,
    "charset-wrong": 422,
    "url-refused": 422,
    "header-too-large": 431,
    "answer-invalid": 422,
    "server-bug": 500,
    "transfer-encoding-unknown": 501,
    "queue-full": 503,
    "queue-expired": 503,
    "server-draining": 503,
    "connections-too-many": 503,
}
"""HTTP status of our own codes. A code of another room goes by its ending, then by its branch of the error tree."""
STATUS_BY_ENDING = {"-too-large": 413, "-format": 415}
UNTOLD = frozenset({"custom-unreadable"})
"""Codes whose reason is the words of other people's code: they may name paths and addresses of this machine, so the log alone has them."""
BRANCHES: tuple[tuple[type[FlambeauError], int], ...] = ((DataError, 422), (UsageError, 400))


def status_of(error: FlambeauError) -> int:
    """The HTTP status of an error."""
    if error.code in STATUS:
        return STATUS[error.code]
    for ending, status in STATUS_BY_ENDING.items():
        if error.code.endswith(ending):
            return status
    return next((status for branch, status in BRANCHES if isinstance(error, branch)), 500)


def abroad(error: FlambeauError) -> FlambeauError:
    """The error as a client may see it; what is kept from it goes to the log."""
    if error.code not in UNTOLD:
        return error
    log.warning("[%s] %s", error.code, error.what)
    return type(error)(error.code, where=error.where, **{**error.facts, "reason": text("reason-in-log")})


def body_of(error: FlambeauError) -> bytes:
    """The error as problem+json: type, title, status, detail and our code, where and fix."""
    status = status_of(error)
    facts = abroad(error).to_json()
    return orjson.dumps(
        {
            "type": f"urn:flambeau:problem:{error.code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": facts.pop("message"),
            **facts,
        }
    )


def headers_of(error: FlambeauError) -> list[tuple[bytes, bytes]]:
    """The headers that belong to an error: Retry-After where waiting helps, Allow where another method does."""
    headers = []
    if isinstance(seconds := error.facts.get("seconds_to_wait"), int | float):
        headers.append((b"retry-after", str(max(1, math.ceil(seconds))).encode()))
    if isinstance(allow := error.facts.get("allow"), str):
        headers.append((b"allow", allow.encode()))
    return headers


def message_of(error: FlambeauError) -> bytes:
    """The error as a whole HTTP answer, the last one on its connection."""
    status, body = status_of(error), body_of(error)
    length = str(len(body)).encode()
    headers = [(b"content-type", MEDIA), (b"content-length", length), (b"connection", b"close"), *headers_of(error)]
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *(name + b": " + value for name, value in headers), b"", body]
    return b"\r\n".join(lines)
