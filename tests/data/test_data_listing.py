"""data.md and split.csv: complete, and harmless whatever the files are called."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flambeau.data import listing
from flambeau.data.cache import Cache, encode
from flambeau.data.cleaning import Cleaned, clean
from flambeau.data.config import DataConfig
from flambeau.data.examples import Source, class_counts
from flambeau.data.listing import data_page, split_csv
from flambeau.data.source import open_source
from flambeau.data.split import Split, split

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "=cmd|' C'!A0",
    "a|b",
    "[x](javascript:1)",
    "new\nline",
    "\x1b[31mred",
    "\u202eexe.jpg",
    "# head",
    "`code`",
    "tab\tbed",
    "bad\udcff",
    "猫",
    "https:www.x.y",
]


@pytest.fixture
def walked(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type) -> tuple[Source, Cache, Cleaned, Split]:
    for number, name in enumerate([*HOSTILE, "plain"]):
        for label in ("cat", "=2+3"):
            (tmp_path / "p" / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(digits[0][2 * number + (label == "cat")]).save(tmp_path / "p" / label / f"{name}.png")
    (tmp_path / "p/cat/<b>broken.png").write_bytes(b"")
    copy = tmp_path / "p/cat/copy.png"
    copy.write_bytes((tmp_path / "p/=2+3/plain.png").read_bytes())
    config = DataConfig(folder=tmp_path / "p", max_bad=0.5)
    source = open_source(config)
    inputs = {"image": pixels()}
    cache = encode(source, inputs, tmp_path)
    cleaned = clean(source, cache, inputs, config)
    labels = [source.label(row) for row in range(len(source))]
    return source, cache, cleaned, split(labels, cleaned.clusters, config.split, rows=cleaned.kept)


def counts(source: Source, parts: Split) -> dict[str, dict[str, int]]:
    splits = {"train": parts.train, "valid": parts.valid, "test": parts.test}
    return {word: class_counts(source.label(int(row)) for row in rows) for word, rows in splits.items()}


def test_page(walked: tuple[Source, Cache, Cleaned, Split]) -> None:
    source, _, cleaned, parts = walked
    page = data_page(source, cleaned, parts, counts(source, parts))
    page.encode()
    assert page.startswith("# Data: p\n")
    assert "| class | examples | train | valid | test |" in page
    assert "| **total** | 29 |" in page
    assert "| cat/&lt;b&gt;broken.png | image\\-truncated |".replace("image\\-", "image-") in page
    assert "## Identical examples with different labels (1 set)" in page
    assert "## Copies and near-copies (1 set)" in page
    assert "copy in another split: 0" in page
    assert "<" not in page
    assert not any(ord(character) < 32 and character != "\n" for character in page)
    assert "\u202e" not in page
    assert all(line.count(" | ") in (2, 4) for line in page.splitlines() if line.startswith("| "))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_they_are(name: str) -> None:
    """A reader of CommonMark that only knows backslashes and entities gets the name back (control characters as \\xNN)."""
    import html
    import re

    shown = html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", listing._plain(name)))
    expected = name.replace("\n", "\\x0a").replace("\x1b", "\\x1b").replace("\u202e", "\\x202e").replace("\t", "\\x09").replace("\udcff", "\\xff")
    assert shown == expected


def test_page_in_chinese(walked: tuple[Source, Cache, Cleaned, Split], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", "zh")
    source, _, cleaned, parts = walked
    assert "类别" in data_page(source, cleaned, parts, counts(source, parts))


def test_long_lists_are_cut(walked: tuple[Source, Cache, Cleaned, Split], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LONGEST", 1)
    source, _, cleaned, parts = walked
    assert "... and 2 more" in data_page(source, cleaned, parts, counts(source, parts))


def test_csv(walked: tuple[Source, Cache, Cleaned, Split]) -> None:
    source, cache, _, parts = walked
    text = split_csv(source, cache.facts, parts)
    text.encode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(source) == 30
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    assert [row["split"] for row in rows] == parts.words(30)
    assert [row["split"] for row in rows if "broken" in row["path"]] == [""]
    assert [row["sha256"] for row in rows] == list(cache.facts.sha256)
    assert {row["label"] for row in rows} == {"cat", "'=2+3"}
    assert not any(ord(character) < 32 and character not in "\n\t" for character in text) and "\u202e" not in text
    assert len(text.splitlines()) == 31, "a name breaks no line"
    assert "cat/\\x1b[31mred.png" in {row["path"] for row in rows}


def test_arrays_have_numbers(digits: tuple[np.ndarray, np.ndarray], tmp_path: Path, pixels: type) -> None:
    config = DataConfig()
    source = open_source(config, memory={"x": digits[0][:90], "y": digits[1][:90]})
    inputs = {"x": pixels()}
    cache = encode(source, inputs, tmp_path)
    cleaned = clean(source, cache, inputs, config)
    parts = split(source.values("y"), cleaned.clusters, config.split, rows=cleaned.kept)
    assert split_csv(source, cache.facts, parts).splitlines()[1].startswith("#1,0,")
    assert "# Data: arrays\n\n| class" in data_page(source, cleaned, parts, counts(source, parts))
