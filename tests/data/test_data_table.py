"""CSV tables: what is read, and that what is malformed is an error with its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flambeau.data.config import DataConfig
from flambeau.data.examples import Source
from flambeau.data.source import open_source
from flambeau.errors import DataError


def read(folder: Path, content: str | bytes, target: str | None = None, **split: object) -> Source:
    path = folder / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_source(DataConfig.model_validate({"table": path, "split": split}), target)


def test_files_and_labels(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = read(tmp_path, "file,weight,label\na.jpg,1,cat\nsub\\b.jpg,2,dog\nsub/../a.jpg,,cat\ngone.jpg,3,dog\n")
    assert (source.columns, source.target, source.name) == (("file", "weight", "label"), "label", "data")
    assert source.values("file") == [tmp_path / name for name in ("a.jpg", "sub/b.jpg", "a.jpg", "gone.jpg")]
    assert source.values("weight") == ["1", "2", "", "3"]
    assert source.notices == ()
    assert len(source.fingerprint) == 64


def test_files_outside_are_read_but_noticed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.jpg").write_bytes(b"x")
    source = read(tmp_path / "in", f"file,label\n../out.jpg,a\n{tmp_path}/out.jpg,b\n")
    assert source.values("file") == [tmp_path / "out.jpg"] * 2
    assert [(notice.code, notice.facts["n"]) for notice in source.notices] == [("files-outside", 2)]


def test_names_without_files_are_noticed(tmp_path: Path) -> None:
    assert [notice.code for notice in read(tmp_path, "file,label\nx.jpg,a\ny.jpg,b\n").notices] == ["files-missing"]
    assert read(tmp_path, "number,label\n1.5,a\n2.25,b\n").notices == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = [["text", "label"], ["one, two; three", "a"], ['say "hi"', "b"], ["new\nline", "c"]]
    content = io.StringIO()
    csv.writer(content, delimiter=delimiter).writerows(rows)
    source = read(tmp_path, content.getvalue())
    assert [[example["text"], example["label"]] for example in source.examples] == rows[1:]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, "text,label\r\n猫 🐱,é\r\n".encode(encoding)).examples == [{"text": "猫 🐱", "label": "é"}]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "table-header", 1),
        (b"a,label\n", "table-empty", None),
        (b"a,label\n\n\n", "table-empty", None),
        (b"a,label,a\n1,2,3\n", "table-columns-equal", 1),
        (b"a,,label\n1,2,3\n", "table-column-nameless", 1),
        (b"a,label\n1,2\n1,2,3\n", "table-row", 3),
        (b'a,label\n"two\nlines",2\n1\n', "table-row", 4),
        (b'a,label\n1,2\n"open,2\n3,4\n', "table-quote", 3),
        (b'a,label\n1,2\n"x"y,2\n', "table-malformed", 3),
        (b"a,label\n1,\x00\n", "table-nul", 2),
        (b"a,label\n1,2\n\xb1\xea,3\n", "table-encoding", 3),
        (b"a,label\n1,2\n" + b"x" * 10_000_000 + b",3\n", "table-cell", 3),
        (b"a,label\n" + b"x" * 20_000_000 + b",3\n", "table-cell", 2),
        (b"a,label\n1,2\n" + b'"' + b"x,1\n" * 50_000, "table-quote", 3),
        (",".join(f"c{n}" for n in range(10_001)).encode() + b"\n", "table-header", 1),
    ],
)
def test_malformed(tmp_path: Path, content: bytes, code: str, line: int | None) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, "label")
    assert caught.value.code == code
    assert str(caught.value.where) == str(tmp_path / "data.csv") + (f":{line}" if line else "")
    assert caught.value.what
    assert caught.value.fix


def test_target_by_name_or_by_custom(tmp_path: Path) -> None:
    assert read(tmp_path, "Class,b\n1,2\n").target == "Class"
    assert read(tmp_path, "Class,b\n1,2\n", "b").target == "b"
    for header in ("a,b", "label,target"):
        with pytest.raises(DataError, match="column-needed") as caught:
            read(tmp_path, f"{header}\n1,2\n")
        assert header.replace(",", ", ") in caught.value.what
    with pytest.raises(DataError, match="column-unknown") as unknown:
        read(tmp_path, "a,label\n1,2\n", "lable")
    assert unknown.value.why == "closest: label"


def test_split_column(tmp_path: Path) -> None:
    content = "a,label,part\n1,x,train\n2,y,Val\n3,x,validation\n4,y, TEST\n5,y,\n"
    source = read(tmp_path, content, column="part")
    assert source.given == ("train", "valid", "valid", "test", None)
    assert source.notices == ()
    plain = read(tmp_path, "a,label,part\n1,x,train\n2,y,test\n")
    assert plain.given is None
    assert [notice.code for notice in plain.notices] == ["split-unused"]
    with pytest.raises(DataError, match="split-word") as caught:
        read(tmp_path, "a,label,part\n1,x,train\n2,y,tset\n", column="part")
    assert str(caught.value.where).endswith(":3")
    assert caught.value.why == "closest: test"
    for key in ("column", "group"):
        with pytest.raises(DataError, match="column-unknown"):
            read(tmp_path, content, **{key: "prat"})


def test_no_such_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data-not-found"):
        open_source(DataConfig(table=tmp_path / "none.csv"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    try:
        source = read(tmp_path, b"a,label\n" + content)
    except DataError as error:
        assert error.what
    else:
        assert all(set(example) == {"a", "label"} for example in source.examples)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), min_size=2, max_size=2),
        min_size=1,
        max_size=6,
    )
)
def test_what_csv_writes_is_read_back(tmp_path: Path, rows: list[list[str]]) -> None:
    content = io.StringIO()
    csv.writer(content, quoting=csv.QUOTE_ALL).writerows([["a", "label"], *rows])
    source = read(tmp_path, content.getvalue())
    assert [str(example["label"]) for example in source.examples] == [label.strip() for _, label in rows]
    assert [str(example["a"]) for example in source.examples] == [cell for cell, _ in rows]
