"""JSON that means exactly one thing: no key twice, no NaN, no number beyond float64, no half of a surrogate pair."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from difflib import get_close_matches

from flambeau.errors import DataError, UsageError
from flambeau.messages import text

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> object:
    """A request body -> what it says.

    Raises:
        UsageError: it is no JSON, or not in this strict sense; the code says why.
    """
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_number, parse_float=_finite)
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise UsageError("json-invalid", line=error.lineno, column=error.colno) from None
    except UnicodeDecodeError as error:
        raise UsageError("json-invalid", line="", column=f"byte {error.start}") from None
    except UnicodeEncodeError:
        raise UsageError("text-invalid") from None
    except RecursionError:
        raise UsageError("json-invalid", line="", column="") from None
    except ValueError:  # int() of more digits than Python converts
        raise UsageError("number-invalid") from None
    return value


def an_object(value: object, where: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, object]:
    """`value` if it is an object with these fields.

    Raises:
        UsageError: it is none, or has another field.
        DataError: a field is missing.
    """
    if not isinstance(value, dict):
        raise UsageError("request-value-type", where=where, expected=text("kind-object"), got=name_of(value))
    known = (*required, *optional)
    for field in value:
        if field not in known:
            shown = field[:80]
            guess = next(iter(get_close_matches(shown, known, 1)), "")
            raise UsageError("request-field-unknown", where=where, field=shown, fields=", ".join(known), guess=guess)
    for field in required:
        if field not in value:
            raise DataError("field-missing", where=where, field=field, fields=", ".join(required))
    return value


def a_list(value: object, where: str, max_items: int) -> list[object]:
    """`value` if it is a list of at least one and at most `max_items` values.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, list) or not value:
        raise UsageError("request-value-type", where=where, expected=text("kind-list-filled"), got=name_of(value))
    if len(value) > max_items:
        raise UsageError("items-too-many", where=where, limit=max_items)
    return value


def a_text(value: object, where: str) -> str:
    """`value` if it is a string.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, str):
        raise UsageError("request-value-type", where=where, expected=text("kind-text"), got=name_of(value))
    return value


def name_of(value: object) -> str:
    """What to call a value: "a number", "an empty list"."""
    if isinstance(value, list):
        return text("kind-list" if value else "kind-list-empty")
    kinds = {bool: "boolean", int: "number", float: "number", str: "text", dict: "object"}
    return text(f"kind-{kinds.get(type(value), 'null')}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise UsageError("json-key-twice")
    return members


def _refuse_number(_: str) -> float:
    raise UsageError("number-invalid")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise UsageError("number-invalid")
    return number
