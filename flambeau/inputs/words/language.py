"""Which language texts are in: by their script, and where that is Latin or Cyrillic by the small words that every sentence has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

CHARACTERS = 20_000
"""Of all texts together that are looked at."""
LEAST_SHARE = 0.02
"""Share of the words that has to be among the small words of a language."""

_SCRIPTS = {
    "kana": "\u3040-\u30ff",
    "han": "\u3400-\u4dbf\u4e00-\u9fff",
    "ko": "\uac00-\ud7af\u1100-\u11ff",
    "arabic": "\u0600-\u06ff",
    "he": "\u0590-\u05ff",
    "el": "\u0370-\u03ff",
    "hi": "\u0900-\u097f",
    "bn": "\u0980-\u09ff",
    "ta": "\u0b80-\u0bff",
    "th": "\u0e00-\u0e7f",
    "cyrillic": "\u0400-\u04ff",
    "latin": "a-zA-Z\u00c0-\u024f\u1e00-\u1eff",
}
_PATTERNS = {script: re.compile(f"[{characters}]") for script, characters in _SCRIPTS.items()}
WEIGHT = {"han": 3, "ko": 3, "kana": 3}
"""Letters of Latin that one character of these scripts is worth: it says about as much as a short word."""

_SMALL_WORDS = {
    "latin": {
        "en": "the and of to is in that it was for with this you are not but have be",
        "de": "der die das und ist nicht ein eine zu mit ich es auf für den sich auch von",
        "fr": "le la les et est une des dans que pas pour qui je ce il vous sur avec",
        "es": "el los las una que es por con para no muy pero como más del está su al",
        "it": "il che di è una non per con sono gli della più ma come anche questo nel lo",
        "pt": "o os uma que não é com para por mas do da em mais muito foi são eu",
        "nl": "de het een en van ik is niet dat op te zijn voor met maar aan ook naar",
        "sv": "och det att en som är på jag för av inte med har den ett till var men",
        "pl": "nie i w na się z to jest że do o jak ale po co tak dla przez",
        "tr": "bir ve bu da de için çok ile ne ama daha gibi var değil olarak ben en mi",
        "id": "yang dan di ini itu dengan untuk tidak dari saya ada pada akan juga ke bisa karena sudah",
        "vi": "là và của có không được cho một những người này trong tôi với đã các khi rất",
    },
    "cyrillic": {
        "ru": "и в не на что я с как это но по все он она мы был так из",
        "uk": "і в не на що я з як це але у та він вона ми був так із",
    },
    "arabic": {
        "ar": "في من على أن إلى هذا ما لا التي عن مع كان هذه ذلك أو لم الذي هو",
        "fa": "در از به که این را با است و آن برای می یک ها خود تا بر شد",
    },
}


def detect(texts: Sequence[str]) -> str | None:
    """Texts -> the ISO 639-1 code of the language of most of them, None where it cannot be told."""
    sample = "\n".join(text[: max(CHARACTERS // max(len(texts), 1), 50)] for text in texts)[: 2 * CHARACTERS]
    counts = {script: len(pattern.findall(sample)) * WEIGHT.get(script, 1) for script, pattern in _PATTERNS.items()}
    script = max(counts, key=lambda name: counts[name])
    if counts[script] == 0:
        return None
    if script in ("han", "kana"):
        return "ja" if counts["kana"] * 10 > counts["han"] else "zh"
    return _by_small_words(sample, _SMALL_WORDS[script]) if script in _SMALL_WORDS else script


def _by_small_words(text: str, languages: dict[str, str]) -> str | None:
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    hits = {language: sum(words[small] for small in smalls.split()) for language, smalls in languages.items()}
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] > 0 and hits[best] >= LEAST_SHARE * words.total() else None
