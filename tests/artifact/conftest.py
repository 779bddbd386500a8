"""A real artifact, trained once; who wants to damage it takes a copy."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

RECIPE = {
    "inputs": {"image": {"type": "image", "augment": []}},
    "network": [{"conv2d": 4}, "relu", "flatten"],
    "training": {"epochs": 1, "stop_early": None},
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, few_digits: Path) -> Path:
    """The artifact of a small run. Read only."""
    import flambeau as fb

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        return fb.fit(few_digits, recipe=RECIPE, run=tmp_path_factory.mktemp("runs") / "run", show=fb.silent).artifact


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """The artifact away from its run, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "copy.flambeau"))


def reseal(folder: Path, **changes: Any) -> None:
    """Writes a manifest that fits whatever is in `folder`, as a forger would."""
    manifest = json.loads((folder / "flambeau.json").read_bytes())
    manifest.update(changes)
    manifest["files"] = {name: _hash(folder / name) if (folder / name).is_file() else digest for name, digest in manifest["files"].items()}
    manifest.pop("sha256")
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (folder / "flambeau.json").write_text(json.dumps({**manifest, "sha256": digest}), encoding="utf-8")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def forge(copied: Path) -> Any:
    """Replaces a member and makes the manifest agree."""

    def write(name: str = "", content: bytes | dict[str, Any] = b"", **changes: Any) -> Path:
        if name:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            (copied / name).parent.mkdir(exist_ok=True)
            (copied / name).write_bytes(data)
        reseal(copied, **changes)
        return copied

    return write
