"""The artifact: a directory that holds a tested model and all that it needs to answer. No pickle, every file hashed.

flambeau.json           format, versions, SHA-256 of every other file
recipe.yaml             the recipe with every default resolved
signature.json          what goes in, what comes out, how good it was in the test
preprocessing.json      the fitted preprocessors        target.json  the fitted target (labels)
weights.safetensors     the network's weights           model.onnx   the runner (absent where no graph can hold the network)
golden/                 raw examples and their answers, compared on every load
report.json report.html exports/ verification.json README.md
serving.json            which of the runners serves, and why (absent: the tested one)
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, TypeAdapter

from flambeau import fitted
from flambeau.config import Config
from flambeau.errors import DataError, FlambeauError, UsageError
from flambeau.exporting.onnx import Onnx, OnnxRunner, can_use_gpu
from flambeau.exporting.verify import TOLERANCE, largest_difference
from flambeau.extras import need
from flambeau.goldens import LISTING, read_goldens
from flambeau.inputs.input import Preprocessor
from flambeau.members import parsed, read_json, to_json
from flambeau.messages import printable
from flambeau.predictor import Predictor
from flambeau.runtimes import RECORD, Served, load_served
from flambeau.storage import disk_error, sha256_of, sync_folder, write_atomically, writing
from flambeau.tasks.task import Target
from flambeau.types import Runner
from flambeau.version import __version__

FORMAT = 1
MANIFEST = "flambeau.json"
MODEL = "model.onnx"
WEIGHTS = "weights.safetensors"
SUFFIX = ".flambeau"
DEVICES = r"cpu|mps|(cuda|xpu)(:\d{1,3})?"
"""Where a model can compute, as a pattern."""
NEEDED = ("recipe.yaml", "signature.json", "preprocessing.json", "target.json", LISTING)
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


@dataclass(frozen=True)
class Artifact:
    """A verified artifact, ready to answer."""

    path: Path
    manifest: Mapping[str, Any]
    signature: Mapping[str, Any]
    """Of the file; under "test" the scores of the runner that answers."""
    predictor: Predictor
    runtime: str = ""
    """The runner that was asked for or chosen for serving; "" where it is the tested one."""

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
    _put_back(retired, folder)
    shutil.rmtree(building, ignore_errors=True)
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
    except BaseException as error:  # a signal comes as an exception too
        _put_back(retired, folder)
        shutil.rmtree(building, ignore_errors=True)
        if isinstance(error, OSError):
            raise disk_error(error, folder) from error
        raise
    shutil.rmtree(retired, ignore_errors=True)


def add(folder: Path, members: Mapping[str, bytes]) -> None:
    """Adds or replaces members of an existing artifact. Whatever stops this on the way, the artifact stays whole: until the
    last step, the manifest does not name them.
    """
    manifest = read_manifest(folder)
    with writing(folder):
        _write_manifest(folder, manifest["versions"], leave_out=members)
        for name, data in members.items():
            member = folder / name
            member.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(member, data)
        _write_manifest(folder, manifest["versions"])


def load(folder: Path, *, threads: int | None = None, allow_code: bool = False, serving: bool = False, device: str = "cpu") -> Artifact:
    """The artifact in `folder`, every file verified against its hash and every golden example against its answer.

    Args:
        threads: cores for the runner; None takes all that this process may use.
        allow_code: permits classes of the user, named in the artifact, to be imported: a network, an input, a task.
        serving: takes the runner that was chosen for serving, whose answers may differ as far as was proven harmless at its export. Of the
            graph and the weights only what runs is opened and verified: they are nearly all of the bytes.
        device: where it computes; on another one than "cpu" in float32, and its answers may differ no more than those of an export.

    Raises:
        DataError: a file is missing, altered or not ours; or the model answers differently here.
        RecipeError: it needs a class of the user, and `allow_code` is off.
        ExtraMissing: the runtime that was chosen for serving, or what a GPU needs, is not installed.
        DeviceError: the device is not there.
        UsageError: no such device can be.
    """
    unopened = (MODEL, WEIGHTS) if serving and device == "cpu" else ()
    manifest = verify_files(folder, unopened)
    preprocessors = {
        name: fitted.preprocessor(fields, folder / "preprocessing.json", allow_code)
        for name, fields in read_json(folder / "preprocessing.json").items()
    }
    target = fitted.target(read_json(folder / "target.json"), folder / "target.json", allow_code)
    signature = read_json(folder / "signature.json")
    parsed(TypeAdapter(_Signature), signature, folder / "signature.json")

    def in_torch() -> Runner:
        return _torch_runner(folder, preprocessors, target, allow_code, device)

    has_graph = MODEL in manifest["files"]
    if device != "cpu":
        served: Served | None = _on_device(device, folder / MODEL if has_graph else None, in_torch)
    else:
        served = load_served(folder, threads) if serving and RECORD in manifest["files"] else None
        if served is None and unopened:
            _check_hash(folder, MODEL if has_graph else WEIGHTS, manifest["files"])
    if served and served.test is not None:
        signature = {**signature, "test": served.test}
    runner = served.runner if served else Onnx().load(folder / MODEL, threads) if has_graph else in_torch()
    artifact = Artifact(folder.resolve(), manifest, signature, Predictor(preprocessors, runner, target), served.runtime if served else "")
    _check_goldens(artifact, served.tolerance if served else TOLERANCE)
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
    parsed(TypeAdapter(_Manifest), manifest, folder / MANIFEST)
    if manifest["sha256"] != _digest(manifest):
        raise DataError("artifact-altered", where=str(folder / MANIFEST), member=MANIFEST)
    return manifest


def verify_files(folder: Path, unopened: Container[str] = ()) -> dict[str, Any]:
    """The manifest, after every file that it names was found unaltered.

    Args:
        unopened: files that have to be there, but whose content is not looked at.

    Raises:
        DataError: with the name of the first member that is missing, altered, a link or outside the directory.
    """
    manifest = read_manifest(folder)
    for name in NEEDED:
        if name not in manifest["files"]:
            raise DataError("artifact-incomplete", where=str(folder), member=name)
    for name in manifest["files"]:
        pure = PurePosixPath(name)
        member = folder / pure
        if pure.is_absolute() or ".." in pure.parts or any(part.is_symlink() for part in (member, *member.parents[: len(pure.parts) - 1])):
            raise DataError("artifact-outside", where=str(folder), member=name)
        if not member.is_file():
            raise DataError("artifact-incomplete", where=str(folder), member=name)
        if name not in unopened:
            _check_hash(folder, name, manifest["files"])
    return manifest


def _check_hash(folder: Path, name: str, files: Mapping[str, str]) -> None:
    if name not in files:
        raise DataError("artifact-incomplete", where=str(folder), member=name)
    if sha256_of(folder / name) != files[name]:
        raise DataError("artifact-altered", where=str(folder), member=name)


def _check_goldens(artifact: Artifact, tolerance: float) -> None:
    examples, answers = read_goldens(artifact.path, artifact.manifest["files"])
    if not examples:
        return
    predictor, target = artifact.predictor, artifact.predictor.target
    try:
        got = predictor.answer([predictor.encode(example) for example in examples])
        difference = largest_difference(target.nearest(got, answers), answers, target.units) if got.shape == answers.shape else float("inf")
    except FlambeauError:
        raise
    except Exception as error:  # a foreign graph may raise anything, and members that do not belong together too
        raise DataError("model-damaged", where=str(artifact.path), reason=str(error)[:200]) from error
    if difference > tolerance:
        raise DataError("golden-differs", where=str(artifact.path), difference=difference, tolerance=tolerance, n=len(examples))


def _on_device(device: str, graph: Path | None, in_torch: Callable[[], Runner]) -> Served:
    """The runner for a GPU: ONNX Runtime's where it was built for one, else PyTorch."""
    if not re.fullmatch(DEVICES, device):
        raise UsageError("device-name", where=device, device=printable(device))
    if graph is not None and device.startswith("cuda") and can_use_gpu():
        runner = OnnxRunner(graph, device=device)
        if runner.on_gpu:  # it falls back to the CPU where CUDA's libraries are missing
            return Served(runner, f"onnxruntime {version('onnxruntime-gpu')} {device}", TOLERANCE)
    need("train", f"device {device}")
    from flambeau.training.device import choose_device

    choose_device(device)
    return Served(in_torch(), f"torch {version('torch')} {device}", TOLERANCE)


def _torch_runner(folder: Path, preprocessors: Mapping[str, Preprocessor], target: Target, allow_code: bool, device: str) -> Runner:
    from flambeau.exporting.torch import TorchRunner
    from flambeau.restoring import restore_network

    return TorchRunner(restore_network(folder, preprocessors, target, allow_code=allow_code), device)


def _put_back(retired: Path, folder: Path) -> None:
    """The old artifact in its place again, if the new one did not come to take it; else it goes."""
    if folder.exists():
        shutil.rmtree(retired, ignore_errors=True)
    elif retired.exists():
        with suppress(OSError):
            retired.rename(folder)


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
