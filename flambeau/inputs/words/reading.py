"""How a raw text becomes words."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Literal

import numpy as np

from flambeau.config import Config
from flambeau.inputs.words.cleaning import Cleaning
from flambeau.inputs.words.raw import Truncate, raw_text
from flambeau.inputs.words.segmentation import Segment, segmented, segmenter_version
from flambeau.types import Array

LONGEST_TEXT = 100_000
"""Characters of a text that are looked at, unless a recipe says otherwise."""


class TextReading(Config):
    """How a raw text becomes words. Every field is settled, and every list is here, so that an artifact needs no other file."""

    clean: Cleaning
    segment: Segment
    dictionary: tuple[str, ...] = ()
    stop_words: tuple[str, ...] = ()
    punctuation: Literal["keep", "drop"] = "keep"
    truncate: Truncate = "head"
    max_chars: int = LONGEST_TEXT

    @cached_property
    def _left_out(self) -> frozenset[str]:
        return frozenset(self.stop_words)

    @cached_property
    def key(self) -> str:
        """All that changes what `read` returns, the segmenter's version too."""
        return f"text {segmenter_version(self.segment)} {hashlib.sha256(self.model_dump_json().encode()).hexdigest()}"

    def words(self, value: object) -> list[str]:
        """A raw text -> its words; of subwords the parts between white space.

        Raises:
            DataError: it is no text.
        """
        words = segmented(self.clean(raw_text(value, self.max_chars, self.truncate)), self.segment, self.dictionary)
        if self.stop_words:
            words = [word for word in words if word not in self._left_out]
        if self.punctuation == "drop":
            words = [word for word in words if any(map(str.isalnum, word))]
        return words

    def read(self, value: object) -> Array:
        """A raw text -> (bytes,) its words in UTF-8, with a space between them (none between characters)."""
        return np.frombuffer(self.glue.join(self.words(value)).encode(), np.uint8)

    def split(self, array: Array) -> list[str]:
        """What was read -> its words."""
        text = as_text(array)
        return list(text) if self.segment == "characters" else text.split(" ") if text else []

    @property
    def glue(self) -> str:
        """What stands between two words."""
        return "" if self.segment == "characters" else " "


def as_text(array: Array) -> str:
    """(bytes,) uint8 -> the text."""
    return array.tobytes().decode("utf-8", "replace")
