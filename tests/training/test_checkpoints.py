"""Checkpoints: whole or not there, whatever happens while one is written."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flambeau.errors import DataError, DeviceError
from flambeau.training.checkpoint import clear_checkpoints, find_checkpoint, save_checkpoint
from flambeau.training.packing import pack, unpack


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


STATE = {
    "plain": [None, True, 3, 0.1, 1e-320, "text \U0001f4a5\x1b[0m\n", [], {}],
    "odd": {0: {"step": torch.tensor(3.0)}, "$tensor": 1, "$float": "x"},
    "not-finite": [float("nan"), float("inf"), -float("inf")],
    "tensors": (torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.ones(3, dtype=torch.bfloat16), torch.zeros(0), torch.arange(3)),
    "view": torch.arange(10)[2:5],
}


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE)
    found = find_checkpoint(tmp_path)
    assert found is not None and same(found.state, STATE)
    document = json.loads(found.path.read_text())
    assert document["content"]["format"] == 1 and len(document["sha256"]) == 64


def test_packing_copies() -> None:
    weights = torch.ones(2)
    tree, tensors = pack({"a": weights, "b": weights})
    weights.zero_()
    assert unpack(tree, tensors)["a"].tolist() == unpack(tree, tensors)["b"].tolist() == [1, 1]


def test_the_last_two_stay(tmp_path: Path) -> None:
    for number in range(5):
        save_checkpoint(tmp_path, {"number": number})
    names = [f"checkpoint-0000000{number}.{kind}" for number in (4, 5) for kind in ("json", "safetensors")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    clear_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == [] and find_checkpoint(tmp_path) is None


def test_clearing_leaves_the_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".checkpoint-00000001.json.7.tmp").write_text("half")
    (tmp_path / "checkpoint-00000009.safetensors").write_text("orphan")
    clear_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def damage_text(path: Path) -> None:
    path.write_text(path.read_text().replace('"number": 1', '"number": 7'))


def damage_tail(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def damage_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    ("json", damage_text),
    ("json", damage_tail),
    ("json", lambda path: path.write_bytes(b"")),
    ("json", lambda path: path.write_bytes(b"\xff\xfe")),
    ("json", lambda path: path.write_text("{}")),
    ("safetensors", damage_byte),
    ("safetensors", damage_tail),
    ("safetensors", Path.unlink),
]


@pytest.mark.parametrize(("kind", "damage"), DAMAGE)
def test_a_damaged_one_is_passed_over(tmp_path: Path, kind: str, damage: Callable[[Path], object]) -> None:
    for number in range(2):
        newest = save_checkpoint(tmp_path, {"number": number, "weights": torch.ones(3)})
    damage(newest.with_suffix(f".{kind}"))
    found = find_checkpoint(tmp_path)
    assert found is not None and found.state["number"] == 0 and found.damaged == (newest,)
    damage(found.path.with_suffix(f".{kind}")) if damage is not damage_text else found.path.write_text("")
    with pytest.raises(DataError) as caught:
        find_checkpoint(tmp_path)
    assert (caught.value.code, caught.value.facts["n"]) == ("checkpoints-damaged", 2)


def test_one_of_a_newer_version_is_not_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flambeau.training.checkpoint.FORMAT", 2)
    save_checkpoint(tmp_path, {})
    monkeypatch.undo()
    with pytest.raises(DataError) as caught:
        find_checkpoint(tmp_path)
    assert caught.value.code == "checkpoint-format"


@pytest.mark.parametrize("call", range(8))
@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_a_full_disk_at_any_moment_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, call: int) -> None:
    """Two files of a checkpoint: 4 times fsync (file and folder of each), 2 times replace."""
    save_checkpoint(tmp_path, {"number": 1, "weights": torch.ones(3)})
    calls = 0

    def full(real: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls - 1 == call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        return refuse

    if what == "fsync":
        monkeypatch.setattr(os, "fsync", full(os.fsync))
    else:
        monkeypatch.setattr(Path, "replace", full(Path.replace))
    happens = call < (4 if what == "fsync" else 2)
    if happens:
        with pytest.raises(DeviceError) as caught:
            save_checkpoint(tmp_path, {"number": 2, "weights": torch.ones(3)})
        assert caught.value.code == "disk-full"
    else:
        save_checkpoint(tmp_path, {"number": 2, "weights": torch.ones(3)})
    monkeypatch.undo()
    found = find_checkpoint(tmp_path)
    assert found is not None and found.state["number"] in ((1, 2) if happens else (2,))
    assert not list(tmp_path.glob(".*")), "nothing half-written stays"
    save_checkpoint(tmp_path, {"number": 3})
    again = find_checkpoint(tmp_path)
    assert again is not None and again.state["number"] == 3


def test_training_goes_on_from_the_older_one_and_says_so(begin: Callable[..., Any], power_cut: Any, fingerprint: Any, tmp_path: Path) -> None:
    whole = begin(folder=tmp_path / "whole")
    whole.finish()
    with pytest.raises(power_cut):
        begin(cut_after=7, checkpoint_seconds=0.0).finish()
    newest = max((tmp_path / "checkpoints").glob("*.safetensors"))
    damage_byte(newest)
    run = begin(resume=True)
    run.finish()
    assert [notice.code for notice in run.notices] == ["checkpoint-damaged"]
    assert fingerprint(run.network) == fingerprint(whole.network)
