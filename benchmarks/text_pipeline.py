"""How fast Chinese text becomes ids: clean, segment, look up; and jieba on the same texts in the same run, segmentation alone.

python benchmarks/text_pipeline.py [FOLDER]

FOLDER keeps the texts between runs. jieba is compared with where it is installed.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from measuring import record, timed
from text_data import write

from flambeau.inputs.text import TextInput

WAYS = ("characters", "words", "chinese", "subwords")
RUNS = 7
SHARE = 5
"""One of so many texts is timed: short runs, as other work on the machine disturbs long ones."""
PEER_TEXTS = 2000
"""jieba is so slow that it gets fewer."""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    with write(folder, "reviews")[0].open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)][::SHARE]
    size = sum(map(len, texts))
    for way in WAYS:
        settled = TextInput.model_validate({"segment": way}).resolve(texts[:200])
        fitted = settled.fit([settled.read(text) for text in texts])
        what = f"text pipeline, {way}: million characters a CPU second"
        _record(what, size, len(texts), lambda encode=fitted.encode: [encode(text) for text in texts])  # type: ignore[misc]
    prints = [settled.read(text) for text in texts]
    _record("text fingerprints: million characters a CPU second", size, len(texts), lambda: [settled.fingerprint(text) for text in prints])
    if find_spec("jieba") is not None:
        _peer(texts[:PEER_TEXTS])


def _record(what: str, size: int, count: int, work: Callable[[], object]) -> None:
    rates = _rates(size, work)
    record(what, f"{median(rates):.2f}", count, f"{min(rates):.2f} to {max(rates):.2f}", "python benchmarks/text_pipeline.py")


def _peer(texts: Sequence[str]) -> None:
    """Segmentation alone, of the same texts, one after the other."""
    import jieba
    import rjieba

    jieba.initialize()
    size = sum(map(len, texts))
    ratios = []
    for _ in range(RUNS):
        theirs, ours = _rate(size, lambda: [jieba.lcut(text) for text in texts]), _rate(size, lambda: [rjieba.cut(text) for text in texts])
        ratios.append(ours / theirs)
    what = "Chinese words: times the speed of jieba, segmentation alone"
    record(what, f"{median(ratios):.1f}", len(texts), f"{min(ratios):.1f} to {max(ratios):.1f}", "python benchmarks/text_pipeline.py")


def _rates(size: int, work: Callable[[], object]) -> list[float]:
    work()
    return [_rate(size, work) for _ in range(RUNS)]


def _rate(size: int, work: Callable[[], object]) -> float:
    """Million characters a CPU second."""
    return size / timed(work)[1] / 1e6


if __name__ == "__main__":
    main()
