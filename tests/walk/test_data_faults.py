"""Data as it comes: broken, doubled, mislabelled, missing, hostile. Each fault from the first file to the last message."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import flambeau as fb
from flambeau.errors import DeviceError, Notice
from flambeau.storage import sync_folder, write_atomically

Verb = Callable[..., Any]
QUICK = {"inputs": {"image": {"type": "image", "augment": []}}, "network": ["flatten"], "training": {"epochs": 1, "stop_early": None}}


@pytest.fixture
def data(few_digits: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(few_digits, tmp_path / "data"))


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(json.dumps(QUICK), encoding="utf-8")
    return path


def rows_of(run: Path) -> dict[str, dict[str, str]]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def refused(flambeau: Verb, *arguments: object) -> dict[str, Any]:
    outcome = flambeau("check", *arguments, "--json")
    assert outcome.code == 3, outcome.out
    error: dict[str, Any] = outcome.error
    return error


def test_folders_with_too_little(flambeau: Verb, tmp_path: Path, picture: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    assert refused(flambeau, folder)["code"] == "data-empty"
    (folder / "notes.txt").write_text("nothing", encoding="utf-8")
    assert refused(flambeau, folder)["code"] == "data-empty"
    (folder / "cat").mkdir()
    shutil.copy(picture, folder / "cat")
    assert refused(flambeau, folder)["code"] == "folder-one-class"
    (folder / "dog").mkdir()
    assert refused(flambeau, folder)["code"] == "folder-one-class"


def test_a_class_with_one_file(flambeau: Verb, data: Path, picture: Path) -> None:
    (data / "fox").mkdir()
    shutil.copy(picture, data / "fox" / "only.png")
    error = refused(flambeau, data)
    assert error["code"] == "class-too-small"
    assert "fox" in error["message"]
    assert "--exclude-class fox" in error["fix"]
    assert flambeau("check", data, "--exclude-class", "fox", "--json").code == 0


def test_things_that_are_no_files(flambeau: Verb, data: Path, quick: Path, tmp_path: Path) -> None:
    """Loops of links, pipes, links to nowhere: named and left out; nothing waits for a pipe."""
    (data / "0" / "loop").symlink_to(data)
    (data / "1" / "again").symlink_to(data / "0")
    (data / "2" / "nowhere.png").symlink_to(data / "none.png")
    os.mkfifo(data / "3" / "pipe.png")
    outcome = flambeau("fit", data, "--recipe", quick, "--run", tmp_path / "run", "--json")
    assert outcome.code == 0, outcome.out
    assert "files-irregular" in outcome.err
    assert "links-skipped" in outcome.err
    assert len(rows_of(tmp_path / "run")) == 120
    assert "pipe" in (tmp_path / "run/data.md").read_text(encoding="utf-8")


def test_files_that_cannot_be_opened(flambeau: Verb, data: Path) -> None:
    files = sorted((data / "0").iterdir())[:1]
    for file in files:
        file.chmod(0)
    if os.access(files[0], os.R_OK):
        pytest.skip("this user reads everything")
    outcome = flambeau("check", data, "--json")
    assert outcome.code == 0
    assert outcome.json["data"]["num_bad"] == 1


def test_a_file_that_vanishes_while_it_is_read(flambeau: Verb, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flambeau import planning

    real = planning.open_source

    def opened(*arguments: Any, **words: Any) -> Any:
        source = real(*arguments, **words)
        (data / "0/000.png").unlink()
        return source

    monkeypatch.setattr(planning, "open_source", opened)
    outcome = flambeau("check", data, "--json")
    assert outcome.code == 0
    assert outcome.json["data"]["num_bad"] == 1


def test_one_bad_file_is_set_aside_and_listed(flambeau: Verb, data: Path, quick: Path, tmp_path: Path) -> None:
    (data / "1" / "000.png").write_bytes((data / "1" / "000.png").read_bytes()[:50])
    before = {path: path.read_bytes() for path in data.rglob("*.png")}
    run = tmp_path / "run"
    outcome = flambeau("fit", data, "--recipe", quick, "--run", run, "--json")
    assert outcome.code == 0
    assert "warning[data-unusable]" in outcome.err
    assert rows_of(run)["1/000.png"]["split"] == ""
    page = (run / "data.md").read_text(encoding="utf-8")
    assert "1/000.png" in page.replace("\\", "")
    assert "1/000.png" in (run / "report.html").read_text(encoding="utf-8")
    assert {path: path.read_bytes() for path in data.rglob("*.png")} == before, "nobody's files are touched"


def test_too_many_bad_files(flambeau: Verb, data: Path, quick: Path, tmp_path: Path) -> None:
    for file in sorted(data.rglob("*.png"))[::2]:
        file.write_bytes(b"broken")
    run = tmp_path / "run"
    outcome = flambeau("fit", data, "--recipe", quick, "--run", run, "--json")
    assert (outcome.code, outcome.error["code"]) == (3, "data-too-bad")
    assert not run.exists(), "the same command works again when the data is in order"
    assert flambeau("fit", data, "--recipe", quick, "--run", run, "--max-bad", "60%", "--json").code == 0
    assert sum(row["split"] == "" for row in rows_of(run).values()) == 60


def test_all_files_are_bad(flambeau: Verb, data: Path) -> None:
    for file in data.rglob("*.png"):
        file.write_bytes(b"broken")
    assert refused(flambeau, data, "--max-bad", "1")["code"] in ("image-kind", "image-unreadable", "image-broken", "nothing-recognised")


def test_copies_stay_in_one_split(flambeau: Verb, data: Path, quick: Path, tmp_path: Path) -> None:
    originals = sorted((data / "2").iterdir())[:6]
    for number, file in enumerate(originals):
        for copy in range(3):
            shutil.copy(file, data / "2" / f"copy-{number}-{copy}.png")
    run = tmp_path / "run"
    outcome = flambeau("fit", data, "--recipe", quick, "--run", run, "--json")
    assert outcome.code == 0
    rows = rows_of(run)
    for number, file in enumerate(originals):
        splits = {rows[f"2/{name}"]["split"] for name in (file.name, *(f"copy-{number}-{copy}.png" for copy in range(3)))}
        assert len(splits) == 1
    report = json.loads((run / "report.json").read_bytes())
    assert report["data"]["overlap"] == 0


def test_copies_across_a_given_split_are_told(flambeau: Verb, few_digits: Path, tmp_path: Path) -> None:
    for place, label in enumerate("01"):
        files = sorted((few_digits / label).iterdir())
        for word, part in (("train", files[:20]), ("test", files[18 + place : 28])):
            folder = tmp_path / "data" / word / label
            folder.mkdir(parents=True)
            for file in part:
                shutil.copy(file, folder)
    outcome = flambeau("check", tmp_path / "data", "--json")
    assert outcome.code == 0
    assert "warning[duplicates-cross]" in outcome.err


def test_one_picture_with_two_labels(flambeau: Verb, data: Path) -> None:
    shutil.copy(data / "0/000.png", data / "1/same.png")
    outcome = flambeau("check", data, "--json")
    assert outcome.code == 0
    assert "warning[labels-contradict]" in outcome.err


def test_labels_that_are_all_equal(flambeau: Verb, few_digits: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("image,label\n" + "".join(f"{file},cat\n" for file in sorted((few_digits / "0").iterdir())), encoding="utf-8")
    assert refused(flambeau, table)["code"] == "class-alone"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "table-header"),
        (b"image,label\n", "table-empty"),
        (b"image,label\na.png\n", "table-row"),
        (b'image,label\n"a.png,cat\n', "table-quote"),
        (b"image,label\na.p\0ng,cat\n", "table-nul"),
        (b"image,label,label\na.png,cat,cat\n", "table-columns-equal"),
        (b"image,,label\na.png,x,cat\n", "table-column-nameless"),
        (b"image,label\n" + b"x" * 5_000_000 + b",cat\n", "table-cell"),
        (b"image,label\n\xff\xfe\xfd.png,cat\n", "table-encoding"),
        (b"image,sort\na.png,cat\n", "column-needed"),
        (b"image,label\n" + b"a.png,cat\nb.png,dog\n" * 5, "file-missing"),
    ],
)
def test_faults_of_tables(flambeau: Verb, tmp_path: Path, content: bytes, code: str) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(content)
    assert refused(flambeau, table)["code"] == code


def test_a_table_with_a_byte_order_mark(flambeau: Verb, few_digits: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    lines = [f"{few_digits}/{label}/{number:03d}.png;{label}" for label in "01" for number in range(10)]
    table.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(["image;label", *lines]).encode())
    result = flambeau("check", table, "--json").json
    assert result["data"]["counts"] == {"0": 10, "1": 10}
    assert result["data"]["target"] == "label"


def test_faults_of_archives(flambeau: Verb, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'owned'}",)

    np.savez(path, x=np.array([Evil(), Evil()], object), y=np.array([0, 1]))
    assert refused(flambeau, path)["code"] == "arrays-pickled"
    assert not (tmp_path / "owned").exists()
    np.savez(path, x=np.zeros((3, 8, 8), np.uint8), y=np.array([0, 1]))
    assert refused(flambeau, path)["code"] == "arrays-lengths"
    path.write_bytes(b"PK\x03\x04 no archive")
    assert refused(flambeau, path)["code"] == "arrays-broken"
    (tmp_path / "data.pkl").write_bytes(b"\x80\x04.")
    assert refused(flambeau, tmp_path / "data.pkl")["code"] == "data-format"


def test_blank_pictures_are_set_aside(flambeau: Verb, data: Path) -> None:
    Image.new("L", (8, 8), 77).save(data / "0" / "blank.png")
    result = flambeau("check", data, "--json").json
    assert result["data"]["num_bad"] == 1
    assert flambeau("check", data, "--set", "data.blank=keep", "--json").json["data"]["num_bad"] == 0


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "report.html", "log.txt", "recipe.resolved.yaml"])
def test_a_disk_that_is_full(flambeau: Verb, data: Path, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whichever file is the last straw, the error says so, no half a model is left, and the run can go on or begin again."""
    run = tmp_path / "run"
    real = Path.open

    def full(self: Path, mode: str = "r", *arguments: Any, **words: Any) -> Any:
        if self.is_relative_to(run) and name in self.name and "r" not in mode:
            raise FULL
        return real(self, mode, *arguments, **words)

    (data / "1" / "000.png").write_bytes(b"broken")  # so that there is a warning to log
    monkeypatch.setattr(Path, "open", full)
    outcome = flambeau("fit", data, "--recipe", quick, "--run", run, "--json")
    assert (outcome.code, outcome.error["code"]) == (4, "disk-full")
    assert not (run / "model.flambeau").exists()
    monkeypatch.setattr(Path, "open", real)
    again = ("--resume", run) if run.exists() else (data, "--recipe", quick, "--run", run)
    assert flambeau("fit", *again, "--json").code == 0
    assert fb.load(run).labels


