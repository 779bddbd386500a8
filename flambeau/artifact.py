"""The artifact: a directory that holds a tested model and all that it needs to answer. No pickle, every file hashed.

flambeau.json           format, versions, SHA-256 of every other file
recipe.yaml             the recipe with every default resolved
signature.json          what goes in, what comes out, how good it was in the test
preprocessing.json      the fitted preprocessors        target.json  the fitted target (labels)
weights.safetensors     the network's weights           model.onnx   the runner (absent where no graph can hold the network)
golden/                 raw examples and their answers, compared on every load
report.json report.html exports/ verification.json README.md
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, TypeAdapter, ValidationError

from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.exporting.onnx import Onnx
from flambeau.exporting.verify import TOLERANCE, largest_difference
from flambeau.inputs.input import Preprocessor
from flambeau.inputs.union import AnyPreprocessor
from flambeau.predictor import Predictor
from flambeau.storage import disk_error, sha256_of, sync_folder, write_atomically
from flambeau.tasks.task import Target
from flambeau.tasks.union import AnyTarget
from flambeau.types import Example, Runner
from flambeau.version import __version__

FORMAT = 1
MANIFEST = "flambeau.json"
MODEL = "model.onnx"
SUFFIX = ".flambeau"
MAX_JSON = 64 * 2**20
"""Bytes of the largest JSON member that is read; a table of a million words fits."""


NEEDED = ("recipe.yaml", "signature.json", "preprocessing.json", "target.json", "golden/golden.json")
"""What every artifact has, beside its weights or its graph."""


class _Manifest(Config):
    format: int
    flambeau: str
    versions: dict[str, str]
    files: dict[str, str]
    sha256: str


class _Signature(BaseModel):
    """What is read of a signature; there may be more in it."""

    name: str
    labels: list[str]
    inputs: dict[str, dict[str, Any]]
    test: dict[str, Any]
    baseline: dict[str, Any]


class _Goldens(Config):
    examples: list[dict[str, dict[str, Any]]]
    answers: list[list[float]]


@dataclass(frozen=True)
class Artifact:
    """A verified artifact, ready to answer."""

    path: Path
    manifest: Mapping[str, Any]
    signature: Mapping[str, Any]
    predictor: Predictor

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.signature["name"])


def write(folder: Path, members: Mapping[str, bytes], versions: Mapping[str, str]) -> None:
    """Writes all `members` (by relative name) and the manifest as a new artifact, in one step: the old one stays until then.

    Raises:
        DeviceError: the disk is full or the place cannot be written.
    """
    building = folder.with_name(f".{folder.name}.building")
    retired = folder.with_name(f".{folder.name}.retired")
    for leftover in (building, retired):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        building.mkdir(parents=True)
        for name, data in members.items():
            member = building / name
            member.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(member, data)
        _write_manifest(building, versions)
        if folder.exists():
            folder.rename(retired)
        building.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise disk_error(error, folder) from error
    shutil.rmtree(retired, ignore_errors=True)


def add(folder: Path, members: Mapping[str, bytes]) -> None:
    """Adds or replaces members of an existing artifact. Whatever stops this on the way, the artifact stays whole: until the
    last step, the manifest does not name them.
    """
    manifest = read_manifest(folder)
    _write_manifest(folder, manifest["versions"], leave_out=members)
    for name, data in members.items():
        member = folder / name
        member.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(member, data)
    _write_manifest(folder, manifest["versions"])


def load(folder: Path, *, threads: int | None = None, allow_code: bool = False) -> Artifact:
    """The artifact in `folder`, every file verified against its hash and every golden example against its answer.

    Args:
        threads: cores for the runner; None takes all that this process may use.
        allow_code: permits a network of the user's own Python class, named in the artifact, to be imported.

    Raises:
        DataError: a file is missing, altered or not ours; or the model answers differently here.
    """
    manifest = verify_files(folder)
    preprocessors = {
        name: _parsed(TypeAdapter(AnyPreprocessor), fields, folder / "preprocessing.json")
        for name, fields in read_json(folder / "preprocessing.json").items()
    }
    target = _parsed(TypeAdapter(AnyTarget), read_json(folder / "target.json"), folder / "target.json")
    signature = read_json(folder / "signature.json")
    _parsed(TypeAdapter(_Signature), signature, folder / "signature.json")
    runner = Onnx().load(folder / MODEL, threads) if MODEL in manifest["files"] else _torch_runner(folder, preprocessors, target, allow_code)
    artifact = Artifact(folder.resolve(), manifest, signature, Predictor(preprocessors, runner, target))
    _check_goldens(artifact)
    return artifact


def read_manifest(folder: Path) -> dict[str, Any]:
    """The artifact's manifest.

    Raises:
        DataError: `folder` is no artifact, or one of a later version than this program knows.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError("artifact-missing", where=str(folder))
    manifest = read_json(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise DataError("artifact-format", where=str(folder), format=manifest.get("format"), known=FORMAT, version=manifest.get("flambeau", "?"))
    _parsed(TypeAdapter(_Manifest), manifest, folder / MANIFEST)
    if manifest["sha256"] != _digest(manifest):
        raise DataError("artifact-altered", where=str(folder / MANIFEST), member=MANIFEST)
    return manifest


def verify_files(folder: Path) -> dict[str, Any]:
    """The manifest, after every file that it names was found unaltered.

    Raises:
        DataError: with the name of the first member that is missing, altered, a link or outside the directory.
    """
    manifest = read_manifest(folder)
    for name in NEEDED:
        if name not in manifest["files"]:
            raise DataError("artifact-incomplete", where=str(folder), member=name)
    for name, digest in manifest["files"].items():
        pure = PurePosixPath(name)
        member = folder / pure
        if pure.is_absolute() or ".." in pure.parts or any(part.is_symlink() for part in (member, *member.parents[: len(pure.parts) - 1])):
            raise DataError("artifact-outside", where=str(folder), member=name)
        if not member.is_file():
            raise DataError("artifact-incomplete", where=str(folder), member=name)
        if sha256_of(member) != digest:
            raise DataError("artifact-altered", where=str(folder), member=name)
    return manifest


def size_of(example: Example, names: Sequence[str]) -> float:
    """Bytes that these fields of an example would take as a golden; infinite where one can be no golden."""
    return sum(_size(example[name]) for name in names)


def goldens(examples: Sequence[Example], answers: npt.NDArray[np.float32], names: Sequence[str]) -> dict[str, bytes]:
    """Raw examples and their answers -> members of the artifact. Files are copied as they are, arrays become .npy."""
    members: dict[str, bytes] = {}
    listed = []
    for place, example in enumerate(examples):
        entry: dict[str, object] = {}
        for number, field in enumerate(names):
            value = example[field]
            if isinstance(value, Path | bytes):
                name = f"{place:02d}-{number}{_ending(value)}"
                members[f"golden/{name}"] = value if isinstance(value, bytes) else value.read_bytes()
                entry[field] = {"file": name}
            elif isinstance(value, np.ndarray):
                name = f"{place:02d}-{number}.npy"
                members[f"golden/{name}"] = _npy(value)
                entry[field] = {"array": name}
            else:
                entry[field] = {"value": value}
        listed.append(entry)
    members["golden/golden.json"] = to_json({"examples": listed, "answers": answers.tolist()})
    return members


def read_goldens(folder: Path) -> tuple[list[Example], npt.NDArray[np.float32]]:
    """The golden examples as raw values, and the answers (examples, answers) that were tested."""
    listing = folder / "golden" / "golden.json"
    content: _Goldens = _parsed(TypeAdapter(_Goldens), read_json(listing), listing)
    files = read_manifest(folder)["files"]
    examples: list[Example] = [{field: _raw(folder, files, entry) for field, entry in example.items()} for example in content.examples]
    return examples, np.array([np.asarray(row, np.float32) for row in content.answers])


def to_json(value: object) -> bytes:
    """Readable JSON, UTF-8, numbers that JSON does not know refused."""
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def _size(value: object) -> float:
    if isinstance(value, Path):
        return value.stat().st_size
    if isinstance(value, np.ndarray):
        return float("inf") if value.dtype.hasobject else value.nbytes
    if isinstance(value, bytes | str):
        return len(value)
    return 8 if isinstance(value, int | float | None) else float("inf")


def _ending(value: Path | bytes) -> str:
    ending = value.suffix.lower() if isinstance(value, Path) else ""
    return ending if ending[1:].isalnum() and ending.isascii() else ""


def _npy(array: npt.NDArray[np.generic]) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _raw(folder: Path, files: Mapping[str, str], entry: Mapping[str, Any]) -> object:
    if "value" in entry:
        return entry["value"]
    member = f"golden/{entry.get('file') or entry.get('array')}"
    if member not in files:
        raise DataError("artifact-outside", where=str(folder), member=member)
    if "file" in entry:
        return folder / member
    try:
        # mapped, so that a header that claims more than the file holds is an error and no allocation
        return np.array(np.load(folder / member, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise DataError("artifact-member", where=str(folder / member), reason=str(error)[:200]) from error


def _check_goldens(artifact: Artifact) -> None:
    examples, answers = read_goldens(artifact.path)
    if not examples:
        return
    predictor = artifact.predictor
    encoded = [predictor.encode(example) for example in examples]
    try:
        got = predictor.answer(encoded)
    except Exception as error:  # a foreign graph may raise anything
        raise DataError("model-damaged", where=str(artifact.path), reason=str(error)[:200]) from error
    difference = largest_difference(got, answers) if got.shape == answers.shape else float("inf")
    if difference > TOLERANCE:
        raise DataError("golden-differs", where=str(artifact.path), difference=difference, tolerance=TOLERANCE, n=len(examples))


def _torch_runner(folder: Path, preprocessors: Mapping[str, Preprocessor], target: Target, allow_code: bool) -> Runner:
    from flambeau.exporting.torch import TorchRunner
    from flambeau.restoring import restore_network

    return TorchRunner(restore_network(folder, preprocessors, target, allow_code=allow_code))


def _write_manifest(folder: Path, versions: Mapping[str, str], leave_out: Container[str] = ()) -> None:
    files = {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".") and path.relative_to(folder).as_posix() not in leave_out
    }
    manifest: dict[str, Any] = {"format": FORMAT, "flambeau": __version__, "versions": dict(versions), "files": files}
    write_atomically(folder / MANIFEST, to_json({**manifest, "sha256": _digest(manifest)}))


def _digest(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_json(path: Path, missing: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON member of an artifact; `missing` where it is not there and need not be.

    Raises:
        DataError: it is not there, too large, or no JSON object.
    """
    if missing is not None and not path.exists():
        return missing
    try:
        if path.stat().st_size > MAX_JSON:
            raise DataError("artifact-member", where=str(path), reason=f"more than {MAX_JSON // 2**20} MiB")
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError("artifact-incomplete", where=str(path.parent), member=path.name) from error
    except (ValueError, RecursionError) as error:
        raise DataError("artifact-member", where=str(path), reason="not JSON") from error
    if not isinstance(content, dict):
        raise DataError("artifact-member", where=str(path), reason="not a JSON object")
    return content


def _parsed(adapter: TypeAdapter[Any], fields: object, path: Path) -> Any:
    try:
        return adapter.validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError("artifact-member", where=str(path), reason=f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
