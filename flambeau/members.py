"""The JSON members of an artifact: written so that people can read them, read as if an enemy had written them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from flambeau.errors import DataError

MAX_JSON = 64 * 2**20
"""Bytes of the largest JSON member that is read; a table of a million words fits."""


def to_json(value: object) -> bytes:
    """Readable JSON, UTF-8, numbers that JSON does not know refused."""
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def read_json(path: Path, missing: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON member of an artifact; `missing` where it is not there and need not be.

    Raises:
        DataError: it is not there, too large, or no JSON object.
    """
    if missing is not None and not path.exists():
        return missing
    try:
        if path.stat().st_size > MAX_JSON:
            raise DataError("artifact-member", where=str(path), reason=f"more than {MAX_JSON // 2**20} MiB")
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError("artifact-incomplete", where=str(path.parent), member=path.name) from error
    except (ValueError, RecursionError) as error:
        raise DataError("artifact-member", where=str(path), reason="not JSON") from error
    if not isinstance(content, dict):
        raise DataError("artifact-member", where=str(path), reason="not a JSON object")
    return content


def parsed(adapter: TypeAdapter[Any], fields: object, path: Path, context: Mapping[str, object] | None = None) -> Any:
    """What a JSON member says, as a type; `context` is that of pydantic's validation.

    Raises:
        DataError: it says something else; names the first place.
    """
    try:
        return adapter.validate_python(fields, context=context)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError("artifact-member", where=str(path), reason=f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
