"""What was found in the data, for people (data.md) and for programs (split.csv). File and class names are hostile: all are escaped."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from flambeau.data.cache import Facts
from flambeau.data.cleaning import Cleaned
from flambeau.data.examples import WORDS, Source, readable
from flambeau.data.split import Split, overlap
from flambeau.messages import printable, text

LONGEST = 2_000
"""Lines of one list; a longer one says how many more there are."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet compute a cell."""


def data_page(source: Source, cleaned: Cleaned, split: Split, counts: Mapping[str, Mapping[str, int]]) -> str:
    """What was found in the data -> Markdown: classes and splits, what is not used and why, copies, contradictory labels.

    Args:
        counts: examples of each class (or range of a value) in order, by split.
    """
    words = split.words(len(source))
    parts = [f"# {_say('title', name=_plain(source.name))}"]
    if source.place is not None:
        parts.append(_plain(readable(str(source.place))))
    parts.append(_counts(counts, words))
    parts += [f"- {_plain(notice.what)}" for notice in (*source.notices, *cleaned.notices, *split.notices)]
    if cleaned.problems:
        rows = ([_plain(problem.where), problem.error.code, _plain(problem.error.what)] for problem in cleaned.problems)
        parts.append(_section("unused", len(cleaned.problems)) + _table([_say("example"), _say("code"), _say("reason")], rows))
    if cleaned.contradictions:
        lines = (", ".join(f"{_plain(source.where(row))} ({_plain(source.label(row))})" for row in rows) for rows in cleaned.contradictions)
        parts.append(_section("contradictions", len(cleaned.contradictions)) + _list(lines))
    duplicates = cleaned.duplicates
    if duplicates:
        lines = (", ".join(f"{_plain(source.where(row))}{f' ({words[row]})' if words[row] else ''}" for row in rows.tolist()) for rows in duplicates)
        crossing = _say("overlap", n=overlap(split, cleaned.clusters))
        parts.append(_section("duplicates", len(duplicates)) + f"{crossing}\n\n" + _list(lines))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def split_csv(source: Source, facts: Facts, split: Split) -> str:
    """Each example of the source -> a line: path, label, split ("" where it is not used), sha256."""
    words = split.words(len(source))
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(["path", "label", "split", "sha256"])
    for row, word in enumerate(words):
        label = "" if source.target is None else readable(source.label(row))
        writer.writerow([cell(source.where(row)), cell(label), word, facts.sha256[row]])
    return content.getvalue()


def _counts(counts: Mapping[str, Mapping[str, int]], words: Sequence[str]) -> str:
    """The table of examples by class and split."""
    names = dict.fromkeys(name for word in WORDS for name in counts[word])
    found = {name: [counts[word].get(name, 0) for word in WORDS] for name in names}
    rows = [[_plain(name), str(sum(numbers)), *map(str, numbers)] for name, numbers in found.items()]
    totals = Counter(words)
    rows.append([f"**{_say('total')}**", str(sum(totals[word] for word in WORDS)), *(str(totals[word]) for word in WORDS)])
    return _table([_say("class"), _say("examples"), *WORDS], rows)


def _say(key: str, **facts: object) -> str:
    return text(f"data-page-{key}", **facts)


def _section(key: str, number: int) -> str:
    return f"## {_say(key, n=number)}\n\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    found = list(rows)
    lines = [heads, ["---"] * len(heads), *found[:LONGEST]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + _more(len(found))


def _list(lines: Iterable[str]) -> str:
    found = list(lines)
    return "".join(f"- {line}\n" for line in found[:LONGEST]) + _more(len(found))


def _more(number: int) -> str:
    return f"\n{_say('more', n=number - LONGEST)}\n" if number > LONGEST else ""


def _plain(name: object) -> str:
    """Any text as Markdown that shows it as it is: on one line, with no markup, HTML or table border in it."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:@<>&-])", _escaped, printable(readable(str(name))).replace("\t", "\\x09"))


def _escaped(match: re.Match[str]) -> str:
    html = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return html.get(match[1], "\\" + match[1])


def cell(value: str) -> str:
    """A cell that no spreadsheet computes and that moves no terminal."""
    shown = printable(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
