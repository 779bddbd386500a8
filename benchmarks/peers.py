"""Virtual environments of the libraries that we are compared with, made when a benchmark first needs one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HOME = Path(tempfile.gettempdir()) / "flambeau-peers"
ONE_CORE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def environment(name: str, installs: Sequence[Sequence[str]], imports: str, with_ours: bool) -> tuple[Path | None, str]:
    """The interpreter of a peer and "", or None and why it cannot be had.

    Args:
        name: of its folder.
        installs: arguments of `pip install`, one list a call.
        imports: a statement that must run in it.
        with_ours: whether it sees the packages of this interpreter behind its own, so that both sides have the same torch.
    """
    folder = HOME / name
    python = folder / "bin" / "python"
    if not (folder / ".complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        if with_ours:
            [site] = folder.glob("lib/python*/site-packages")
            (site / "ours.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        for words in installs:
            done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words], capture_output=True, text=True)
            if done.returncode:
                return None, _last_line(done.stderr)
        (folder / ".complete").touch()
    tried = subprocess.run([python, "-c", imports], capture_output=True, text=True)
    return (python, "") if tried.returncode == 0 else (None, _last_line(tried.stderr))


def measurement(python: str | Path, script: Path, *words: str, extra: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What a script prints as JSON in its last line, run on one core."""
    done = subprocess.run([python, script, *words], capture_output=True, text=True, env={**extra, **ONE_CORE})
    if done.returncode:
        sys.exit(f"{script.name} {' '.join(words)} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1][:200]
