"""What an unquoted scalar means: the core schema of YAML 1.2, where `no` is text and `1e-3` is a number.

Source: YAML 1.2.2, section 10.3.2. PyYAML itself follows YAML 1.1, where `no` is false and `1e-3` is text.
"""

from __future__ import annotations

import math
import re

_NULL = re.compile(r"(?:null|Null|NULL|~|)")
_TRUE = re.compile(r"(?:true|True|TRUE)")
_FALSE = re.compile(r"(?:false|False|FALSE)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))")
_OTHERS_MISREAD = re.compile(r"(?:y|n|yes|no|on|off|null|true|false|[-+]?\.inf|\.nan|[-+.0-9][-+.,_0-9a-fox:]*|[0-9]{4}-.*)", re.IGNORECASE)
"""Text that this or an older reader (YAML 1.1) takes for something else: a number, a date, a boolean, nothing."""

_MAX_DIGITS = 40
"""No size, count or seed has more; and Python refuses to read integers of thousands of digits."""


class NotANumberError(ValueError):
    """Infinity, not-a-number, or a number that is too large to be one."""


def is_null(text: str) -> bool:
    """Whether an unquoted scalar says "nothing"."""
    return _NULL.fullmatch(text) is not None


def resolve(text: str) -> bool | int | float | str | None:
    """An unquoted scalar -> its value.

    Raises:
        NotANumberError: infinity, not-a-number, or too many digits.
    """
    if is_null(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _NOT_FINITE.fullmatch(text):
        raise NotANumberError(text)
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                raise NotANumberError(text)
            return int(text, base)
    return _float(text) if _FLOAT.fullmatch(text) else text


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotANumberError(text)
    return value


def is_misread(text: str) -> bool:
    """Whether some YAML reader would take this text, unquoted, for something that is not text."""
    return text == "" or _OTHERS_MISREAD.fullmatch(text) is not None


def float_text(value: float) -> str:
    """A finite float as every YAML reader reads it back: 1.0e-05, because YAML 1.1 takes 1e-05 for text."""
    assert math.isfinite(value), "a document holds finite numbers only"
    mantissa, exponent, power = repr(value).partition("e")
    return mantissa + (".0" if exponent and "." not in mantissa else "") + exponent + power
