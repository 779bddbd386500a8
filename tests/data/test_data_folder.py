"""Folders: what counts as an example, in which order, under which label, and what is said about the rest."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau.data.config import DataConfig
from flambeau.data.examples import some
from flambeau.data.source import open_data, open_source
from flambeau.errors import DataError, UsageError
from flambeau.naming import closest, natural


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def labels_of(root: Path, **options: object) -> list[tuple[str, object]]:
    source = open_source(DataConfig(folder=root, **options))
    return [(source.where(row), source.examples[row]["label"]) for row in range(len(source))]


def codes_of(root: Path) -> dict[str, dict[str, object]]:
    return {notice.code: notice.facts for notice in open_source(DataConfig(folder=root)).notices}


def test_class_folders_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "10/a.png", "9/img10.png", "9/img9.png", "9/deep/er/x.jpg", "9/IMG1.PNG")
    assert labels_of(tmp_path) == [("9/IMG1.PNG", "9"), ("9/deep/er/x.jpg", "9"), ("9/img9.png", "9"), ("9/img10.png", "9"), ("10/a.png", "10")]


def test_columns_and_names(tmp_path: Path) -> None:
    touch(tmp_path, "photos/cat/1.wav", "photos/dog/1.wav")
    source = open_source(DataConfig(folder=tmp_path / "photos"), column="sound")
    assert (source.name, source.columns, source.target, source.given) == ("photos", ("sound", "label"), "label", None)
    assert source.values("sound") == [tmp_path / "photos/cat/1.wav", tmp_path / "photos/dog/1.wav"]
    with pytest.raises(DataError, match=r"column-unknown.*'lable'") as caught:
        open_source(DataConfig(folder=tmp_path / "photos"), "lable")
    assert "label" in caught.value.why
    with pytest.raises(DataError, match="no column 'who'"):
        source.values("who")


@pytest.mark.parametrize("name", ["with space", "🐱", "猫", "new\nline", "<img src=x onerror=1>", "=cmd|' ", "\u202egpj", "bad\udcff\udcfe"])
def test_hostile_names(tmp_path: Path, name: str) -> None:
    touch(tmp_path, f"{name}/{name}.jpg", "dog/1.jpg")
    source = open_source(DataConfig(folder=tmp_path))
    assert len(source) == 2
    for row in range(2):
        assert source.examples[row]["image"].read_bytes()  # the path still leads to the file
        source.label(row).encode()  # the label can be written as UTF-8
        source.where(row).encode()


def test_clutter_is_counted_not_read(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "cat/1.jpg",
        "cat/.DS_Store",
        "cat/Thumbs.db",
        "cat/notes.TXT",
        "dog/1.jpg",
        "dog/meta.json",
        ".git/x/1.jpg",
        "__MACOSX/cat/1.jpg",
        "loose.jpg",
    )
    assert labels_of(tmp_path) == [("cat/1.jpg", "cat"), ("dog/1.jpg", "dog")]
    notices = codes_of(tmp_path)
    assert notices["files-skipped"] == {"n": 6, "kinds": ".git 1 · __MACOSX 1 · .DS_Store 1 · Thumbs.db 1 · .txt 1 · .json 1"}
    assert notices["files-loose"] == {"n": 1, "names": "loose.jpg"}


def test_endings_choose(tmp_path: Path) -> None:
    touch(tmp_path, "ham/1.txt", "ham/2.jpg", "spam/1.TXT")
    source = open_source(DataConfig(folder=tmp_path), endings=(".txt",))
    assert [source.where(row) for row in range(len(source))] == ["ham/1.txt", "spam/1.TXT"]


def test_loops_pipes_sockets_and_broken_links(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "cat/in/2.jpg", "dog/1.jpg", "dog/2.jpg")
    (tmp_path / "cat/in/loop").symlink_to(tmp_path / "cat")
    (tmp_path / "cat/self").symlink_to("self")
    (tmp_path / "cat/broken.jpg").symlink_to("nowhere")
    (tmp_path / "cat/link.jpg").symlink_to(tmp_path / "dog/2.jpg")
    (tmp_path / "kitten").symlink_to(tmp_path / "cat")
    os.mkfifo(tmp_path / "dog/pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path / "dog")  # the path of a socket may have 108 bytes only
        try:
            server.bind("sock.jpg")
        finally:
            os.chdir(here)
        assert labels_of(tmp_path) == [
            ("cat/1.jpg", "cat"),
            ("cat/in/2.jpg", "cat"),
            ("cat/link.jpg", "cat"),
            ("dog/1.jpg", "dog"),
            ("dog/2.jpg", "dog"),
        ]
    notices = codes_of(tmp_path)
    assert notices["links-skipped"]["n"] == 2
    assert notices["files-irregular"]["n"] == 4


def test_an_example_in_a_folder_linked_from_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "store/a.jpg", "photos/dog/1.jpg")
    (tmp_path / "photos/cat").symlink_to(tmp_path / "store")
    assert labels_of(tmp_path / "photos") == [("cat/a.jpg", "cat"), ("dog/1.jpg", "dog")]


def test_a_closed_folder_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "cat/1.jpg", "cat/closed/2.jpg", "dog/1.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert len(labels_of(tmp_path)) == 2
    assert codes_of(tmp_path)["folders-closed"] == {"n": 1, "names": "cat/closed"}
    monkeypatch.setattr(os, "scandir", lambda path: refuse("closed"))
    with pytest.raises(DataError, match="folder-closed"):
        open_source(DataConfig(folder=tmp_path))


def test_given_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "validation/cat/2.jpg", "Test/dog/3.jpg", "extra/x/1.jpg")
    source = open_source(DataConfig(folder=tmp_path))
    found = [(source.where(row), source.label(row), source.given[row]) for row in range(len(source))]
    assert found == [
        ("Test/dog/3.jpg", "dog", "test"),
        ("train/cat/1.jpg", "cat", "train"),
        ("train/dog/1.jpg", "dog", "train"),
        ("validation/cat/2.jpg", "cat", "valid"),
    ]
    assert [notice.facts["names"] for notice in source.notices if notice.code == "folders-ignored"] == ["extra"]


def test_train_alone_is_given_and_a_train_among_toys_is_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "one/train/cat/1.jpg", "one/train/dog/1.jpg", "toys/train/1.jpg", "toys/plane/1.jpg", "flat/train/1.jpg", "flat/test/1.jpg")
    assert open_source(DataConfig(folder=tmp_path / "one")).given == ("train", "train")
    assert open_source(DataConfig(folder=tmp_path / "toys")).given is None
    assert labels_of(tmp_path / "toys") == [("plane/1.jpg", "plane"), ("train/1.jpg", "train")]
    assert open_source(DataConfig(folder=tmp_path / "flat")).given is None


def test_nothing_there_tells_what_is_near(tmp_path: Path) -> None:
    touch(tmp_path, "photos/cat/1.jpg")
    with pytest.raises(DataError) as caught:
        open_data(tmp_path / "phtos")
    assert (caught.value.code, caught.value.exit_code) == ("data-not-found", 3)
    assert "photos/" in caught.value.why
    assert caught.value.fix == f"flambeau fit {tmp_path / 'photos'}/"
    with pytest.raises(DataError) as alone:
        open_source(DataConfig(folder=tmp_path / "zzz" / "yyy"))
    assert (alone.value.why, alone.value.fix) == ("", "")


def test_empty_and_one_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data-empty"):
        open_source(DataConfig(folder=tmp_path))
    touch(tmp_path, "photos/cat/1.jpg", "photos/dog/1.jpg", "photos/dog/2.jpg")
    with pytest.raises(DataError, match="folder-one-class") as caught:
        open_source(DataConfig(folder=tmp_path))
    assert caught.value.facts["n"] == 3
    assert str(tmp_path / "photos") in caught.value.why
    (tmp_path / "photos/fox").mkdir()
    assert codes_of(tmp_path / "photos")["classes-empty"]["names"] == "fox"


def test_excluded_classes(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "dog/1.jpg", "fox/1.jpg")
    assert [label for _, label in labels_of(tmp_path, exclude_classes=("fox",))] == ["cat", "dog"]
    with pytest.raises(DataError, match="class-unknown") as caught:
        labels_of(tmp_path, exclude_classes=("fxo",))
    assert "fox" in caught.value.why
    with pytest.raises(DataError, match="data-empty"):
        labels_of(tmp_path, exclude_classes=("fox", "cat", "dog"))
    touch(tmp_path / "split", "train/a/1", "train/b/1", "test/a/1")
    assert open_source(DataConfig(folder=tmp_path / "split", exclude_classes=("b",))).given == ("test", "train")


def test_open_data_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "f/cat/1.jpg", "f/dog/1.jpg", "f/index.csv", "t/index.CSV", "t/images/1.jpg", "a.npz", "movie.mp4")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_data(str(tmp_path / "f")) == {"folder": tmp_path / "f"}
    assert open_data(tmp_path / "t") == {"table": tmp_path / "t/index.CSV"}
    assert open_data("~/t/index.CSV") == {"table": tmp_path / "t/index.CSV"}
    assert open_data(tmp_path / "a.npz") == {"arrays": tmp_path / "a.npz"}
    assert open_data({"x": [1], "y": [2]}) == {}
    with pytest.raises(DataError, match=r"data-format.*\.mp4"):
        open_data(tmp_path / "movie.mp4")
    with pytest.raises(UsageError, match="data-kind"):
        open_data(7)
    with pytest.raises(UsageError, match="data-missing"):
        open_source(DataConfig())


def test_the_fingerprint_notices_changes_and_survives_a_move(tmp_path: Path) -> None:
    touch(tmp_path, "p/cat/1.jpg", "p/dog/1.jpg")
    for path in tmp_path.rglob("*.jpg"):
        os.utime(path, ns=(1, 1))

    def fingerprint(name: str) -> str:
        return open_source(DataConfig(folder=tmp_path / name)).fingerprint

    before = fingerprint("p")
    assert fingerprint("p") == before
    (tmp_path / "p").rename(tmp_path / "q")
    assert fingerprint("q") == before
    (tmp_path / "q/cat/1.jpg").write_bytes(b"longer than it was before")
    assert fingerprint("q") != before
    source = open_source(DataConfig(folder=tmp_path / "q"))
    (tmp_path / "q/cat/1.jpg").unlink()
    assert source.fingerprint not in (before, "")


@given(st.lists(st.text(min_size=0, max_size=6, alphabet="aB09²-é"), min_size=1, max_size=8))
def test_natural_order_is_total(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=natural) == sorted(backwards, key=natural)
    assert len({natural(name) for name in names}) == len(set(names))


def test_natural_order_counts() -> None:
    assert sorted(["x10", "x9", "x1", "x010", "x"], key=natural) == ["x", "x1", "x9", "x010", "x10"]
    assert sorted(["9" * 5000, "1" * 5001], key=natural)[0].startswith("9")


def test_small_words() -> None:
    assert closest("LABLE", ("image", "Label")) == "Label"
    assert closest("zzz", ("image",)) == ""
    assert some(range(7), 3) == "0, 1, 2, ... (+4)"


def test_config_is_strict() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match=r"add up to 1\.1"):
        DataConfig.model_validate({"split": {"train": 0.8}})
    with pytest.raises(ValidationError, match="folder, table"):
        DataConfig.model_validate({"folder": "a", "table": "b"})
    with pytest.raises(ValidationError):
        DataConfig.model_validate({"split": {"train": 1, "valid": 0, "test": 0}})


def test_the_same_order_whatever_the_disk_says(tmp_path: Path) -> None:
    names = [f"{label}/{number}.jpg" for number in (3, 20, 1, 100) for label in ("b", "a")]
    touch(tmp_path, *names)
    code = "import sys; from pathlib import Path; from flambeau.data.source import *; from flambeau.data.config import *\n"
    code += "s = open_source(DataConfig(folder=Path(sys.argv[1]))); print([s.where(r) for r in range(len(s))])"
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "LC_ALL": "C", "PYTHONHASHSEED": "1"}
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, env=environment).stdout
    assert out.strip() == str([f"{label}/{number}.jpg" for label in "ab" for number in (1, 3, 20, 100)])
