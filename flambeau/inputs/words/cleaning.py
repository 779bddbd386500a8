"""What is taken out of a text, or made one, before it is cut into words. The same in training and serving, linear in its length."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache
from typing import Literal

from flambeau.config import Config

LINK = "🔗"
"""What stands for a web address: one symbol, so that every segmentation keeps it whole."""
DIGIT = "0"
"""What stands for a number."""

HARMLESS = 1000
"""Characters of a text that is normalised in no time, whatever it holds."""
MOST_MARKS = 30
"""Combining marks behind a character."""

_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""Soft hyphen, zero-width space, marks of direction. Joiners stay: emoji, Persian and Indian scripts need them."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<![^<>]*>|<\?[^<>]*>")
_HIDDEN = (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))
"""What a page does not show: from the one mark to the other."""
_LINK = re.compile("(?:https?://|ftp://|www\\.)[^\\s<>\"'\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+", re.IGNORECASE)
"""Web addresses in Chinese texts end where Chinese begins."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WIDTH = re.compile("[\u3000\uff01-\uffee]")


class Cleaning(Config):
    """How a text is cleaned, in this order."""

    html: bool = True
    """Tags, comments, scripts and styles are taken out, entities (&amp;) are read."""
    links: Literal["mark", "remove", "keep"] = "mark"
    """Web addresses: all replaced by one symbol, taken out, or left."""
    width: bool = True
    """Full-width letters, digits and signs (Ａ，！) become the usual ones; half-width kana become full."""
    normal_form: Literal["NFC", "NFKC", "NFD", "NFKD", "none"] = "NFC"
    """Unicode normal form: NFC writes é in one way only. NFKC also makes ① and 1 the same."""
    case: Literal["lower", "keep"] | None = None
    """lower: Apple and apple are one word. Left open: lower, but for a tokenizer from a file, which has its own way."""
    numbers: Literal["keep", "mark", "remove"] = "keep"
    """Numbers: left, all replaced by 0, or taken out."""

    def __call__(self, text: str) -> str:
        """A text -> the cleaned text; each run of white space is one space, unpaired surrogates and control characters are gone."""
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if self.html:
            text = _without_html(text)
        text = _INVISIBLE.sub("", _CONTROL.sub(" ", text))
        if self.links != "keep":
            text = _LINK.sub(f" {LINK} " if self.links == "mark" else " ", text)
        if self.width:
            text = _WIDTH.sub(_usual, text)
        if self.normal_form != "none":
            text = unicodedata.normalize(self.normal_form, _stream_safe(text))
        if self.case != "keep":
            text = text.lower()
        if self.numbers != "keep":
            text = _NUMBER.sub(DIGIT if self.numbers == "mark" else " ", text)
        return " ".join(text.split())


def _stream_safe(text: str) -> str:
    """A text without the marks of a character beyond thirty, as no script has more, and to sort many takes time by their square.

    Source: Unicode Standard Annex 15, Stream-Safe Text Format.
    """
    if len(text) < HARMLESS or text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _without_html(text: str) -> str:
    if "<" in text:
        for opening, closing in _HIDDEN:
            text = _without(text, opening, closing)
        text = _TAG.sub(" ", text)
    if "&" in text:
        text = html.unescape(text)
        if _SURROGATE.search(text):
            text = _SURROGATE.sub("\ufffd", text)
    return text


def _without(text: str, opening: str, closing: str) -> str:
    """A text without what lies between the two marks, found in one pass; an end that never comes hides nothing."""
    low = text.lower()
    if opening not in low or len(low) != len(text):  # a few letters become two in lower case: the places no longer agree
        return text
    parts, place = [], 0
    while (start := low.find(opening, place)) >= 0 and (end := low.find(closing, start)) >= 0:
        parts.append(text[place:start])
        place = end + len(closing)
    return " ".join([*parts, text[place:]])


def _usual(match: re.Match[str]) -> str:
    return _widths().get(match[0], match[0])


@cache
def _widths() -> dict[str, str]:
    """Full-width and half-width forms -> the usual character, as Unicode's own table of characters says."""
    forms = {}
    for code in (0x3000, *range(0xFF01, 0xFFEF)):
        kind, _, usual = unicodedata.decomposition(chr(code)).partition(" ")
        if kind in ("<wide>", "<narrow>"):
            forms[chr(code)] = chr(int(usual, 16))
    return forms
