"""JSON lines: what is read, and that what is malformed is an error with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flambeau.data.jsonlines import read_json_lines
from flambeau.errors import DataError


def rows(folder: Path, *lines: str) -> list[dict[str, object]]:
    path = folder / "data.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_json_lines(path).rows


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "x", "label": "a", "label": "b"}',
        '{"text":"x","label":"a","label":"a"}',
        '{"text" : "x", "label"\t: "a", "label"   : "b"}',
        '{"label": "a", "l\\u0061bel": "b"}',
        '{"text": "at 10:30, \\"so\\": he said", "label": 1, "label": 2}',
        '{"text": [{"x": 1, "x": 2}], "label": "a"}',
        '{"": 1, "": 2}',
    ],
)
def test_a_key_twice(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        rows(tmp_path, '{"text": "fine", "label": "a"}', "", line)
    assert caught.value.code == "json-key-twice"
    assert str(caught.value.where).endswith("data.jsonl:3")


@pytest.mark.parametrize(
    "value", ["http://x.org:80", 'he said "a": "b"', '":":":', '\\":', "label", ["a:b", ["c"]], [{"label": 1}, {"label": 2}], 'x" \t:', "\u2028:"]
)
def test_colons_and_quotes_in_values_are_no_keys(value: object, tmp_path: Path) -> None:
    row = {"text": value, "label": "a"}
    assert rows(tmp_path, json.dumps(row), json.dumps(row, ensure_ascii=False, separators=(",", ":"))) == [row, row]


def test_deep_lists_end_in_no_crash(tmp_path: Path) -> None:
    line = f'{{"text": {"[" * 1000}{"]" * 1000}, "label": "a:b"}}'
    assert len(rows(tmp_path, line)) == 1
