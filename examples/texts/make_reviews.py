"""Writes a small table of reviews in English and Chinese, made of a few parts: to try the commands, not to learn from.

python examples/texts/make_reviews.py reviews.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

SAID = {
    "good": ["a good book", "very good, i like it", "works well and looks nice", "fast and friendly", "质量不错", "很喜欢，值得买"],
    "bad": ["not good at all", "broken after a day", "slow and rude", "i want my money back", "一点也不好", "用了一天就坏了"],
}
MORE = ["really", "i think", "said my mother", "again", "真的", "我觉得"]


def write_reviews(path: Path) -> Path:
    """A CSV file with the columns text and label."""
    rows = [(f"{text}, {more}", label) for label, texts in SAID.items() for text in texts for more in MORE]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


if __name__ == "__main__":
    print(write_reviews(Path(sys.argv[1] if len(sys.argv) > 1 else "reviews.csv")))
