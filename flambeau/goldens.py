"""Golden examples: a few raw test examples that travel in the artifact, and the answers that were tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from flambeau.cells import is_nothing
from flambeau.config import Config
from flambeau.errors import DataError
from flambeau.members import parsed, read_json, to_json
from flambeau.types import Example

LISTING = "golden/golden.json"


class _Goldens(Config):
    examples: list[dict[str, dict[str, Any]]]
    answers: list[list[float]]


def size_of(example: Example, names: Sequence[str]) -> float:
    """Bytes that these fields of an example would take as a golden; infinite where one can be no golden."""
    return sum(_size(_file_of(example[name])) for name in names)


def write_goldens(examples: Sequence[Example], answers: npt.NDArray[np.float32], names: Sequence[str]) -> dict[str, bytes]:
    """Raw examples and their answers -> members of the artifact. Files are copied as they are, arrays become .npy."""
    members: dict[str, bytes] = {}
    listed = []
    for place, example in enumerate(examples):
        entry: dict[str, object] = {}
        for number, field in enumerate(names):
            value = _file_of(example[field])
            if isinstance(value, Path | bytes):
                name = f"{place:02d}-{number}{_ending(value)}"
                members[f"golden/{name}"] = value if isinstance(value, bytes) else value.read_bytes()
                entry[field] = {"file": name}
            elif isinstance(value, np.ndarray):
                name = f"{place:02d}-{number}.npy"
                members[f"golden/{name}"] = _npy(value)
                entry[field] = {"array": name}
            else:
                entry[field] = {"value": _plain(value)}
        listed.append(entry)
    members[LISTING] = to_json({"examples": listed, "answers": answers.tolist()})
    return members


def read_goldens(folder: Path, files: Mapping[str, str]) -> tuple[list[Example], npt.NDArray[np.float32]]:
    """The golden examples as raw values, and the answers (examples, answers) that were tested.

    Args:
        files: what the manifest names; nothing else is opened.

    Raises:
        DataError: the listing is malformed, or names a file that the manifest does not.
    """
    listing = folder / LISTING
    content: _Goldens = parsed(TypeAdapter(_Goldens), read_json(listing), listing)
    if len({len(row) for row in content.answers}) > 1 or len(content.answers) != len(content.examples):
        raise DataError("artifact-member", where=str(listing), reason="answers: not one row for each example")
    examples: list[Example] = [{field: _raw(folder, files, entry) for field, entry in example.items()} for example in content.examples]
    return examples, np.array(content.answers, np.float32)


def _file_of(value: object) -> object:
    """The path of a file that is named by a plain string, as the file has to travel with the artifact; else the value."""
    try:
        return Path(value) if isinstance(value, str) and Path(value).is_file() else value
    except (ValueError, OSError):  # no name that a file can have
        return value


def _size(value: object) -> float:
    if isinstance(value, Path):
        return value.stat().st_size
    if isinstance(value, np.ndarray):
        return float("inf") if value.dtype.hasobject else value.nbytes
    if isinstance(value, bytes | str):
        return len(value)
    return 8 if isinstance(value, int | float | Decimal) or is_nothing(value) else float("inf")


def _plain(value: object) -> object:
    """A cell as JSON has it."""
    return None if is_nothing(value) else float(value) if isinstance(value, Decimal) else value


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
