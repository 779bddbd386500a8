"""Texts: reviews, mails, sentences; as str, as bytes or in files. What is read is the cleaned text, cut into words; a text becomes ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from flambeau import messages
from flambeau.errors import DataError, Notice, RecipeError
from flambeau.inputs.augment.word_steps import WordStep
from flambeau.inputs.input import Input, Preprocessor
from flambeau.inputs.words import likeness
from flambeau.inputs.words.cleaning import Cleaning
from flambeau.inputs.words.language import detect
from flambeau.inputs.words.lists import cleaned, is_language, stop_words_of, words_in
from flambeau.inputs.words.raw import Truncate, raw_text
from flambeau.inputs.words.reading import LONGEST_TEXT, TextReading, as_text
from flambeau.inputs.words.recognition import is_text, suited_length
from flambeau.inputs.words.segmentation import Segment
from flambeau.inputs.words.subwords import Subwords, read_tokenizer, trained
from flambeau.inputs.words.vectors import read_vectors
from flambeau.inputs.words.vocabulary import Vocabulary, counted, shortened
from flambeau.types import Array, SeenImages, SeenTexts, TensorSpec

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from flambeau.inputs.augment import Augmentation

SPEC = TensorSpec(("bytes",), (None,), "uint8")
"""What is read: UTF-8, the words with a space between them."""
UNSPACED = ("zh", "ja", "th")
"""Languages that are written without spaces: their characters are the words, unless a recipe says otherwise."""
TRAINED = ("bpe", "unigram")
AS_IS = Cleaning(links="keep", width=False, normal_form="none", case="keep")
"""What an encoder has seen is cleaned by its tokenizer alone; only what is no text, such as tags, is taken out before."""
EXCERPT = 160
"""Characters of a text that a report shows."""


def _open_word(value: object) -> object:
    return None if value == "auto" else value


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
    """Of subwords: trained on the training texts as bpe or unigram, or a tokenizer.json, relative to the recipe. Copied into the model.
    Left open in front of an encoder: its own."""
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
    """Words of a text that count. Left open: as many as 98 % of the texts have, at most 512; in front of an encoder, as many as it takes."""
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

    def beside_pretrained(self, seen: SeenImages | SeenTexts) -> Self:
        """With the encoder's tokenizer, its length, and no other cleaning than its own, where they are left open.

        Raises:
            RecipeError: another tokenizer than the encoder has learnt from, or longer texts than it takes.
        """
        if not isinstance(seen, SeenTexts):
            return self
        left_open = "tokenizer" not in self.model_fields_set
        chosen: dict[str, Any] = {"segment": self.segment or "subwords", "max_length": self.max_length or seen.max_length}
        chosen |= {"tokenizer": seen.tokenizer} if left_open else {}
        chosen |= {} if "clean" in self.model_fields_set else {"clean": AS_IS}
        settled = self.model_copy(update=chosen)
        if seen.pretrained and not (settled.segment == "subwords" and isinstance(settled.tokenizer, Path)):
            raise RecipeError("encoder-tokenizer", path=("segment" if settled.segment != "subwords" else "tokenizer",), network=seen.model)
        if chosen["max_length"] > seen.max_length:
            raise RecipeError("encoder-length", path=("max_length",), network=seen.model, given=chosen["max_length"], most=seen.max_length)
        return settled

    def without_places(self) -> Self:
        """As Input.without_places."""
        files = {name: value for name in ("tokenizer", "vectors") if isinstance(value := getattr(self, name), Path)}
        return self.model_copy(update={name: Path(path.name) for name, path in files.items()})

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
        cut = messages.text(f"text-segment-{self.segment}")
        if self.segment == "subwords" and isinstance(self.tokenizer, Path):
            cut = messages.text("text-tokenizer", file=f"{self.tokenizer.parent.name}/{self.tokenizer.name}")
        return [language, cut, messages.text("text-length", n=self.max_length)]

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
    def longest(self) -> int:
        """Of words, and of several in a row where those count too."""
        return self.max_length * (1 if isinstance(self.vocabulary, Subwords) else self.vocabulary.ngrams)

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
