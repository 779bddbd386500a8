"""A fault at every file event: killed, the disk full, the disk failing; then going on to the same bits, with no step by hand."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def killing(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs `killing.py`; what it tells."""

    def run(*arguments: object, seconds: float = 600) -> dict[str, Any]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "FLAMBEAU_LANG": "en", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        command = [sys.executable, str(Path(__file__).with_name("killing.py")), str(arguments[0]), str(tmp_path), *map(str, arguments[1:])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=seconds)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return run


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill", "ENOSPC", "EIO"])
def test_a_checkpoint_at_every_third_file_event(killing: Callable[..., dict[str, Any]], fault: str) -> None:
    told = killing("training", fault, 3)
    assert told["faults"] == []
    assert told["events"] > 60 and told["tried"] > 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill", "ENOSPC", "EIO"])
def test_a_fit_at_some_file_events(killing: Callable[..., dict[str, Any]], fault: str) -> None:
    told = killing("fit", fault, 60)
    assert told["faults"] == []
    assert told["events"] > 250 and told["tried"] > 5


@pytest.mark.slow
def test_ten_kills_at_random_moments(killing: Callable[..., dict[str, Any]]) -> None:
    told = killing("random", 10)
    assert told["faults"] == []
    assert told["kills"] >= 10


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["kill", "ENOSPC", "EIO"])
@pytest.mark.parametrize("work", ["training", "fit"])
def test_every_file_event(killing: Callable[..., dict[str, Any]], work: str, fault: str) -> None:
    told = killing(work, fault, 1, seconds=6 * 3600)
    assert told["faults"] == []
    assert told["tried"] == told["points"]


@pytest.mark.soak
def test_two_hundred_kills_at_random_moments(killing: Callable[..., dict[str, Any]]) -> None:
    told = killing("random", 200, seconds=6 * 3600)
    assert told["faults"] == []
    assert told["kills"] >= 200


def test_the_injector_sees_every_change(injector: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    with injector.Injector(folder).watching() as seen:
        (folder / "a").mkdir()
        with (folder / "a" / "x").open("wb") as file:
            file.write(b"1234")
            file.flush()
            os.fsync(file.fileno())
        (folder / "a" / "x").replace(folder / "y")
        (folder / "z").touch()
        (folder / "y").write_text("text")
        assert (folder / "y").read_text() == "text"
        (folder / "y").unlink()
        (folder / "a").rmdir()
        (tmp_path / "elsewhere").write_text("not watched")
        with pytest.raises(FileExistsError):
            folder.joinpath("z").mkdir()
    assert seen.events == [
        *("mkdir a", "open a/x", "write a/x", "fsync a/x", "replace y", "open z", "open y", "write y", "unlink y", "rmdir a"),
        "refused-mkdir z",
    ]
    assert len(seen.points) == len({(point.event, point.phase) for point in seen.points}) == 11 + 2, "to be killed: before each, inside writes"
    assert io.open is open, "everything is put back"


@pytest.mark.parametrize(("phase", "content"), [("before", b""), ("inside", b"12"), ("after", b"1234")])
def test_the_injector_cuts_a_write_short(injector: ModuleType, tmp_path: Path, phase: str, content: bytes) -> None:
    with injector.Injector(tmp_path, injector.Point(1, phase), "ENOSPC").watching():
        file = (tmp_path / "x").open("wb", buffering=-1)
        with pytest.raises(OSError, match="No space"):
            file.write(b"1234") and file.flush()
        file.raw.close()
        with pytest.raises(OSError, match="No space"):
            (tmp_path / "y").touch()
        (tmp_path / "x").rename(tmp_path / "z")
    assert (tmp_path / "z").read_bytes() == content
