"""What stands around the loop: devices and threads, the learning-rate finder, the catalogue of messages."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import flambeau
from flambeau import messages
from flambeau.errors import DeviceError, FlambeauError
from flambeau.machine import available_threads, memory
from flambeau.tasks.losses import ClassLoss
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, describe, machine, using_threads
from flambeau.training.finder import find_lr

ROOM = Path(flambeau.__file__).parent


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    return monkeypatch


def missing(name: str) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        choose_device(name)
    assert caught.value.exit_code == 4
    return caught.value


def test_auto_takes_what_is_there(no_gpu: pytest.MonkeyPatch) -> None:
    assert choose_device() == torch.device("cpu") == choose_device("cpu")
    no_gpu.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == torch.device("mps") == choose_device("mps")
    no_gpu.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device() == torch.device("cuda")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Found no NVIDIA driver on your system. Please check ...", "no NVIDIA driver"),
        ("The NVIDIA driver on your system is too old (found version 11040). Please update ...", "(version 11040) is too old"),
        ("No CUDA GPUs are available", "shows no GPU"),
    ],
)
def test_why_there_is_no_gpu(no_gpu: pytest.MonkeyPatch, said: str, reason: str) -> None:
    def init() -> None:
        raise RuntimeError(said)

    no_gpu.setattr(torch.version, "cuda", "13.0")
    no_gpu.setattr(torch.cuda, "init", init)
    error = missing("cuda:0")
    assert error.code == "device-missing" and reason in error.why and "device: cpu" in error.fix


def test_why_this_build_or_this_machine_cannot(no_gpu: pytest.MonkeyPatch) -> None:
    no_gpu.setattr(torch.version, "cuda", None)
    no_gpu.setattr(torch.version, "hip", None)
    assert "for the CPU only" in missing("cuda").why
    assert "Apple" in missing("mps").why and "Intel" in missing("xpu").why


def test_a_gpu_with_a_number_that_is_not_there(no_gpu: pytest.MonkeyPatch) -> None:
    no_gpu.setattr(torch.version, "cuda", "13.0")
    no_gpu.setattr(torch.cuda, "init", lambda: None)
    no_gpu.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert missing("cuda:2").code == "device-index"


def test_how_a_device_is_described(no_gpu: pytest.MonkeyPatch) -> None:
    assert describe(torch.device("cpu"), 2) == "cpu, 2 threads (no GPU found)"
    no_gpu.setattr(torch.cuda, "is_available", lambda: True)
    assert describe(torch.device("cpu"), 2) == "cpu, 2 threads"
    no_gpu.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30))
    assert describe(torch.device("cuda"), 2) == "cuda, NVIDIA H100, 80 GiB"
    assert describe(torch.device("mps"), 2) == "mps"


def test_the_machine_is_recorded() -> None:
    facts = machine(torch.device("cpu"), "fp32")
    assert facts["torch"] == torch.__version__ and torch.backends.cpu.get_cpu_capability() in facts["cpu"] and facts["device"] == "cpu"


def test_threads_come_from_the_mask_and_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert available_threads(tmp_path) == 8
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert available_threads(tmp_path) == 8
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert available_threads(tmp_path) == 2
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert available_threads(tmp_path) == 1
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available_threads(tmp_path) == 3
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert available_threads(tmp_path) == 8


def test_memory_is_the_machine_s_or_what_the_group_may_have(tmp_path: Path) -> None:
    physical = memory(tmp_path)
    assert physical == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(f"{2**63 - 4096}\n")
    assert memory(tmp_path) == physical
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("3000000000\n")
    assert memory(tmp_path) == 3_000_000_000
    (tmp_path / "memory.max").write_text("2000000000\n")
    assert memory(tmp_path) == 2_000_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory(tmp_path) == 3_000_000_000


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), using_threads(3):
        assert torch.get_num_threads() == 3
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_finder_suggests_a_learning_rate_that_learns(digits: Any, small_net: Any) -> None:
    torch.manual_seed(0)
    network = small_net()
    network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.get_rng_state()
    found = find_lr(network, ClassLoss([1.0] * 10), digits(slice(0, 300), 32), TrainingConfig(optimizer="adamw"))  # type: ignore[arg-type]
    assert found.suggestion is not None and 1e-4 < found.suggestion < 0.3
    assert len(found.lrs) == len(found.losses) and found.lrs[0] == 1e-6
    assert all(b / a == pytest.approx(found.lrs[1] / found.lrs[0]) for a, b in zip(found.lrs, found.lrs[1:], strict=False))
    assert min(found.losses) < found.losses[0] * 0.9
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not network.training and all(p.grad is None for p in network.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def test_the_finder_has_nothing_to_say_where_nothing_falls(digits: Any, small_net: Any) -> None:
    network = small_net()
    network.head = nn.Linear(16, 10)
    nn.init.zeros_(network.head.weight)
    network.dense.requires_grad_(False)

    class Flat(nn.Module):
        def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return 0.0 * logits.sum(-1) + 1.0

    found = find_lr(network, Flat(), digits(slice(0, 64), 32), TrainingConfig())
    assert found.suggestion is None and found.losses[-1] == pytest.approx(1.0)


def test_both_languages_have_the_same_texts() -> None:
    english, chinese = (tomllib.loads((ROOM / "messages" / lang / "training.toml").read_text(encoding="utf-8")) for lang in ("en", "zh"))
    assert list(english) == list(chinese)
    for key, parts in english.items():
        assert list(parts) == list(chinese[key]), key
        for part, template in parts.items():
            names = [sorted(name for _, name, _, _ in Formatter().parse(text) if name) for text in (template, chinese[key][part])]
            assert names[0] == names[1], key
            assert re.search(r"[\u4e00-\u9fff]", chinese[key][part]) or re.fullmatch(r"\{\w+\}", template), key


def test_every_code_of_the_room_has_a_text() -> None:
    codes: set[str] = set()
    for file in (ROOM / "training").glob("*.py"):
        codes |= set(
            re.findall(
                r'(?:Error|Notice|Interrupted|Advice|CustomError|_missing|text)\(\s*(?:name, )?"([a-z0-9-]+)"', file.read_text(encoding="utf-8")
            )
        )
    assert len(codes) > 25
    assert codes <= set(messages.catalogue("en"))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_error_reads_well(monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", lang)
    text = str(FlambeauError("full-batch-size", where="recipe.yaml:3:1", optimizer="lbfgs"))
    assert "{" not in text.replace("{lbfgs: {mini_batch: true}}", "") and "recipe.yaml:3:1" in text
