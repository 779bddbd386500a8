"""What this process may use of the machine."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of malloc.h: bytes at the end of the heap from which it shrinks, and of a block from which it gets pages of its own."""
_LARGEST = 2**31 - 1


def available_threads(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """How many threads this process may run at once: its affinity mask, cut by the quota of its control group."""
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota = _quota(groups)
    return max(1, min(allowed, int(quota))) if quota else allowed


def memory(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of physical memory, cut by the limit of the control group of this process."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in (groups / "memory.max", groups / "memory" / "memory.limit_in_bytes"):  # version 2, version 1
        with suppress(OSError, ValueError):  # not there, or "max"
            return min(physical, int(file.read_text()))
    return physical


def hangups() -> tuple[int, ...]:
    """SIGHUP, which a terminal that goes sends; under nohup it is ignored, and stays so."""
    number = getattr(signal, "SIGHUP", None)
    return () if number is None or signal.getsignal(number) == signal.SIG_IGN else (number,)


def keep_freed_memory() -> None:
    """Lets the allocator of this process keep what a step frees for the next one.

    By default glibc hands every large block back at once and gets it again as empty pages, up to 8,000 page faults a step: half of the
    time of an epoch over large pictures without a network, and a quarter of what a photo of 12 megapixels takes to be read. Elsewhere
    than on Linux with glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another system, another C library
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    mallopt(_M_TRIM_THRESHOLD, _LARGEST)


def import_onnxruntime() -> Any:
    """ONNX Runtime, with what it tells its makers switched off: its packages for Linux send the path of this program, the processor and more
    to mobile.events.data.microsoft.com, and keep a number for this machine in the home folder.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when it is imported first
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def processor() -> str:
    """The processor's model."""
    try:
        model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:  # not Linux
        model = None
    return model[1] if model else platform.processor() or platform.machine()


def _quota(groups: Path) -> float | None:
    """CPUs that the control group grants, as a number; None where there is no limit."""
    try:
        granted, period = (groups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return _quota_of_version_1(groups / "cpu")
    return None if granted == "max" else int(granted) / int(period)


def _quota_of_version_1(group: Path) -> float | None:
    try:
        granted, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    except (OSError, ValueError):
        return None
    return granted / period if granted > 0 else None
