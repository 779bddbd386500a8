"""Subwords: a tokenizer that was trained on the training split, or read from a tokenizer.json. It travels as JSON, whole."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from flambeau.config import Config
from flambeau.errors import DataError, panics_as_errors
from flambeau.extras import need
from flambeau.inputs.words.raw import MAX_BYTES, Truncate
from flambeau.inputs.words.vocabulary import PADDING, UNKNOWN, Ids, shortened

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ["[PAD]", "[UNK]"]
"""In the order of PADDING and UNKNOWN."""
LEAST_COUNT = 2
"""How often two pieces have to stand beside each other before they become one."""


class Subwords(Config):
    """A trained tokenizer. Of one that came from a file the ids are those of the file, whatever they mean."""

    kind: Literal["subwords"] = "subwords"
    tokenizer: str
    """As the `tokenizers` library writes it: JSON."""

    @property
    def size(self) -> int:
        """Number of ids."""
        return max(self._loaded.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def _loaded(self) -> Tokenizer:
        tokenizer = _parsed(self.tokenizer)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _around(self) -> tuple[list[int], list[int]]:
        """Ids that the tokenizer puts in front of a text and behind it ([CLS], [SEP])."""
        whole, inner = (_encoded(self._loaded, "a", special=special) for special in (True, False))
        start = next((place for place in range(len(whole) - len(inner) + 1) if whole[place : place + len(inner)] == inner), None)
        if start is None:
            raise DataError("tokenizer-damaged", where="tokenizer", reason="the ids of a text do not stand between those around it")
        return whole[:start], whole[start + len(inner) :]

    def ids(self, text: str, most: int, keep: Truncate) -> Ids:
        """A cleaned text -> its ids, `most` at most with those around it; never empty."""
        before, after = self._around
        inner = _encoded(self._loaded, text)
        kept = shortened(inner, max(most - len(before) - len(after), 1), keep)
        return np.array([*before, *kept, *after] or [UNKNOWN], np.int64)

    def shown(self, ids: Ids) -> str:
        """Ids -> the text behind them."""
        return str(self._loaded.decode(ids.tolist()))


def read_tokenizer(path: Path) -> Subwords:
    """A tokenizer.json -> the tokenizer.

    Raises:
        DataError: not there, or no tokenizer.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a named pipe would wait for its writer for ever
            raise DataError("tokenizer-damaged", where=str(path), reason="not a file")
        if status.st_size > MAX_BYTES:
            raise DataError("tokenizer-damaged", where=str(path), reason=f"> {MAX_BYTES:,} bytes")
        return Subwords(tokenizer=_parsed(path.read_text(encoding="utf-8"), str(path)).to_str())
    except FileNotFoundError as error:
        raise DataError("file-missing", where=str(path)) from error
    except (OSError, ValueError) as error:
        raise DataError("tokenizer-damaged", where=str(path), reason=str(error)[:200]) from error


def trained(texts: Iterable[str], model: Literal["bpe", "unigram"], size: int) -> Subwords:
    """Texts -> a tokenizer with at most so many subwords.

    Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, ACL 2016 (BPE); Kudo, Subword Regularization,
    ACL 2018 (unigram).

    Raises:
        ExtraMissing: tokenizers is not installed.
    """
    need("text", "segment: subwords")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    is_bpe = model == "bpe"
    trainer = (
        trainers.BpeTrainer(vocab_size=size, min_frequency=LEAST_COUNT, special_tokens=SPECIAL, show_progress=False)
        if is_bpe
        else trainers.UnigramTrainer(vocab_size=size, special_tokens=SPECIAL, unk_token=SPECIAL[UNKNOWN], show_progress=False)
    )
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]) if is_bpe else models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(texts, trainer)
    assert tokenizer.token_to_id(SPECIAL[PADDING]) == PADDING
    return Subwords(tokenizer=tokenizer.to_str())


def _parsed(content: str, where: str = "tokenizer") -> Tokenizer:
    need("text", "segment: subwords")
    from tokenizers import Tokenizer

    try:
        with panics_as_errors():
            return Tokenizer.from_str(content)
    except Exception as error:  # the library raises a bare Exception
        raise DataError("tokenizer-damaged", where=where, reason=str(error)[:200]) from error


def _encoded(tokenizer: Tokenizer, text: str, special: bool = False) -> list[int]:
    """The ids of a text.

    Raises:
        DataError: the tokenizer is of a form, but makes no sense: the library fails on it.
    """
    try:
        with panics_as_errors():
            return tokenizer.encode(text, add_special_tokens=special).ids
    except Exception as error:  # the library raises a bare Exception
        raise DataError("tokenizer-damaged", where="tokenizer", reason=str(error)[:200]) from error
