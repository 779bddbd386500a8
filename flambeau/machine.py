"""What this process may use of the machine."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path


def available_threads(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """How many threads this process may run at once: its affinity mask, cut by the quota of its control group."""
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota = _quota(groups)
    return max(1, min(allowed, int(quota))) if quota else allowed


def memory() -> int:
    """Bytes of physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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
