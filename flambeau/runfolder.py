"""The folder of one run: where each thing lies, and what `run.json` says about it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from flambeau.artifact import MANIFEST, SUFFIX
from flambeau.errors import DataError, UsageError
from flambeau.members import to_json
from flambeau.storage import LOCK, UNFINISHED, disk_error, locked, write_atomically, writing

RUNS = Path("runs")
WRITTEN = frozenset(
    {
        "recipe.yaml",
        "recipe.resolved.yaml",
        "run.json",
        "log.txt",
        "data.md",
        "split.csv",
        "metrics.jsonl",
        "metrics.csv",
        "report.html",
        "report.json",
    }
    | {"checkpoints", "refit", "cache", "model.flambeau", ".model.flambeau.building", ".model.flambeau.retired", ".model.onnx", LOCK}
)
"""All that a run writes into its folder."""
FIRST = frozenset({LOCK, "log.txt", "recipe.yaml", "recipe.resolved.yaml"})
"""What it writes before run.json makes it a run."""


class _Record(BaseModel):
    """What is read of run.json; there is more in it."""

    model_config = ConfigDict(strict=True, defer_build=True)
    status: Literal["running", "interrupted", "failed", "finished"]
    created: str
    network: str
    why: str
    refit: bool
    find_lr: bool
    in_memory: bool
    data: str = ""


class _Finished(_Record):
    """What is read of it when the run came to its end."""

    test: dict[str, Any]
    baseline: dict[str, Any]
    seconds: dict[str, float]


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run. Making one touches nothing on the disk."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it was given."""
        return self.path / "recipe.yaml"

    @property
    def resolved(self) -> Path:
        """The recipe with every default resolved: what `--resume` reads."""
        return self.path / "recipe.resolved.yaml"

    @property
    def split(self) -> Path:
        """Each example: path, label, split, SHA-256."""
        return self.path / "split.csv"

    @property
    def data(self) -> Path:
        """What was found in the data, as Markdown."""
        return self.path / "data.md"

    @property
    def checkpoints(self) -> Path:
        """What `--resume` goes on from."""
        return self.path / "checkpoints"

    @property
    def artifact(self) -> Path:
        """The finished model."""
        return self.path / f"model{SUFFIX}"

    @property
    def report(self) -> Path:
        """The report; report.json lies beside it."""
        return self.path / "report.html"

    @property
    def record(self) -> Path:
        """What the run is and how far it came."""
        return self.path / "run.json"

    def read(self) -> dict[str, Any]:
        """What `run.json` says.

        Raises:
            DataError: the folder holds no run, or run.json is not what a run writes.
        """
        if not self.record.is_file():
            raise DataError("run-missing", where=str(self.path), similar=_latest(self.path))
        content = self._content()
        try:
            (_Finished if content.get("status") == "finished" else _Record).model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            raise self._damaged(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        return content

    def write(self, **facts: object) -> None:
        """Adds `facts` to `run.json`."""
        before = self._content() if self.record.exists() else {}
        write_atomically(self.record, to_json({**before, **facts}))

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self.record.read_bytes())
        except OSError as error:
            raise self._damaged(error.strerror or type(error).__name__) from error
        except (ValueError, RecursionError) as error:
            raise self._damaged("not JSON") from error
        if not isinstance(content, dict):
            raise self._damaged("not a JSON object")
        return content

    def _damaged(self, reason: str) -> DataError:
        return DataError("run-damaged", where=str(self.record), reason=reason, run=self.path)


def new_run(path: Path | None, name: str, force: bool) -> RunFolder:
    """The folder for a new run, made and empty: `path`, else the next free runs/NAME-N.

    Raises:
        UsageError: `path` is there, not empty, and `force` is off.
    """
    if path is None:
        path = _next_free(re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run")
    elif path.exists() and (not path.is_dir() or any(path.iterdir())):
        if not force and not _never_began(path):
            raise UsageError("run-exists", where=str(path))
        _replace(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error
    return RunFolder(path.resolve())


def discard(folder: RunFolder) -> None:
    """Removes a run that came to nothing, so that the same command can be given again."""
    _forget(folder.path)
    with suppress(OSError):
        (folder.path / LOCK).unlink(missing_ok=True)
        folder.path.rmdir()


def find_artifact(path: Path) -> Path:
    """A run folder or an artifact -> the artifact.

    Raises:
        DataError: it is neither, or the run has no artifact yet.
    """
    if (path / MANIFEST).is_file():
        return path
    run = RunFolder(path)
    if (run.artifact / MANIFEST).is_file():
        return run.artifact
    if run.record.exists():
        raise DataError("run-unfinished", where=str(path), run=path)
    raise DataError("model-missing", where=str(path), similar=_latest(path))


def find_run(path: Path) -> RunFolder | None:
    """The run that `path` (a run folder or the artifact in it) belongs to, if it does."""
    for candidate in (path, path.resolve().parent):
        if RunFolder(candidate).record.is_file():
            return RunFolder(candidate.resolve())
    return None


def _next_free(name: str) -> Path:
    number = 1
    while True:
        path = RUNS / f"{name}-{number}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not RUNS.is_dir():
                raise UsageError("run-exists", where=str(RUNS)) from None
            number += 1
        except OSError as error:
            raise disk_error(error, path) from error
        else:
            return path


def _replace(path: Path) -> None:
    """Empties the folder of a run, and only of a run: `--force` on the wrong folder must not cost anybody's files."""
    strangers = [entry.name for entry in path.iterdir() if not _is_ours(entry.name)] if path.is_dir() else [path.name]
    if strangers or not (RunFolder(path).record.exists() or _never_began(path)):
        raise UsageError("run-foreign", where=str(path), name=strangers[0] if strangers else "")
    with writing(path), locked(path):
        _forget(path)


def _never_began(path: Path) -> bool:
    """Whether a run was stopped here before it was one: nobody can go on with it, and nothing is lost."""
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    return LOCK in names and all(name in FIRST or (_is_ours(name) and name not in WRITTEN) for name in names)


def _is_ours(name: str) -> bool:
    """Whether a run writes it, or a killed process left it half-written."""
    return name in WRITTEN or (name.startswith(".") and name.endswith(UNFINISHED))


def _forget(path: Path) -> None:
    """Removes what a run wrote, but for the lock, which may be held."""
    import shutil

    for entry in path.iterdir():
        if not _is_ours(entry.name) or entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _latest(path: Path) -> str:
    """The newest run beside `path`, for the fix of an error."""
    parents = [folder for folder in (path.parent, RUNS) if folder.is_dir()]
    runs = [run for folder in parents for run in folder.iterdir() if RunFolder(run).record.exists()]
    return str(max(runs, key=lambda run: RunFolder(run).record.stat().st_mtime)) if runs else ""
