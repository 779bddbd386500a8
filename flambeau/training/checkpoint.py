"""Checkpoints: what was saved last and is whole. JSON and safetensors, no pickle.

A checkpoint is a pair of files. The tensors are written first; the JSON file, which holds their SHA-256 and its own, comes second
and makes the checkpoint exist. Each file is written beside its place, flushed to the disk and moved there, so that a crash at any
moment leaves the earlier checkpoint as it was.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from flambeau.errors import DataError
from flambeau.storage import UNFINISHED, write_atomically, writing
from flambeau.training.packing import Tree, pack, unpack

FORMAT = 1
"""Raised when an older flambeau could not read what this one writes."""
KEPT = 2
"""So many of the newest stay: if the last is damaged, the one before is there."""


@dataclass(frozen=True)
class Found:
    """The newest checkpoint that is whole."""

    state: Tree
    path: Path
    damaged: tuple[Path, ...]
    """Newer ones that are not."""


def save_checkpoint(folder: Path, state: Tree) -> Path:
    """Writes `state` as the newest checkpoint in `folder` and removes all but the last two.

    Raises:
        DeviceError: the disk is full or the folder cannot be written; the earlier checkpoints stay.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    earlier = _documents(folder)
    number = int(earlier[0].stem.rpartition("-")[2]) + 1 if earlier else 1
    document = folder / f"checkpoint-{number:08d}.json"
    tree, tensors = pack(state)
    data = save(tensors)
    content = json.dumps({"format": FORMAT, "tensors": hashlib.sha256(data).hexdigest(), "state": tree}, allow_nan=False)
    write_atomically(_tensors_of(document), data)
    write_atomically(document, f'{{"sha256": "{_sha256(content)}", "content": {content}}}\n'.encode())
    _keep(folder, [document, *earlier[: KEPT - 1]])
    return document


def find_checkpoint(folder: Path) -> Found | None:
    """The newest checkpoint in `folder` that is whole; None where there is none at all.

    Raises:
        DataError: there are checkpoints, and every one is damaged or from a newer flambeau.
    """
    damaged: list[Path] = []
    for document in _documents(folder):
        try:
            return Found(_read(document), document, tuple(damaged))
        except (OSError, ValueError, KeyError, SafetensorError):
            damaged.append(document)
    if damaged:
        raise DataError("checkpoints-damaged", where=str(folder), n=len(damaged))
    return None


def clear_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of an earlier training and what an interrupted write left."""
    _keep(folder, [])


def _read(document: Path) -> Tree:
    """One checkpoint's state.

    Raises:
        ValueError: a checksum differs, or it is not ours to read.
    """
    outer = json.loads(document.read_text(encoding="utf-8"))
    content = outer["content"]
    data = _tensors_of(document).read_bytes()
    if outer["sha256"] != _sha256(json.dumps(content)) or content["tensors"] != hashlib.sha256(data).hexdigest():
        raise ValueError(f"{document.name}: the checksum differs")
    if content["format"] != FORMAT:
        raise DataError("checkpoint-format", where=str(document), format=content["format"])
    return unpack(content["state"], load(data))


def _documents(folder: Path) -> list[Path]:
    """The JSON files, newest first."""
    return sorted(folder.glob("checkpoint-????????.json"), reverse=True)


def _tensors_of(document: Path) -> Path:
    return document.with_suffix(".safetensors")


def _keep(folder: Path, documents: list[Path]) -> None:
    """Removes all checkpoints but these, and what a killed process left of others.

    The JSON file goes first: without it the tensors are nobody's.
    """
    kept = {*documents, *map(_tensors_of, documents)}
    with writing(folder):
        for pattern in ("checkpoint-????????.json", "checkpoint-????????.safetensors", f".checkpoint-*{UNFINISHED}"):
            for path in folder.glob(pattern):
                if path not in kept:
                    path.unlink(missing_ok=True)


def _sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
