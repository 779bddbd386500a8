"""The rules of HTTP that its parser does not see to."""

from __future__ import annotations

from flambeau.errors import UsageError
from flambeau.serving.exchange import Message


def check_rules(scope: Message) -> None:
    """Look at the head of a request, given as ASGI's scope.

    Raises:
        UsageError: it has no Host (RFC 9112, 3.2), expects more than 100-continue (RFC 9110, 10.1.1), or its body is wrapped in what only some
            servers know (RFC 9112, 6.1).
    """
    headers = scope["headers"]
    if scope["http_version"] == "1.1" and not any(name == b"host" for name, _ in headers):
        raise UsageError("host-missing")
    for name, value in headers:
        if name == b"expect" and value.strip().lower() != b"100-continue":
            raise UsageError("expectation-unknown", expectation=value[:40].decode("latin-1"))
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise UsageError("transfer-encoding-unknown", encoding=value[:40].decode("latin-1"))
