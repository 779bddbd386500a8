"""Small parts of a run on their own: signals, disks, goldens, folders."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import flambeau as fb
from flambeau.errors import DataError, DeviceError, Interrupted
from flambeau.events import Planned, Surveyed
from flambeau.goldens import read_goldens, size_of, write_goldens
from flambeau.journal import journal_of, terminable
from flambeau.members import read_json, to_json
from flambeau.planning import Request
from flambeau.runfolder import RunFolder, discard, find_artifact, find_run, new_run
from flambeau.storage import writing
from flambeau.tasks.one_of import OneOfTarget
from flambeau.types import Epoch

RECORD = {"status": "running", "created": "2025", "network": "mlp", "why": "", "refit": False, "find_lr": False, "in_memory": False}
"""What a run says of itself when it begins, as far as it is read again."""
DAMAGED = [
    *(b"", b"{", b"\xff", b"[]", b"{}", b"null", b"[" * 100_000, b'{"status": "running"}'),
    *(to_json({**RECORD, **wrong}) for wrong in ({"status": "finished"}, {"status": 1}, {"in_memory": "no"}, {"network": None}, {"data": []})),
    to_json({**RECORD, "status": "finished", "test": [], "baseline": {}, "seconds": {}}),
]


def test_a_terminated_process_ends_as_an_interrupted_one() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught, terminable():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_signals_belong_to_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGTERM)
    inside = []

    def work() -> None:
        with terminable():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "disk-full"), (errno.EDQUOT, "disk-full"), (errno.EROFS, "cannot-write"), (errno.EIO, "cannot-write")]
)
def test_a_disk_that_takes_nothing(number: int, code: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as caught, writing(tmp_path):
        raise OSError(number, os.strerror(number))
    assert caught.value.code == code


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), writing(tmp_path):
        raise BrokenPipeError(errno.EPIPE, "gone")


def test_goldens_of_every_kind(tmp_path: Path) -> None:
    """A file, bytes, an array, text and numbers come back as they were; what cannot is no golden."""
    picture = tmp_path / "a.PNG"
    picture.write_bytes(b"\x89PNG")
    example = {"file": picture, "named": str(picture), "bytes": b"raw", "array": np.arange(6.0).reshape(2, 3), "text": "hé\n", "number": 2.5}
    names = list(example)
    assert size_of(example, names) == 4 + 4 + 3 + 48 + 3 + 8
    members = write_goldens([example], np.array([[0.25, 0.75]], np.float32), names)
    assert sorted(members) == ["golden/00-0.png", "golden/00-1.png", "golden/00-2", "golden/00-3.npy", "golden/golden.json"]
    for name, content in members.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    [back], answers = read_goldens(tmp_path, dict.fromkeys(members, ""))
    assert answers.tolist() == [[0.25, 0.75]]
    assert answers.dtype == np.float32
    assert [Path(str(back[name])).read_bytes() for name in ("file", "named", "bytes")] == [b"\x89PNG", b"\x89PNG", b"raw"]
    assert np.array_equal(np.asarray(back["array"]), np.arange(6.0).reshape(2, 3))
    assert (back["text"], back["number"]) == ("hé\n", 2.5)
    for odd in (object(), np.array([object()]), [1]):
        assert size_of({"x": odd}, ["x"]) == float("inf")
    assert size_of({"x": "\0"}, ["x"]) == 1
    assert size_of({"x": "a" * 10_000}, ["x"]) == 10_000


def test_json_members(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert read_json(path, missing={"a": 1}) == {"a": 1}
    with pytest.raises(DataError) as caught:
        read_json(path)
    assert caught.value.code == "artifact-incomplete"
    path.write_bytes(to_json({"名": "\udcff"}))
    assert read_json(path) == {"名": "\udcff"}
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": float("inf")})


def test_a_run_that_came_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "x", force=False)
    run.write(status="running")
    (run.path / "cache").mkdir()
    discard(run)
    assert not run.path.exists()
    run = new_run(tmp_path / "run", "x", force=False)
    run.write(status="running")
    (run.path / "mine.txt").write_text("x", encoding="utf-8")
    discard(run)
    assert [entry.name for entry in run.path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("kind", [Planned, Epoch])
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), BrokenPipeError(errno.EPIPE, "gone"), OSError(errno.ENOSPC, "full")])
def test_a_run_that_a_bug_stops_is_not_running(few_digits: Path, tiny: Path, tmp_path: Path, kind: type, error: Exception) -> None:
    """Whatever the error is, and whether or not there is a checkpoint; the run can be taken up."""

    def fail(event: object) -> None:
        if isinstance(event, kind):
            raise error

    with pytest.raises((type(error), DeviceError)):
        fb.fit(few_digits, recipe=tiny, run=tmp_path / "run", show=fail)
    assert RunFolder(tmp_path / "run").read()["status"] == "failed"
    assert fb.fit(resume=tmp_path / "run", show=fb.silent).test


def test_finding_runs(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "x", force=False)
    assert find_run(run.path) is None
    run.write(**RECORD, name="x")
    run.write(status="interrupted")
    assert run.read() == {**RECORD, "status": "interrupted", "name": "x"}
    assert find_run(run.artifact) == run
    assert find_run(run.path) == run
    with pytest.raises(DataError) as caught:
        find_artifact(run.path)
    assert (caught.value.code, caught.value.fix) == ("run-unfinished", f"flambeau fit --resume {run.path}")
    with pytest.raises(DataError) as caught:
        find_artifact(tmp_path / "ran")
    assert str(run.path) in caught.value.fix
    with pytest.raises(DataError) as caught:
        RunFolder(tmp_path / "ran").read()
    assert caught.value.code == "run-missing"
    assert json.loads(to_json({"a": 1})) == {"a": 1}


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_is_called_so(tmp_path: Path, content: bytes) -> None:
    run = RunFolder(tmp_path)
    run.record.write_bytes(content)
    for use in (run.read, lambda: journal_of(Request(), tmp_path, fb.silent, refit=False, find_lr=False)):
        with pytest.raises(DataError) as caught:
            use()
        assert (caught.value.code, caught.value.where) == ("run-damaged", str(run.record))
        assert f"--run {tmp_path} --force" in caught.value.fix
    assert new_run(tmp_path, "x", force=True).path == tmp_path


def test_a_record_that_nobody_writes(tmp_path: Path) -> None:
    """A pipe in its place would be waited for."""
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(DataError) as caught:
        RunFolder(tmp_path).read()
    assert caught.value.code == "run-missing"


def test_a_survey_looks_at_each_row_once_however_many_classes_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(row, f"class {row % 60}") for row in range(360)]
    (tmp_path / "rows.csv").write_text("a,label\n" + "".join(f"{number},{label}\n" for number, label in rows))
    looked = []
    group = OneOfTarget.group
    monkeypatch.setattr(OneOfTarget, "group", lambda target, value: looked.append(value) or group(target, value))
    found: list[Surveyed] = []
    fb.check(tmp_path / "rows.csv", show=lambda event: found.append(event) if isinstance(event, Surveyed) else None)
    assert sorted(looked) == sorted(label for _, label in rows)
    assert found[0].counts == {f"class {number}": 6 for number in range(60)}
