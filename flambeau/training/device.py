"""Where training runs, with how many threads, and how that is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from flambeau.errors import DeviceError
from flambeau.machine import processor
from flambeau.messages import text


def choose_device(name: str = "auto") -> torch.device:
    """A name of the recipe -> the device. "auto" is the first GPU, Apple's GPU, or the CPU.

    Raises:
        DeviceError: the device is not there; the reason says why.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cuda":
        _need_cuda(name)
        if index and int(index) >= torch.cuda.device_count():
            raise DeviceError("device-index", where=name, device=name, n=torch.cuda.device_count())
    elif kind == "mps" and not torch.backends.mps.is_available():
        raise _missing(name, "device-no-apple")
    elif kind == "xpu" and not torch.xpu.is_available():
        raise _missing(name, "device-no-intel")
    return torch.device(name)


@contextmanager
def using_threads(number: int) -> Iterator[None]:
    """torch computes with `number` threads inside, and with what it had outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe(device: torch.device, threads: int) -> str:
    """As the plan says it: "cpu, 2 threads (no GPU found)", "cuda, NVIDIA H100, 79 GiB"."""
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        return f"{device}, {facts.name}, {facts.total_memory / 2**30:.0f} GiB"
    if device.type == "cpu":
        return text("device-cpu" if torch.cuda.is_available() else "device-cpu-alone", n=threads)
    return str(device)


def machine(device: torch.device, precision: str) -> dict[str, str]:
    """What the last bits of a training depend on, beside the recipe and the number of threads."""
    return {
        "torch": torch.__version__,
        "cpu": f"{processor()} {torch.backends.cpu.get_cpu_capability()}",
        "device": describe(device, 0) if device.type == "cuda" else device.type,
        "precision": precision,
    }


def _need_cuda(name: str) -> None:
    if torch.version.cuda is None and torch.version.hip is None:
        raise _missing(name, "device-cpu-build")
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        said = str(error)
        if "too old" in said:
            version = re.search(r"found version (\d+)", said)
            raise _missing(name, "device-old-driver", version=version[1] if version else "?", build=torch.version.cuda) from error
        raise _missing(name, "device-no-driver" if "no NVIDIA driver" in said else "device-none-visible") from error


def _missing(name: str, reason: str, **facts: object) -> DeviceError:
    return DeviceError("device-missing", where=name, device=name, reason=text(reason, **facts), remedy=text(reason, "fix", **facts))
