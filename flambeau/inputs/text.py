"""Texts: reviews, mails, sentences; as str, as bytes or in files. What is read is the cleaned text, cut into words; a text becomes ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from flambeau import messages
from flambeau.config import Config
from flambeau.errors import DataError, Notice
from flambeau.inputs.augment.word_steps import WordStep
from flambeau.inputs.input import Input, Preprocessor
from flambeau.inputs.words import likeness
from flambeau.inputs.words.cleaning import Cleaning
from flambeau.inputs.words.language import detect
from flambeau.inputs.words.lists import cleaned, is_language, stop_words_of, words_in
from flambeau.inputs.words.raw import Truncate, raw_text
from flambeau.inputs.words.recognition import is_text, suited_length
from flambeau.inputs.words.segmentation import Segment, segmented, segmenter_version
from flambeau.inputs.words.subwords import Subwords, read_tokenizer, trained
from flambeau.inputs.words.vectors import read_vectors
from flambeau.inputs.words.vocabulary import Vocabulary, counted, shortened
from flambeau.types import Array, TensorSpec

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from flambeau.inputs.augment import Augmentation

SPEC = TensorSpec(("bytes",), (None,), "uint8")
"""What is read: UTF-8, the words with a space between them."""
UNSPACED = ("zh", "ja", "th")
"""Languages that are written without spaces: their characters are the words, unless a recipe says otherwise."""
TRAINED = ("bpe", "unigram")
LONGEST_TEXT = 100_000
"""Characters of a text that are looked at, unless a recipe says otherwise."""
EXCERPT = 160
"""Characters of a text that a report shows."""


def _open_word(value: object) -> object:
    return None if value == "auto" else value


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


class TextInput(Input):
    """A column of texts."""

    file_ending: ClassVar[str] = ".txt"
    type: Literal["text"] = "text"
    language: str | None = None
    """ISO 639-1 code (en, zh). Left open: detected. It decides what else is left open, and is shown in the plan."""
    clean: Cleaning = Cleaning()
    """What is taken out of a text, or made one, before it is cut into words."""
    segment: Annotated[Segment | None, BeforeValidator(_open_word)] = None
    """words: runs of letters and digits, each sign alone, each Chinese character alone. characters: each alone. chinese: words of
    Chinese (needs the extra text). subwords: a tokenizer (needs the extra text). Left open, or auto: characters where a language is
    written without spaces, else words."""
    dictionary: Path | tuple[str, ...] = ()
    """Words of Chinese beside the usual ones: a list, or a file with one a line, relative to the recipe. Copied into the model."""
    tokenizer: Path | Literal["bpe", "unigram"] = "bpe"
    """Of subwords: trained on the training texts as bpe or unigram, or a tokenizer.json, relative to the recipe. Copied into the model."""
    stop_words: Path | str | tuple[str, ...] = ()
    """Words that are left out: the list of a language by its code (en, zh; needs the extra text), a file with one a line, or a list.
    Copied into the model. None by default: most lists hold "not", and without it a good review and a bad one look the same."""
    punctuation: Literal["keep", "drop"] = "keep"
    """Whether signs (!, ?, emoji) are words of their own, or left out."""
    ngrams: int | None = Field(None, ge=1, le=3)
    """2: each pair of words that stand beside each other counts too, 3: each three as well. Left open: 2 where the network is chosen
    as well, but for subwords; 1 in front of a network that looks at the order of words."""
    buckets: int = Field(0, ge=0, le=2**24)
    """Pairs and more share so many ids by their hash; 0: they are in the vocabulary as words are."""
    vocabulary: int = Field(30_000, ge=1, le=2_000_000)
    """Words (or subwords) at most: the most frequent ones of the training texts. All others are one: unknown."""
    min_count: int = Field(2, ge=1)
    """How often a word has to come in the training texts."""
    max_length: int | None = Field(None, ge=1, le=100_000)
    """Words of a text that count. Left open: as many as 98 % of the texts have, at most 512."""
    truncate: Truncate = "head"
    """What is kept of a longer text: its beginning, its end, or half of each (both)."""
    max_chars: int = Field(LONGEST_TEXT, ge=1, le=2**26)
    """Characters of a text that are looked at; bounds the time for one text. Longer ones are cut as `truncate` says."""
    vectors: Path | None = None
    """Pretrained word vectors with which the embedding starts: a text file as of word2vec, GloVe or fastText, relative to the recipe."""
    augment: Annotated[tuple[WordStep, ...], BeforeValidator(lambda value: () if value is None or value == "auto" else value)] = ()
    """What varies in training: a list of drop, delete and swap. Nothing by default."""

    @field_validator("dictionary", "tokenizer", "stop_words", "vectors", mode="after")
    @classmethod
    def _placed(cls, value: object, info: ValidationInfo) -> object:
        """Relative files are relative to the recipe's folder."""
        if isinstance(value, str) and (value in TRAINED or is_language(value)):
            return value
        base = Path((info.context or {}).get("folder", "")).absolute()
        return base / Path(value).expanduser() if isinstance(value, str | Path) else value

    @classmethod
    def recognises(cls, values: Sequence[object]) -> bool:
        """Whether nearly all of the values are texts with letters, or paths of text files."""
        return is_text(values)

    def beside_chosen_network(self) -> Self:
        """With pairs of words, which the network that is chosen for texts does not see by itself."""
        return self if self.ngrams or self.segment == "subwords" else self.model_copy(update={"ngrams": 2})

    def resolve(self, values: Sequence[object]) -> Self:
        """Language, segmentation, case and length settled by the sample; the lists of words read from their files."""
        case = self.clean.case or ("keep" if isinstance(self.tokenizer, Path) and self.segment == "subwords" else "lower")
        clean = self.clean.model_copy(update={"case": case})
        raw = list(_readable(values, self.max_chars, self.truncate))
        language = self.language or detect(raw)
        segment = self.segment or ("characters" if language in UNSPACED else "words")
        settled = self.model_copy(
            update={
                "language": language,
                "clean": clean,
                "segment": segment,
                "ngrams": self.ngrams or 1,
                "dictionary": cleaned(words_in(self.dictionary), clean) if isinstance(self.dictionary, Path) else self.dictionary,
                "stop_words": self._stop_words(clean),
            }
        )
        if self.max_length is not None:
            return settled
        lengths = [len(settled.reading.words(text)) for text in raw]
        return settled.model_copy(update={"max_length": suited_length(lengths, 1.5 if segment == "subwords" else 1)})

    def _stop_words(self, clean: Cleaning) -> tuple[str, ...]:
        if isinstance(self.stop_words, tuple):
            return self.stop_words
        named = isinstance(self.stop_words, str)
        return cleaned(stop_words_of(str(self.stop_words)) if named else words_in(Path(self.stop_words)), clean)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As every copy, without what was worked out from the old fields."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("reading", None)
        return copied

    @cached_property
    def reading(self) -> TextReading:
        """The part that turns a raw value into an array."""
        assert self.segment is not None and isinstance(self.dictionary, tuple) and isinstance(self.stop_words, tuple), (
            "only a resolved input can read"
        )
        return TextReading(
            clean=self.clean,
            segment=self.segment,
            dictionary=self.dictionary if self.segment == "chinese" else (),
            stop_words=self.stop_words,
            punctuation=self.punctuation,
            truncate=self.truncate,
            max_chars=self.max_chars,
        )

    def read(self, value: object) -> Array:
        """A str, bytes in UTF-8 or the path of a text file -> (bytes,) uint8: its words."""
        return self.reading.read(value)

    @property
    def spec(self) -> TensorSpec:
        """(bytes,) uint8."""
        return SPEC

    def reading_key(self) -> str:
        """Cleaning, segmentation, the lists of words and the segmenter's version; nothing of the vocabulary."""
        return self.reading.key

    def fit(self, arrays: Iterable[Array]) -> TextPreprocessor:
        """Texts of the training split -> the fitted preprocessor: their vocabulary, or the tokenizer trained on them."""
        assert self.max_length is not None and self.ngrams is not None, "only a resolved input can be fitted"
        return TextPreprocessor(
            reading=self.reading, vocabulary=self._vocabulary(arrays, self.ngrams), max_length=self.max_length, language=self.language
        )

    def _vocabulary(self, arrays: Iterable[Array], ngrams: int) -> Vocabulary | Subwords:
        if self.segment != "subwords":
            texts = (self.reading.split(array) for array in arrays)
            return counted(texts, self.vocabulary, self.min_count, ngrams, self.buckets, self.reading.glue)
        if isinstance(self.tokenizer, Path):
            return read_tokenizer(self.tokenizer)
        return trained(map(as_text, arrays), self.tokenizer, self.vocabulary)

    def starting_vectors(self, fitted: Preprocessor) -> tuple[npt.NDArray[np.float32], Notice] | None:
        """As Input.starting_vectors: those of the file `vectors`, for the words of the vocabulary."""
        assert isinstance(fitted, TextPreprocessor)
        if self.vectors is None or not isinstance(fitted.vocabulary, Vocabulary):
            return None
        matrix, report = read_vectors(self.vectors, fitted.vocabulary.words)
        buckets = np.zeros((fitted.vocabulary.buckets, report.dim), np.float32)
        facts: dict[str, object] = {"found": report.found, "words": report.words, "missing": ", ".join(report.missing)}
        return np.concatenate([matrix, buckets]), Notice("vectors-found", facts)

    def fingerprint(self, array: Array) -> int:
        """64 bits that are close (Hamming) for texts that have most of their characters in a row in common."""
        return likeness.fingerprint(array.astype(np.uint8, copy=False))

    def is_alike(self, one: Array, other: Array) -> bool:
        """Whether two texts are one, changed a little."""
        return likeness.is_alike(one.astype(np.uint8, copy=False), other.astype(np.uint8, copy=False))

    def is_blank(self, array: Array) -> bool:
        """Whether no word is left."""
        return array.size == 0

    def describe(self) -> list[str]:
        """The language, how texts are cut, and how many words of each count."""
        assert self.segment is not None
        language = messages.text("text-language", language=self.language) if self.language else messages.text("text-language-unknown")
        return [language, messages.text(f"text-segment-{self.segment}"), messages.text("text-length", n=self.max_length)]

    def variations(self) -> list[str]:
        """The names of the augmentation's steps."""
        return [step.name for step in self.augment]

    def augmentation(self, spec: TensorSpec) -> Augmentation | None:
        """The steps of `augment` on a batch of ids and their mask."""
        if not self.augment:
            return None
        from flambeau.inputs.augment.words import Words

        return Words(self.augment)


