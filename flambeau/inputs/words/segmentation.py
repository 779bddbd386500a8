"""A cleaned text -> its words, in four ways. What was cut stays plain text: the words with a space between them."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

from flambeau.extras import need

if TYPE_CHECKING:
    from rjieba import Jieba

Segment = Literal["characters", "words", "chinese", "subwords"]

SINGLE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that are written without spaces (Han, kana, Thai, Lao, Burmese, Khmer), as a class of a regular expression."""


def segmented(text: str, segment: Segment, dictionary: tuple[str, ...] = ()) -> list[str]:
    """A cleaned text -> its words.

    Args:
        segment: characters: each alone, white space left out. words: runs of letters and digits, each sign, and each character of
            scripts without spaces. chinese: words of Chinese by dictionary and model. subwords: at white space only, as the
            tokenizer cuts further.
        dictionary: words that Chinese has beside the usual ones.
    """
    if segment == "characters":
        return list(text.replace(" ", ""))
    if segment == "words":
        return _pattern().findall(text)
    if segment == "chinese":
        return [word for word in _jieba(dictionary).cut(text) if word != " "]
    return text.split(" ") if text else []


@cache
def _pattern() -> re.Pattern[str]:
    """One word, one sign or one emoji: a symbol with its colour of skin, and what is joined to it."""
    marks = _ranges([chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)).startswith("M")])
    letter = rf"[^\W_{SINGLE}]"
    follower = rf"(?:{letter}|[{marks}\u200c\u200d]|['’](?={letter}))"
    modifiers = "\ufe0f\u20e3\U0001f3fb-\U0001f3ff"
    symbol = rf"(?:[^\w\s]|_)(?:[{modifiers}]|\u200d[^\w\s])*"
    return re.compile(rf"[{SINGLE}][{marks}]*|\d+(?:[.,]\d+)+|{letter}{follower}*|{symbol}")


def _ranges(characters: Sequence[str]) -> str:
    """Characters in rising order -> a class of a regular expression."""
    runs: list[tuple[str, str]] = []
    for character in characters:
        if runs and ord(character) == ord(runs[-1][1]) + 1:
            runs[-1] = runs[-1][0], character
        else:
            runs.append((character, character))
    return "".join(f"{first}-{last}" for first, last in runs)


@lru_cache(maxsize=4)
def _jieba(dictionary: tuple[str, ...]) -> Jieba:
    """A segmenter of Chinese that also knows these words.

    Raises:
        ExtraMissing: rjieba is not installed.
    """
    need("text", "segment: chinese")
    from rjieba import Jieba

    segmenter = Jieba()
    for word in dictionary:
        segmenter.add_word(word, None, None)
    return segmenter


def segmenter_version(segment: Segment) -> str:
    """What changes the words although nothing in the recipe did: the version of the library that cuts, or of Unicode."""
    if segment != "chinese":
        return f"python {sys.version_info.major}.{sys.version_info.minor} unicode {unicodedata.unidata_version}"
    from importlib.metadata import version

    return f"rjieba {version('rjieba')}"