def test_a_disk_that_is_full_at_any_sync(flambeau: Verb, data: Path, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """os.fsync is where a full disk may be told last: the n-th call fails, for some n all over the run."""
    real = os.fsync
    count = 0

    def counting(handle: int) -> None:
        nonlocal count
        count += 1
        real(handle)

    monkeypatch.setattr(os, "fsync", counting)
    assert flambeau("fit", data, "--recipe", quick, "--run", tmp_path / "whole", "--json").code == 0
    total = count
    assert total > 20
    for number in (1, total // 2, total - 3):
        count = 0

        def failing(handle: int, last: int = number) -> None:
            nonlocal count
            count += 1
            if count >= last:
                raise FULL
            real(handle)

        run = tmp_path / f"run-{number}"
        monkeypatch.setattr(os, "fsync", failing)
        outcome = flambeau("fit", data, "--recipe", quick, "--run", run, "--json")
        assert (outcome.code, outcome.error["code"]) == (4, "disk-full"), number
        monkeypatch.setattr(os, "fsync", real)
        assert not list(run.rglob("*.tmp")) if run.exists() else True
        again = ("--resume", run) if run.exists() else (data, "--recipe", quick, "--run", run)
        assert flambeau("fit", *again, "--json").code == 0
        assert fb.load(run).test == fb.load(tmp_path / "whole").test


def test_a_place_that_cannot_be_written(flambeau: Verb, few_digits: Path, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    outcome = flambeau("fit", few_digits, "--recipe", quick, "--run", tmp_path / "file" / "run", "--json")
    assert (outcome.code, outcome.error["code"]) == (4, "cannot-write")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("", encoding="utf-8")
    outcome = flambeau("fit", few_digits, "--recipe", quick, "--json")
    assert outcome.code in (2, 4)
    (tmp_path / "runs").unlink()
    real = Path.mkdir

    def read_only(self: Path, *arguments: Any, **words: Any) -> None:
        if self.is_relative_to("runs") or self.is_relative_to(tmp_path / "read-only"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        real(self, *arguments, **words)

    monkeypatch.setattr(Path, "mkdir", read_only)
    for arguments in ([], ["--run", tmp_path / "read-only"]):
        outcome = flambeau("fit", few_digits, "--recipe", quick, *arguments, "--json")
        assert (outcome.code, outcome.error["code"]) == (4, "cannot-write")


def test_a_run_folder_that_becomes_read_only(flambeau: Verb, few_digits: Path, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    real = Path.open

    def read_only(self: Path, mode: str = "r", *arguments: Any, **words: Any) -> Any:
        if self.is_relative_to(run) and mode != "r" and mode != "rb" and self.name != ".lock":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real(self, mode, *arguments, **words)

    monkeypatch.setattr(Path, "open", read_only)
    outcome = flambeau("fit", few_digits, "--recipe", quick, "--run", run, "--json")
    assert (outcome.code, outcome.error["code"]) == (4, "cannot-write")


@pytest.mark.parametrize("step", ["open", "fsync", "replace", "folder"])
def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A crash after any step of a write leaves the old content or the new."""
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*arguments: Any, **words: Any) -> None:
        raise FULL

    target = {"open": (Path, "open"), "fsync": (os, "fsync"), "replace": (Path, "replace"), "folder": (os, "open")}[step]
    with monkeypatch.context() as patch:
        patch.setattr(*target, fail)
        with pytest.raises(DeviceError) as caught:
            write_atomically(path, b"new content")
    assert (caught.value.code, caught.value.exit_code) == ("disk-full", 4)
    assert path.read_bytes() in (b"old", b"new content")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"
    sync_folder(tmp_path)


def test_warnings_are_kept_in_the_log(data: Path, quick: Path, tmp_path: Path) -> None:
    shutil.copy(data / "0/000.png", data / "1/same.png")
    shown: list[object] = []
    fb.fit(data, recipe=quick, run=tmp_path / "run", show=shown.append)
    codes = [event.code for event in shown if isinstance(event, Notice)]
    log = (tmp_path / "run/log.txt").read_text(encoding="utf-8").splitlines()
    assert [line[1 : line.index("]")] for line in log] == codes
    assert "labels-contradict" in codes


def test_a_column_that_gives_the_answer_away_is_told(flambeau: Verb, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = tmp_path / "ripe.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["weight", "stamp", "ripe"])
        for number in range(120):
            ripe = number % 2
            writer.writerow([round(100 + 5 * ripe + 20 * random.normal(), 2), ["AX", "QZ"][ripe], ["no", "yes"][ripe]])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("training: {epochs: 1, stop_early: null}\n", encoding="utf-8")
    for verb in (["check", table], ["fit", table, "--run", tmp_path / "run"]):
        told = flambeau(*verb, "--target", "ripe", "--recipe", recipe, "--json")
        assert told.code == 0, told.out
        [line] = [line for line in told.err.splitlines() if "columns-leak" in line]
        assert "stamp" in line and "weight" not in line
    assert "[columns-leak] stamp" in (tmp_path / "run/log.txt").read_text(encoding="utf-8")
    without = flambeau("check", table, "--target", "ripe", "--recipe", recipe, "--exclude", "stamp")
    assert without.code == 0 and "columns-leak" not in without.err + without.out
