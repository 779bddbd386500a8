"""Documents, their places, and every way in which they can be wrong."""

from __future__ import annotations

import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from flambeau.document import Tree, read, read_file, reader
from flambeau.errors import RecipeError

TEXT = """# a comment
data: {folder: photos, split: {train: 0.7}}
network:
  - conv2d: 32
  - residual: [relu, {linear: 10}]
训练: &a
  epochs: 20
again: *a
"""


def refused(text: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        read(text, "r.yaml")
    return caught.value


def test_a_document_and_its_places() -> None:
    document = read(TEXT, "r.yaml")
    assert document.tree == {
        "data": {"folder": "photos", "split": {"train": 0.7}},
        "network": [{"conv2d": 32}, {"residual": ["relu", {"linear": 10}]}],
        "训练": {"epochs": 20},
        "again": {"epochs": 20},
    }
    marks = document.marks
    where = {path: marks.where(marks.place(path)) for path in marks.values}
    assert where["data", "folder"] == "r.yaml:2:16"
    assert where["data", "split", "train"] == "r.yaml:2:39"
    assert where["network", 1, "residual", 1, "linear"] == "r.yaml:5:31"
    assert where["训练", "epochs"] == "r.yaml:7:11"
    assert where["again", "epochs"] == "r.yaml:7:11", "what an alias repeats is where it was written"
    assert marks.where(marks.place(("data", "split"), key=True)) == "r.yaml:2:24"
    assert marks.where(marks.place(("network",))) == "r.yaml:3:1", "a block is shown by its key"
    assert marks.where(marks.place(("network", 0))) == "r.yaml:4:5", "or by its first key"
    assert marks.where(marks.place(("network", 1, "residual", 7, "x"))) == "r.yaml:5:15", "what is not there: the nearest above"


def test_both_parsers_of_pyyaml_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = read(TEXT)
    monkeypatch.setattr(reader, "_Loader", yaml.Loader)
    slow = read(TEXT)
    assert slow.tree == fast.tree
    assert {path: (p.line, p.column) for path, p in slow.marks.values.items()} == {path: (p.line, p.column) for path, p in fast.marks.values.items()}
    assert slow.marks.keys == fast.marks.keys


@pytest.mark.parametrize("loader", [yaml.CLoader, yaml.Loader])
@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: [1,\n  b: 2", "yaml-unclosed", 1, 4),
        ("a: {b: 1\nc: 2", "yaml-unclosed", 1, 4),
        ("a:\n\tb: 1", "yaml-tab", 2, 1),
        ("a:\n  b: 1\n\t c: 2", "yaml-tab", 3, 1),
        ("a: b: c", "yaml-colon", 1, 5),
        ("a: 1\n b: 2", "yaml-colon", 2, 3),
        ("a: @x", "yaml-start", 1, 4),
        ("a: `x`", "yaml-start", 1, 4),
        ("a: 'x\nb: 2\n", "yaml-quote", 1, 4),
        ('a: "x', "yaml-quote", 1, 4),
        ("- a\nb: 1", "yaml-indent", 2, 1),
        ("a: 1\nb\nc: 2", "yaml-no-colon", 2, 1),
        ('a: "\\q"', "yaml-escape", 1, None),
        ('a: "\\ud83d"', "yaml-escape", 1, None),
        ("a: ]", "yaml-content", 1, 4),
        ("a: 1\na: 2", "yaml-key-twice", 2, 1),
        ("{a: 1, b: {c: 1, c: 2}}", "yaml-key-twice", 1, 18),
        ("a: 1\n'a': 2", "yaml-key-twice", 2, 1),
        ("a: !!python/object/apply:os.system [ls]", "yaml-tag", 1, 4),
        ("a: !!str 010", "yaml-tag", 1, 4),
        ("a: !x {b: 1}", "yaml-tag", 1, 4),
        ("a: ! 1", "yaml-tag", 1, 4),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "yaml-merge", 3, 3),
        ("? [a]\n: 1", "yaml-key", 1, 3),
        ("? {a: 1}\n: 1", "yaml-key", 1, 3),
        ("null: 1", "yaml-key", 1, 1),
        ("~: 1", "yaml-key", 1, 1),
        (": 1", "yaml-indent", 1, 1),
        ("a: &x [1]\n*x : 2", "yaml-key", 2, 1),
        ("a: 1\n---\nb: 2", "yaml-documents", 2, 1),
        ("a: *nope", "yaml-alias-unknown", 1, 4),
        ("a: &x [*x]", "yaml-alias-cycle", 1, 8),
        ("a: 1\nb: \x07", "yaml-control", 2, 4),
        ("a: 1\nb: x\x00y", "yaml-control", 2, 5),
        ("a: \x1b[31mred", "yaml-control", 1, 4),
        ('a: "\\0"', "yaml-character-escaped", 1, 4),
        ("%YAML 3.0\n---\na: 1", "yaml-syntax", 1, 1),
    ],
)
def test_a_fault_has_a_code_and_a_place(text: str, code: str, line: int, column: int | None, loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_Loader", loader)
    if code == "yaml-escape" and "ud83d" in text and loader is yaml.Loader:
        code = "yaml-character-escaped"
    error = refused(text)
    assert error.code == code
    assert error.where is not None
    assert error.where.startswith(f"r.yaml:{line}:{column or ''}")
    assert "^" in error.snippet
    assert error.what
    assert "\x1b" not in error.snippet


def test_a_key_twice_tells_both_places() -> None:
    error = refused("a: 1\nb: 2\na: 3\n")
    assert error.what == "'a' stands here a second time; the first is in line 1"
    assert error.where == "r.yaml:3:1"


def test_an_alias_misspelled() -> None:
    assert refused("a: &small [1]\nb: *smal\n").why == "did you mean '*small'?"


LAUGHS = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (LAUGHS, "yaml-too-many"),
        ("[" * 5000 + "]" * 5000, "yaml-nesting"),
        ("{a: " * 5000, "yaml-nesting"),
        ("\n".join(" " * depth + "a:" for depth in range(1300)), "yaml-nesting"),
        ("- " * 5000, "yaml-nesting"),
        ("[" * 900_000, "yaml-nesting"),
        ("\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200))]), "yaml-nesting"),
        ("a: " * 330_000, "yaml-colon"),
        ("? " * 490_000, "yaml-key"),
        ("&a " * 300_000, None),
        ("x" * 1_000_001, "yaml-too-large"),
        ("猫" * 400_000 + ": [", "yaml-colon"),
        ('"' + "\\" * 900_001, None),
    ],
)
def test_a_bomb_ends_within_a_second(text: str, code: str | None) -> None:
    started = time.process_time()
    error = refused(text)
    assert time.process_time() - started < 1
    assert code is None or error.code == code
    assert len(str(error)) + len(error.snippet) < 1000


