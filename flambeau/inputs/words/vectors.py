"""Pretrained word vectors in the text formats of word2vec, GloVe and fastText -> the start of an embedding."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from flambeau import randomness
from flambeau.errors import DataError
from flambeau.inputs.words.vocabulary import FIRST

MAX_LINE = 1 << 17
"""Characters of one line: a vector of 4,096 numbers has about half of it."""
WIDEST = 4096
"""Numbers of one vector."""


@dataclass(frozen=True)
class VectorReport:
    """How much of a vocabulary a file of vectors covers."""

    words: int
    """Words of the vocabulary."""
    found: int
    """Of them those that have a vector in the file."""
    dim: int
    """Numbers of each vector."""
    missing: tuple[str, ...]
    """The most frequent words without one, a few."""


def read_vectors(path: Path, words: Sequence[str], seed: int = 0) -> tuple[npt.NDArray[np.float32], VectorReport]:
    """A file of vectors and the words of a vocabulary -> (FIRST + words, dim) float32, and what was found.

    Padding is zeros; unknown and the words that the file does not have are drawn with the spread of those that it has. Only the
    vectors of the words are kept, so the file may be far larger than memory. A first line of two numbers (how many, how long) is
    passed over; of a word that comes twice the first vector counts; .gz is read too.

    Raises:
        DataError: not there, none of the words in it, or a line that is no vector (with its number).
    """
    places = {word: place for place, word in enumerate(words, FIRST)}
    rows: dict[int, npt.NDArray[np.float32]] = {}
    dim = 0
    for number, line in _lines(path):
        word, _, numbers = line.rstrip().partition(" ")
        if number == 1 and numbers.isdecimal():
            continue
        place = places.get(word)
        if dim and (place is None or place in rows):
            continue
        vector = _vector(numbers, f"{path}:{number}")
        if dim and len(vector) != dim:
            raise DataError("vectors-line", where=f"{path}:{number}", expected=dim, got=len(vector))
        dim = len(vector)
        if place is not None:
            rows[place] = vector
    if not rows:
        raise DataError("vectors-none", where=str(path))
    missing = tuple(word for word, place in places.items() if place not in rows)
    return _matrix(rows, FIRST + len(words), dim, seed), VectorReport(len(words), len(rows), dim, missing[:10])


def _matrix(rows: dict[int, npt.NDArray[np.float32]], size: int, dim: int, seed: int) -> npt.NDArray[np.float32]:
    known = np.stack(list(rows.values()))
    spread = float(known.std()) * np.sqrt(12)
    matrix = np.asarray((randomness.uniform(seed, np.arange(size)[:, None], np.arange(dim)) - 0.5) * spread, np.float32)
    matrix[0] = 0
    matrix[list(rows)] = known
    return matrix


def _vector(numbers: str, where: str) -> npt.NDArray[np.float32]:
    try:
        vector = np.array(numbers.split(), np.float32)
    except ValueError as error:
        raise DataError("vectors-number", where=where) from error
    if not 1 <= len(vector) <= WIDEST or not np.isfinite(vector).all():
        raise DataError("vectors-number", where=where)
    return vector


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file, numbered from 1; bytes that are no UTF-8 belong to words that no text has."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a named pipe would wait for its writer for ever
            raise DataError("word-list", where=str(path), reason="not a file")
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(iter(lambda: cast(IO[bytes], file).readline(MAX_LINE), b""), 1):
                if len(line) >= MAX_LINE:
                    raise DataError("vectors-number", where=f"{path}:{number}")
                yield number, line.decode("utf-8", "replace")
    except FileNotFoundError as error:
        raise DataError("file-missing", where=str(path)) from error
    except (OSError, EOFError) as error:
        raise DataError("word-list", where=str(path), reason=str(error)[:200]) from error
