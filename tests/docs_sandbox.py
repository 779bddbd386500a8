"""A folder in which a page's commands, Python and recipes are run, in order, as a reader would.

Three things are made smaller than on the page, and nothing else is changed:

- `flambeau fit` (but for --resume and --dry-run) and `fb.fit(..., epochs=...)` get two epochs;
- `make_photos.py` writes 4 classes of 30 photos;
- `flambeau serve` takes a free port instead of 8000.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from flambeau import cli

from docs_blocks import ROOT, Block, commands  # isort: skip

PORT = "http://127.0.0.1:8000"
EPOCHS = "2"


class Sandbox:
    """Where one page is run. What a block leaves behind is there for the next."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, smaller: bool = True) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__page__"}
        self._smaller = smaller
        self._patch = patch
        self._server: subprocess.Popen[str] | None = None
        self.url = PORT
        patch.chdir(folder)
        if not (folder / "examples").exists():
            (folder / "examples").symlink_to(ROOT / "examples")

    def close(self) -> None:
        """Stops the server, if the page started one."""
        if self._server is not None:
            self._server.terminate()
            assert self._server.wait(30) == 0
            assert self._server.stdout is not None
            self._server.stdout.close()
            self._server = None

    def run(self, block: Block) -> None:
        """Runs one block by its language; text and answers are left alone."""
        if block.language in ("bash", "console"):
            for command in commands(block):
                self.command(command)
        elif block.language == "python":
            self._python(block)
        elif block.language == "yaml":
            self._yaml(block)
        elif block.language == "json":
            json.loads(block.content)

    def command(self, line: str) -> None:
        """Runs one command line; it has to succeed."""
        words = shlex.split(line)
        if words[0] == "PYTHONPATH=.":
            self._patch.syspath_prepend(self.folder)
            words = words[1:]
        if words[:2] == ["flambeau", "serve"]:
            self._serve(words[1:])
        elif words[0] == "flambeau" and ">" not in words:
            assert cli.run(self._shortened(words[1:])) == 0, line
        else:
            self._shell(line)

    def _shortened(self, words: list[str]) -> list[str]:
        trains = words[0] == "fit" and not {"--resume", "--dry-run"} & set(words)
        if not trains or not self._smaller:
            return words
        if "--epochs" in words:
            words[words.index("--epochs") + 1] = EPOCHS
            return words
        return [*words, "--epochs", EPOCHS]

    def _shell(self, line: str) -> None:
        line = line.replace(PORT, self.url)
        if self._smaller:
            line = line.replace("make_photos.py photos", "make_photos.py photos --classes 4 --each 30")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        fail = line.replace("curl -s ", "curl -sS --fail ")
        done = subprocess.run(["bash", "-ec", fail], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def _serve(self, words: list[str]) -> None:
        self.close()
        command = [sys.executable, "-m", "flambeau", *words, "--port", "0", "--json"]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        self.url = json.loads(self._server.stdout.readline())["url"]

    def _python(self, block: Block) -> None:
        if name := _file_name(block):
            (self.folder / name).write_text(block.content, encoding="utf-8")
            return
        code = re.sub(r"(\.fit\([^()]*?)epochs=\d+", rf"\1epochs={EPOCHS}", block.content).replace(PORT, self.url)
        exec(compile(code, f"block at line {block.line}", "exec"), self.names)

    def _yaml(self, block: Block) -> None:
        from flambeau.recipe import parse

        parse(yaml.safe_load(block.content))
        if name := _file_name(block):
            (self.folder / name).write_text(block.content, encoding="utf-8")


def _file_name(block: Block) -> str:
    """The file that a block is, if its first line says so: `# net.py`."""
    first = re.match(r"# ([\w./-]+\.(?:py|yaml))\n", block.content)
    return first[1] if first else ""


def on_one_core(worker: str) -> None:
    """Keeps this process on one core: threads that wait for each other burn the time of a small machine."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        with suppress(OSError):
            os.sched_setaffinity(0, {cores[int("".join(filter(str.isdigit, worker)) or 0) % len(cores)]})