@pytest.mark.parametrize("text", ["- 1\n" * 240_000, "[" + "1," * 490_000 + "]"])
def test_a_flood_of_values_ends_soon(text: str) -> None:
    started = time.process_time()
    assert refused(text).code == "yaml-too-many"
    assert time.process_time() - started < 10  # 1 in truth; a coverage run is 4 times slower


def test_depth_that_is_allowed() -> None:
    tree = read("[" * 99 + "]" * 99).tree
    for _ in range(98):
        assert isinstance(tree, list)
        tree = tree[0]
    assert tree == []


def test_json_is_yaml() -> None:
    tree: Tree = {"a": [1, 2.5, True, None, "x\ty", 'quote " and \\ and /'], "猫😀": {"b": {}, "c": []}, "d": "😀"}
    for text in (json.dumps(tree), json.dumps(tree, indent="\t"), json.dumps(tree, ensure_ascii=False), json.dumps(tree, separators=(",", ":"))):
        assert read(text).tree == tree


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends(ending: str) -> None:
    text = ending.join(["a: 1", "b:", "  c: [2", "  , 3]", "d: .inf", ""])
    assert refused(text).where == "r.yaml:5:4"


def test_an_empty_document_is_nothing() -> None:
    assert read("").tree is None
    assert read("# only a comment\n").tree is None
    assert read("---\n...\n").tree is None


def test_a_snippet_of_a_long_line_shows_the_fault() -> None:
    error = refused("a: [" + "word, " * 50 + "@x, " + "word, " * 50 + "]")
    line, marker = error.snippet.split("\n")
    assert len(line) < 120
    assert line[marker.index("^")] == "@"


def test_a_snippet_counts_the_columns_of_a_terminal() -> None:
    _, marker = refused("猫狗: @x").snippet.split("\n")
    assert marker == "       |       ^"


@pytest.mark.parametrize(
    ("raw", "code", "where"),
    [
        ("a: 1".encode("utf-16"), "yaml-encoding", ""),
        ("a: 1".encode("utf-16-be"), "yaml-encoding", ""),
        ("a: 1".encode("utf-32"), "yaml-encoding", ""),
        ("é: 1\nb: é".encode() + b"\xff", "yaml-bytes", ":2:5"),
        (b"\x80\x02pickle", "yaml-bytes", ":1:1"),
        (b"PK\x03\x04", "yaml-control", ":1:3"),
        (b"a" * 1_000_001, "yaml-too-large", ""),
    ],
)
def test_files_that_are_no_text(raw: bytes, code: str, where: str, tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(raw)
    with pytest.raises(RecipeError) as caught:
        read_file(file)
    assert caught.value.code == code
    assert caught.value.where == f"{file}{where}"


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: @\n")
    with pytest.raises(RecipeError) as caught:
        read_file(file)
    assert caught.value.where == f"{file}:1:4"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_file(file).tree == {"a": 1}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(RecipeError) as caught:
        read_file(tmp_path / "recpie.yaml")
    assert caught.value.code == "recipe-not-found"
    assert caught.value.why == f"similar here: {tmp_path / 'recipe.yaml'}"
    assert caught.value.exit_code == 2
    with pytest.raises(RecipeError) as caught:
        read_file(tmp_path / "no" / "folder" / "r.yaml")
    assert caught.value.why == ""


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_file(tmp_path)
    assert caught.value.code == "recipe-unreadable"
    with pytest.raises(RecipeError) as caught:
        read_file(tmp_path / "a\0b")
    assert caught.value.code == "recipe-unreadable"


def test_a_pipe_is_no_recipe(tmp_path: Path) -> None:
    """Nobody writes into it: to open it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", Path("/dev/null"), Path("/dev/zero")):
        with pytest.raises(RecipeError) as caught:
            read_file(file)
        assert (caught.value.code, caught.value.facts["reason"]) == ("recipe-unreadable", "not a file")


def test_a_member_of_an_archive_is_a_recipe(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("r.yaml", "a: 1")
    member: Any = zipfile.Path(tmp_path / "a.zip", "r.yaml")
    assert read_file(member).tree == {"a": 1}
