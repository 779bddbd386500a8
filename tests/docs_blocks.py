"""Markdown pages as the tests see them: blocks of code in order, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(\w*)\s*$")
SKIP = re.compile(r"<!-- test: skip because (.+) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    content: str
    line: int
    skipped: str
    """Why it is not run; "" where it is."""


def all_pages() -> list[Path]:
    """Every page that people read, English and Chinese."""
    named = [ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*named, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    opened: tuple[str, int, str] | None = None
    inside: list[str] = []
    skipped = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened, inside = (fence[1], number, skipped), []
        elif opened is not None and line.startswith("```"):
            language, begin, why = opened
            found.append(Block(language, "\n".join(inside) + "\n", begin, why))
            opened, skipped = None, ""
        elif opened is not None:
            inside.append(line)
        elif line.strip():
            mark = SKIP.search(line)
            skipped = mark[1] if mark else ""
    assert opened is None, f"{page}: a block is not closed"
    return found


def prose(page: Path) -> str:
    """A page without its blocks."""
    lines: list[str] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def headings(page: Path) -> list[int]:
    """The level of each heading, in order."""
    return [len(found[1]) for found in re.finditer(r"^(#+) ", prose(page), re.MULTILINE)]


def links(page: Path) -> Iterator[str]:
    """What the page's links and pictures point at, without its own anchors."""
    text = prose(page)
    for found in re.finditer(r"\]\(([^)\s]+)\)|<(https?://[^>]+)>|(?:src|href)=\"([^\"]+)\"", text):
        yield next(group for group in found.groups() if group)


def commands(block: Block) -> list[str]:
    """The commands of a ```bash block, or behind the "$ " of a ```console block."""
    lines = block.content.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line[2:] for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.startswith("#")]