class TextPreprocessor(Preprocessor):
    """A fitted text preprocessing."""

    finishes = True
    type: Literal["text"] = "text"
    reading: TextReading
    vocabulary: Annotated[Vocabulary | Subwords, Field(discriminator="kind")]
    max_length: int = Field(ge=1)
    """Words of a text that count."""
    language: str | None = None
    """What was detected in training; for people."""

    @property
    def spec(self) -> TensorSpec:
        """(time,) int64: ids of words; 0 is padding, 1 is unknown."""
        return TensorSpec(("time",), (None,), "int64", categories=self.vocabulary.size)

    @property
    def gives(self) -> TensorSpec:
        """As `spec`: the network's embedding takes ids."""
        return self.spec

    def read(self, value: object) -> Array:
        """A str, bytes in UTF-8 or the path of a text file -> (bytes,) uint8: its words."""
        return self.reading.read(value)

    def finish(self, array: Array) -> Array:
        """(bytes,) uint8 -> (time,) int64, at least one and at most `max_length` words (with n-grams, so many more)."""
        keep = self.reading.truncate
        if isinstance(self.vocabulary, Subwords):
            return self.vocabulary.ids(as_text(array), self.max_length, keep)
        return self.vocabulary.ids(shortened(self.reading.split(array), self.max_length, keep))

    def excerpt(self, array: Array) -> str:
        """(time,) ids -> the words as the network knows them, the first ones."""
        shown = self.vocabulary.shown(array[:EXCERPT].astype(np.int64, copy=False))
        return shown if len(shown) <= EXCERPT else shown[: EXCERPT - 1] + "…"

    def module(self) -> nn.Module:
        """(batch, time) ids and their mask -> the same, zeros where nothing is real."""
        from flambeau.inputs.graph.text import PrepareText

        return PrepareText()


def as_text(array: Array) -> str:
    """(bytes,) uint8 -> the text."""
    return array.tobytes().decode("utf-8", "replace")


def _readable(values: Sequence[object], max_chars: int, keep: Truncate) -> Iterator[str]:
    """The texts of a sample; what is no text is passed over.

    Raises:
        DataError: none of them is a text; the first one's error.
    """
    first_error, found = None, False
    for value in values:
        try:
            yield raw_text(value, max_chars, keep)
            found = True
        except DataError as error:
            first_error = first_error or error
    if not found:
        raise first_error or DataError("inputs-unseen")
