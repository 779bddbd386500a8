"""What all benchmarks share: CPU seconds of a child process, the machine in words, and the table of results."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "RESULTS.md"

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled once, not at every start
HEAD = """# Measured

Written by the benchmarks themselves (`make bench`). Machines differ and are shared: trust the ratios and the CPU seconds.

| what | measured | n | spread | command | machine | when |
|---|---|---|---|---|---|---|
"""


def child_seconds(command: Sequence[str], runs: int = 5) -> list[float]:
    """User and system CPU seconds of each run of a command, its own children included; the first, which warms up, is left out."""
    times = []
    for _ in range(runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return times[1:]


def flambeau(*words: str, **environment: str) -> dict[str, Any]:
    """What a command of ours prints as JSON."""
    env = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-m", "flambeau", *words, "--json"], check=True, capture_output=True, text=True, env=env)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of `work` in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def machine() -> str:
    """The processor and how many cores this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        flags = next(line for line in lines if line.startswith("flags"))
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        extensions = " ".join(word for word in ("avx512f", "amx_bf16") if word in flags)
        return f"{name}{extensions and f' ({extensions})'}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def spread(values: Sequence[float], form: str = ".3f") -> tuple[str, str]:
    """Median and range as text."""
    return format(median(values), form), f"{format(min(values), form)} to {format(max(values), form)}"


def record(what: str, measured: str, n: int, between: str, command: str) -> None:
    """Puts a row into RESULTS.md, in place of the one for the same question by the same command, and prints it."""
    row = f"| {what} | {measured} | {n} | {between} | `{command}` | {machine()} | {date.today().isoformat()} |"
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    rows = [line for line in old.removeprefix(HEAD).splitlines() if line and not (line.startswith(f"| {what} |") and f"| `{command}` |" in line)]
    RESULTS.write_text(HEAD + "\n".join([*rows, row]) + "\n", encoding="utf-8")
    print(f"{what}: {measured}  (n={n}, {between})")
