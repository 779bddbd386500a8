"""Makes what the documentation shows: outputs of commands, pictures, and the reference pages. Nothing is typed by hand.

    python docs/make_docs.py               everything
    python docs/make_docs.py --reference   the pages that are written from the program itself, in a second

A page is run from top to bottom in an empty folder. The output of a ```bash block goes between the next pair of
<!-- output --> markers; long tables of epochs are cut in the middle.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image
from reference import pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
RUN_PAGES = {
    "en": (ROOT / "README.md", ROOT / "docs" / "en" / "worked-example.md"),
    "zh": (ROOT / "README.zh-CN.md", ROOT / "docs" / "zh" / "worked-example.md"),
}
BLOCK = re.compile(r"(?P<skip><!-- test: skip[^\n]*-->\n)?```(?P<language>\w+)\n(?P<code>.*?)```\n|<!-- output -->\n.*?<!-- /output -->\n", re.DOTALL)
NAMED = re.compile(r"# ([\w-]+\.(?:py|yaml))\n")
"""First line of a block that is a file."""
EPOCH = re.compile(r"\s+\d+(?:\s+[\d.]+){2}(?:\s+[\d.]+%){2}\s")
HEAD, TAIL = 3, 4
"""Epochs that are shown at both ends of a long table."""
SERVER = "http://127.0.0.1:8000"
BROWSER = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main() -> None:
    """Writes all or the reference alone."""
    parser = argparse.ArgumentParser(description="Makes what the documentation shows.")
    parser.add_argument("--reference", action="store_true", help="only the pages that are written from the program itself")
    parser.add_argument("--language", choices=list(RUN_PAGES), help="only the pages of this language are run")
    given = parser.parse_args()
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
    if given.reference:
        return
    PICTURES.mkdir(exist_ok=True)
    for language in [given.language] if given.language else RUN_PAGES:
        for page in RUN_PAGES[language]:
            with tempfile.TemporaryDirectory() as folder:
                page.write_text(run_page(page, Path(folder), language), encoding="utf-8")
                if language == "en" and page.name == "README.md":
                    take_pictures(Path(folder))


def run_page(page: Path, folder: Path, language: str) -> str:
    """A page -> the same with the outputs of its commands, run in `folder`."""
    (folder / "examples").symlink_to(ROOT / "examples")
    said = ""

    def filled(match: re.Match[str]) -> str:
        nonlocal said
        if match["language"] is None:
            return f"<!-- output -->\n```text\n{said}\n```\n<!-- /output -->\n"
        if match["language"] == "bash" and not match["skip"]:
            said = shell.run(match["code"])
        elif named := NAMED.match(match["code"]):
            (folder / named[1]).write_text(match["code"], encoding="utf-8")
        return match[0]

    with Shell(folder, language) as shell:
        return BLOCK.sub(filled, page.read_text(encoding="utf-8"))


class Shell:
    """Runs commands in one folder, with a cache and a language of its own; a server goes on until the next one."""

    def __init__(self, folder: Path, language: str) -> None:
        self._folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "FLAMBEAU_CACHE": str(folder / ".cache"), "FLAMBEAU_LANG": language}
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, code: str) -> str:
        """Commands -> what they print, with paths as seen from the folder."""
        print(code.strip(), flush=True)
        if code.startswith("flambeau serve"):
            return self._serve(code)
        done = subprocess.run(
            ["bash", "-ec", code], cwd=self._folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise SystemExit(done.stdout)
        # /private: where macOS keeps its temporary folders
        return shortened(done.stdout.replace(f"/private{self._folder}/", "").replace(f"{self._folder}/", ""))

    def _serve(self, code: str) -> str:
        self._stop()
        log = self._folder / ".server.log"
        with log.open("w") as out:
            self._server = subprocess.Popen(shlex.split(code), cwd=self._folder, env=self._environment, stdout=out)
        for _ in range(300):
            if log.read_text(encoding="utf-8"):
                return log.read_text(encoding="utf-8").strip()
            time.sleep(0.1)
        raise SystemExit("the server did not start")

    def _stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(30)
            self._server = None


def shortened(output: str) -> str:
    """An output without the middle of a long table of epochs; the best epoch stays."""
    lines = output.rstrip().splitlines()
    epochs = [number for number, line in enumerate(lines) if EPOCH.match(line)]
    if len(epochs) > HEAD + TAIL + 1:
        best = [number for number in epochs if "<-" in lines[number]][-1:]
        kept = sorted({*epochs[:HEAD], *best, *epochs[-TAIL:]})
        for before, after in reversed(list(pairwise(kept))):
            if after > before + 1:
                lines[before + 1 : after] = ["     …"]
    return "\n".join(line.rstrip() for line in lines)


def take_pictures(folder: Path) -> None:
    """Report and playground of the run in `folder` as pictures, and a sheet of its photos."""
    _sheet(folder / "photos").save(PICTURES / "noisy_photos.png", optimize=True)
    run = next((folder / "runs").iterdir())
    with Shell(folder, "en") as shell, _browser() as browser:
        shell.run(f"flambeau serve {run.relative_to(folder)}")
        _wait()
        page = browser.new_page(viewport={"width": 1100, "height": 720}, color_scheme="light", locale="en-GB")
        page.goto(SERVER)
        page.set_input_files("input[type=file]", [str(folder / "photos" / label / "003.jpg") for label in ("2", "5")])
        page.wait_for_timeout(2500)
        page.screenshot(path=PICTURES / "playground.png")
        page.goto((run / "report.html").as_uri())
        page.wait_for_timeout(1000)
        page.screenshot(path=PICTURES / "report.png", clip={"x": 0, "y": 0, "width": 1100, "height": 740}, full_page=True)
    for name in ("playground", "report"):
        picture = Image.open(PICTURES / f"{name}.png").convert("RGB")
        picture.quantize(192, Image.Quantize.MEDIANCUT).save(PICTURES / f"{name}.png", optimize=True)


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=list(BROWSER))
        yield browser
        browser.close()


def _wait() -> None:
    for _ in range(100):
        try:
            urlopen(f"{SERVER}/v2/health/ready").close()
        except URLError:
            time.sleep(0.1)
        else:
            return


def _sheet(photos: Path, columns: int = 14) -> Image.Image:
    """The first photos of each class, one row a class."""
    rows = [sorted(folder.iterdir())[:columns] for folder in sorted(photos.iterdir())]
    side = Image.open(rows[0][0]).size[0]
    sheet = Image.new("RGB", (columns * side, len(rows) * side))
    for down, row in enumerate(rows):
        for across, file in enumerate(row):
            sheet.paste(Image.open(file), (across * side, down * side))
    return sheet.quantize(160, Image.Quantize.MEDIANCUT)


if __name__ == "__main__":
    main()
