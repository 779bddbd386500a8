"""Lists of words that a recipe names: stop words by language or in a file, a dictionary in a file. A word a line, # begins a remark."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path

from flambeau.errors import DataError
from flambeau.extras import need
from flambeau.inputs.words.cleaning import Cleaning
from flambeau.inputs.words.raw import MAX_BYTES
from flambeau.naming import closest

MOST = 1_000_000
"""Words of a list."""


def is_language(word: str) -> bool:
    """Whether a word of a recipe is the code of a language, and not the name of a file."""
    return re.fullmatch("[a-z]{2}", word) is not None


def words_in(path: Path) -> tuple[str, ...]:
    """The words of a file, one a line; what follows a blank on the line (a frequency, a kind) is left out.

    Raises:
        DataError: it cannot be read, or is no such list.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a named pipe would wait for its writer for ever
            raise DataError("word-list", where=str(path), reason="not a file")
        if status.st_size > MAX_BYTES:
            raise DataError("word-list", where=str(path), reason=f"> {MAX_BYTES:,} bytes")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DataError("file-missing", where=str(path)) from error
    except (OSError, ValueError) as error:
        raise DataError("word-list", where=str(path), reason=str(error)[:200]) from error
    words = dict.fromkeys(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))
    if len(words) > MOST:
        raise DataError("word-list", where=str(path), reason=f"{len(words):,} > {MOST:,}")
    return tuple(words)


def stop_words_of(language: str) -> tuple[str, ...]:
    """The stop words of a language by its code (en, zh), sorted.

    Raises:
        ExtraMissing: stopwordsiso is not installed.
        DataError: it has no list for this language.
    """
    need("text", "stop_words")
    import stopwordsiso

    if language not in stopwordsiso.langs():
        known = sorted(stopwordsiso.langs())
        raise DataError("stop-words-language", language=language, guess=closest(language, known), languages=", ".join(known))
    return tuple(sorted(stopwordsiso.stopwords(language)))


def cleaned(words: Iterable[str], clean: Cleaning) -> tuple[str, ...]:
    """The words as a cleaned text has them: in its case and its normal form, each once."""
    return tuple(dict.fromkeys(word for word in map(clean, words) if word))
