"""The disk fails at each file event of packing and exporting a model, and the model that is there stays whole."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import flambeau as fb
from flambeau import artifact
from flambeau.errors import DeviceError, FlambeauError, UsageError
from flambeau.exporting.onnx import Onnx
from flambeau.runfolder import RunFolder, discard, new_run
from flambeau.storage import LOCK, write_atomically

Command = Callable[..., tuple[int, dict[str, Any]]]
CODES = {"ENOSPC": "disk-full", "EIO": "cannot-write", "EROFS": "cannot-write"}


def members_of(model: Path) -> dict[str, bytes]:
    return {name: (model / name).read_bytes() for name in artifact.NEEDED}


def at_points(injector: ModuleType, folder: Path, fault: str, every: int, work: Callable[[], object], check: Callable[[str], object]) -> int:
    """Does `work` once for every so-many-th point at which the fault can strike, and checks after each; the number of points."""
    with injector.Injector(folder, fault=fault).watching() as seen:
        work()
    points: list[Any] = seen.points
    for point in points[::every]:
        where = f"{fault} {point.phase} {seen.events[point.event]}"
        try:
            with injector.Injector(folder, point, fault).watching():
                work()
        except FlambeauError as error:
            assert isinstance(error, DeviceError) and error.code == CODES[fault], where
        check(where)
    return len(points)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("fault", CODES)
def test_packing_over_an_old_model(injector: ModuleType, copied: Path, fault: str, every: int) -> None:
    """Whatever fails, the old model is there, or the new one."""
    model = copied / "model.flambeau"
    members = members_of(model)

    def check(where: str) -> None:
        assert artifact.verify_files(model)["versions"].keys() in ({"old"}, {"new"}), where
        left = [path.name for path in copied.iterdir() if path.name.startswith(".model")]
        assert left in ([], [".model.flambeau.retired"]), where
        artifact.write(model, members, {"old": "1"})
        assert [path.name for path in copied.iterdir() if path.name.startswith(".model")] == [], where

    artifact.write(model, members, {"old": "1"})
    assert at_points(injector, copied, fault, every, lambda: artifact.write(model, members, {"new": "1"}), check) > 50


def test_packing_that_a_signal_stops(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = copied / "model.flambeau"

    def stop(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(artifact, "_write_manifest", lambda *arguments: stop(model))
    with pytest.raises(KeyboardInterrupt):
        artifact.write(model, members_of(model), {})
    assert artifact.verify_files(model)
    assert not (copied / ".model.flambeau.building").exists()


def test_packing_goes_on_after_a_kill_between_two_renames(copied: Path) -> None:
    """The old model was put aside, the new one did not come: until a new one is whole, the old one is not given up."""
    model, retired = copied / "model.flambeau", copied / ".model.flambeau.retired"
    members = members_of(model)
    model.rename(retired)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifact, "write_atomically", lambda path, data: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(DeviceError):
            artifact.write(model, members, {})
    assert artifact.verify_files(model)


@pytest.mark.parametrize("fault", CODES)
def test_exporting(injector: ModuleType, copied: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export itself is a copy of the first one: what is tested is what happens around it."""
    fb.export(copied, show=fb.silent)
    content = (copied / "model.flambeau/exports/model.onnx").read_bytes()
    monkeypatch.setattr(Onnx, "export", lambda self, network, sample, path, metadata: path.write_bytes(content) and None)

    def check(where: str) -> None:
        assert artifact.verify_files(copied / "model.flambeau"), where
        assert "unlink" in where or [path.name for path in copied.rglob(".*.building")] == [], where

    assert at_points(injector, copied, fault, 3, lambda: fb.export(copied, show=fb.silent), check) > 15
    fb.export(copied, show=fb.silent)
    assert "exports/model.onnx" in artifact.verify_files(copied / "model.flambeau")["files"]


@pytest.mark.parametrize("fault", CODES)
def test_going_on_with_a_run_that_cannot_be_written(injector: ModuleType, copied: Path, fault: str, command: Command) -> None:
    (copied / "run.json").write_text((copied / "run.json").read_text().replace('"finished"', '"interrupted"'), encoding="utf-8")
    with injector.Injector(copied, injector.Point(0, "before"), fault).watching() as seen:
        code, error = command("fit", "--resume", copied)
    assert (code, error["code"]) == (4, CODES[fault])
    assert seen.events[0] == f"open {LOCK}"
    assert fb.load(copied).labels


def test_a_signal_leaves_no_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(os, "fsync", interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts jobs in the background without one
    try:
        with pytest.raises(KeyboardInterrupt):
            write_atomically(tmp_path / "x", b"1")
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(tmp_path.iterdir()) == []


BEGUN = [LOCK, "log.txt", ".recipe.yaml.77.tmp"]
"""What a process leaves that was killed before its run was one."""


@pytest.mark.parametrize("number", range(1, len(BEGUN) + 1))
def test_a_run_that_never_began_is_in_nobodys_way(tmp_path: Path, number: int) -> None:
    """The command that was killed can be given again as it was."""
    for name in BEGUN[:number]:
        (tmp_path / name).touch()
    run = new_run(tmp_path, "x", force=False)
    assert [entry.name for entry in run.path.iterdir()] == [LOCK]


@pytest.mark.parametrize("names", [["recipe.yaml"], ["recipe.yaml", "log.txt"], [LOCK, "notes.txt"], [LOCK, "metrics.csv"], [LOCK, "report.html"]])
def test_a_folder_that_may_be_somebodys_is_left_alone(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(UsageError) as caught:
        new_run(tmp_path, "x", force=False)
    assert caught.value.code == "run-exists"
    with pytest.raises(UsageError) as caught:
        new_run(tmp_path, "x", force=True)
    assert caught.value.code == "run-foreign"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(names)


def test_what_a_killed_process_left_does_not_make_a_run_foreign(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write(status="running")
    (tmp_path / ".run.json.77.tmp").touch()
    assert [entry.name for entry in new_run(tmp_path, "x", force=True).path.iterdir()] == [LOCK]
    run.write(status="running")
    (tmp_path / ".run.json.77.tmp").touch()
    discard(run)
    assert not tmp_path.exists()
