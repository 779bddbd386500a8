"""Words <-> numbers: 0 is padding, 1 is every word that was not seen often enough."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import repeat
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from flambeau.config import Config
from flambeau.inputs.words.raw import Truncate

Ids = npt.NDArray[np.int64]
T = TypeVar("T")

PADDING, UNKNOWN, FIRST = 0, 1, 2
"""Ids that are no word, and the id of the first one."""
LONGEST = 100
"""Characters of the longest word that is kept: longer ones are noise, and would fill the artifact."""
CANDIDATES = 5_000_000
"""Different words that are counted at once; beyond it those that came once are forgotten, so that memory is bounded."""
NOTHING = "[]"
"""How an unknown word is shown."""


class Vocabulary(Config):
    """The words that were seen in training, and what stands for the others."""

    kind: Literal["words"] = "words"
    words: tuple[str, ...]
    """The most frequent first; the id of a word is its place here + 2. Several words in a row are joined by `glue`."""
    ngrams: int = 1
    """Each word, then each pair of words, ... up to so many in a row."""
    buckets: int = 0
    """Pairs and more are not in `words` but share so many ids by their hash; 0: they are in `words`."""
    glue: str = " "

    @property
    def size(self) -> int:
        """Number of ids."""
        return FIRST + len(self.words) + self.buckets

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words, FIRST)}

    def ids(self, tokens: Sequence[str]) -> Ids:
        """Words -> their ids. With n-grams the pair that begins at a word follows the word: w0, w0 w1, w1, w1 w2, ...; never empty."""
        if not tokens:
            return np.full(1, UNKNOWN, np.int64)
        known, count = self._ids, len(tokens)
        singles = np.fromiter(map(known.get, tokens, repeat(UNKNOWN)), np.int64, count)
        if self.ngrams == 1:
            return singles
        ids = np.zeros((count, self.ngrams), np.int64)
        ids[:, 0] = singles
        for length in range(2, self.ngrams + 1):
            grams = together(tokens, length, self.glue)
            hashed = self.buckets > 0
            ids[: len(grams), length - 1] = [self._bucket(gram) for gram in grams] if hashed else [known.get(gram, PADDING) for gram in grams]
        return np.asarray(ids[ids != PADDING])

    def _bucket(self, gram: str) -> int:
        return FIRST + len(self.words) + zlib.crc32(gram.encode()) % self.buckets

    def shown(self, ids: Ids) -> str:
        """Ids -> the single words behind them as text."""
        singles = [self.words[number - FIRST] if FIRST <= number < FIRST + len(self.words) else NOTHING for number in ids.tolist()]
        if self.ngrams > 1:
            singles = [
                word for word, number in zip(singles, ids.tolist(), strict=True) if number == UNKNOWN or (word != NOTHING and self._is_single(word))
            ]
        return self.glue.join(singles)

    def _is_single(self, word: str) -> bool:
        return self.glue not in word if self.glue else len(word) == 1


def together(tokens: Sequence[str], length: int, glue: str) -> list[str]:
    """Words -> every `length` of them that follow each other."""
    return list(map(glue.join, zip(*(tokens[start:] for start in range(length)), strict=False)))


def counted(texts: Iterable[Sequence[str]], size: int, min_count: int, ngrams: int, buckets: int, glue: str) -> Vocabulary:
    """The words of texts -> the vocabulary of the most frequent ones; equally frequent ones in the order of their characters.

    Args:
        size: words at most.
        min_count: how often a word has to come at least.
    """
    counts: Counter[str] = Counter()
    for tokens in texts:
        counts.update(tokens)
        for length in range(2, 1 if buckets else ngrams + 1):
            counts.update(together(tokens, length, glue))
        if len(counts) > CANDIDATES:
            counts = Counter({word: count for word, count in counts.items() if count > 1})
    kept = [(-count, word) for word, count in counts.items() if count >= min_count and len(word) <= LONGEST]
    words = tuple(word for _, word in sorted(kept)[:size])
    return Vocabulary(words=words, ngrams=ngrams, buckets=buckets if ngrams > 1 else 0, glue=glue)


def shortened(tokens: Sequence[T], most: int, keep: Truncate) -> Sequence[T]:
    """At most so many words: the first ones, the last ones, or half of each."""
    if len(tokens) <= most:
        return tokens
    if keep == "both":
        return [*tokens[: most - most // 2], *tokens[len(tokens) - most // 2 :]]
    return tokens[:most] if keep == "head" else tokens[-most:]
