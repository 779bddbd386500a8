"""Names of classes and files that attack terminals, browsers, spreadsheets and YAML, through everything that `fit` writes."""

from __future__ import annotations

import csv
import html
import html.parser
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

import flambeau as fb
from flambeau.messages import printable

CLASSES = [
    "<img src=x onerror=alert(1)>",
    "=cmd|' C calc'!A0",
    "new\nline # heading",
    "\x1b[31mred\x1b[2J",
    "\u202eright to left",
    "猫 🐈 cat",
    "`code` $(touch owned) | pipe",
    "'quote\" \\ {{7*7}} ]]>",
]
FILES = ["<script>alert(1)<script>.png", "=1+1.png", "a\nb.png", "\x1b]0;owned\x07.png", "图 片 🖼.png", "-rf.png", "\u202egnp.png", "'\";--.png"]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
ATTACKS = ("<img src=x", "<img src=y", "<script>alert", "onerror=alert(1)>")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, digits_folder: Path) -> Path:
    """Real digits under hostile names; one file is broken, so that names reach the list of problems as well."""
    folder = tmp_path_factory.mktemp("data") / "<b>photos & co"
    for place, label in enumerate(CLASSES):
        (folder / label).mkdir(parents=True)
        for number, source in enumerate(sorted((digits_folder / str(place)).iterdir())[:12]):
            name = FILES[number] if number < len(FILES) else f"{number}.png"
            (folder / label / name).write_bytes(source.read_bytes())
    (folder / CLASSES[0] / "<img src=y onerror=alert(2)>.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def run(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The run, and what the commands wrote to both streams."""
    import io

    from flambeau.transcript import Transcript

    out, err = io.StringIO(), io.StringIO()
    recipe = {"inputs": {"image": {"type": "image", "augment": []}}, "network": ["flatten"], "training": {"epochs": 1}, "data": {"max_bad": 0.05}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("runs") / "run"
        fb.fit(hostile, recipe=recipe, run=folder, show=Transcript(out, err, live=False))
    return folder, out.getvalue(), err.getvalue()


class Page(html.parser.HTMLParser):
    """Collects the elements and the attributes of a page, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_labels_are_the_names(run: tuple[Path, str, str], flambeau: Callable[..., Any], hostile: Path) -> None:
    assert set(fb.load(run[0]).labels) == set(CLASSES)
    picture = hostile / CLASSES[3] / FILES[3]
    outcome = flambeau("predict", run[0], picture, "--json")
    [entry] = outcome.json["predictions"]
    assert set(entry["probabilities"]) == set(CLASSES)
    assert entry["input"] == str(picture)
    assert "\x1b" not in outcome.out
    shown = flambeau("predict", run[0], picture, hostile / CLASSES[0] / "<img src=y onerror=alert(2)>.png", hostile / "\x1b[31mnone")
    assert shown.code == 3
    assert not CONTROL.search(shown.out + shown.err)
    assert len(shown.out.splitlines()) == 1


def test_the_terminal_is_not_moved(run: tuple[Path, str, str], flambeau: Callable[..., Any], hostile: Path) -> None:
    _, out, err = run
    assert not CONTROL.search(out + err)
    assert "\\x1b[31mred" in err
    assert "new\\x0aline" in err
    assert "猫 🐈 cat" in err
    for arguments in (["test", run[0]], ["show", run[0]], ["check", hostile, "--max-bad", "5%"], ["check", hostile / "\x1b[2Jno"]):
        outcome = flambeau(*arguments)
        assert not CONTROL.search(outcome.out + outcome.err)
        assert not any(line.startswith("line # heading") for line in (outcome.out + outcome.err).splitlines())


def test_the_report_shows_names_and_runs_nothing(run: tuple[Path, str, str]) -> None:
    for path in (run[0] / "report.html", run[0] / "model.flambeau/report.html"):
        content = path.read_text(encoding="utf-8")
        page = Page()
        page.feed(content)
        assert not any(name.startswith("on") for name, _ in page.attributes)
        assert not any(attack in content for attack in ATTACKS)
        images = [value or "" for name, value in page.attributes if name == "src"]
        assert all(value.startswith("data:image/") for value in images)
        assert not any((value or "").startswith(("http", "//", "javascript:")) for name, value in page.attributes if name in ("href", "src"))
        assert not CONTROL.search(content)
        assert "Content-Security-Policy" in content
        text = " ".join(page.text)
        assert "<img src=x onerror=alert(1)>" in text
        assert "猫 🐈 cat" in text


def test_markdown_stays_markdown(run: tuple[Path, str, str]) -> None:
    for path in (run[0] / "data.md", run[0] / "model.flambeau/README.md"):
        content = path.read_text(encoding="utf-8")
        assert not any(attack in content for attack in ATTACKS)
        assert not CONTROL.search(content)
        assert not any(line.startswith("line # heading") for line in content.splitlines())
        lines = content.splitlines()
        for first, row in pairwise(lines):
            if first.startswith("|") and row.startswith("|"):
                assert len(re.findall(r"(?<!\\)\|", first)) == len(re.findall(r"(?<!\\)\|", row)), row
    card = (run[0] / "model.flambeau/README.md").read_text(encoding="utf-8")
    head = card.split("---\n")[1]
    assert set(yaml.safe_load(head)) == {"library_name", "tags"}
    cells = {html.unescape(line[2:].partition(" | ")[0]) for line in card.splitlines() if line.startswith("| ")}
    assert cells >= {printable(label) for label in CLASSES}, "whoever reads it as Markdown sees the names"
    assert "# <b>photos & co" in map(html.unescape, card.splitlines())


def test_a_spreadsheet_computes_nothing(run: tuple[Path, str, str]) -> None:
    with (run[0] / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 * len(CLASSES) + 1
    assert {row["label"].removeprefix("'") for row in rows} >= {"=cmd|' C calc'!A0", "猫 🐈 cat"}
    for row in rows:
        assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values())


def test_the_test_split_is_found_again_by_hostile_names(run: tuple[Path, str, str]) -> None:
    assert fb.test(run[0], show=fb.silent).test == fb.load(run[0]).test


def test_the_log_has_a_line_for_each_warning(run: tuple[Path, str, str]) -> None:
    lines = (run[0] / "log.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(re.match(r"\[[a-z0-9-]+\] ", line) for line in lines)
    assert not CONTROL.search("".join(lines))


def test_every_json_is_json(run: tuple[Path, str, str]) -> None:
    for path in run[0].rglob("*.json"):
        json.loads(path.read_bytes())
    assert json.loads((run[0] / "model.flambeau/signature.json").read_bytes())["labels"] == list(fb.load(run[0]).labels)
    recipe = yaml.safe_load((run[0] / "recipe.resolved.yaml").read_text(encoding="utf-8"))
    assert recipe["data"]["folder"].endswith("<b>photos & co")


def test_the_server_sends_names_as_data(run: tuple[Path, str, str], spawn: Callable[..., subprocess.Popen[str]], picture: Path) -> None:
    process = spawn("serve", run[0], "--port", 0, "--json")
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        for place in ("/", "/docs", "/metrics", "/openapi.json", "/v2"):
            with urllib.request.urlopen(f"{url}{place}", timeout=10) as response:
                body = response.read().decode()
                if "html" in response.headers["Content-Type"]:
                    assert not any(attack in body for attack in ATTACKS)
                    assert "default-src" in response.headers["Content-Security-Policy"]
                if "json" not in response.headers["Content-Type"]:
                    assert not CONTROL.search(body)
        request = urllib.request.Request(f"{url}/predict", picture.read_bytes(), {"Content-Type": "image/png"})
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.headers["Content-Type"].startswith("application/json")
            assert set(json.load(response)["predictions"][0]["probabilities"]) == set(CLASSES)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_run_is_named_safely(hostile: Path, tmp_path: Path, flambeau: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    """The name of the data becomes a folder, and a command to be copied."""
    monkeypatch.chdir(tmp_path)
    outcome = flambeau("fit", hostile, "--recipe", tiny, "--epochs", 1, "--max-bad", "5%")
    assert outcome.code == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["b-photos-co-1"]
    spaced = flambeau("fit", hostile, "--recipe", tiny, "--epochs", 1, "--max-bad", "5%", "--run", tmp_path / "my $(run)")
    assert "flambeau serve   'my $(run)'" in spaced.out


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_names_that_are_no_text(digits_folder: Path, tmp_path: Path, flambeau: Callable[..., Any], tiny: Path) -> None:
    """On Linux a file name is any bytes."""
    for place, label in enumerate((b"caf\xe9", b"th\xe9")):
        folder = tmp_path / "data" / os.fsdecode(label)
        folder.mkdir(parents=True)
        for number, source in enumerate(sorted((digits_folder / str(place)).iterdir())[:20]):
            (folder / os.fsdecode(b"\xff%d.png" % number)).write_bytes(source.read_bytes())
    run = tmp_path / "run"
    outcome = flambeau("fit", tmp_path / "data", "--recipe", tiny, "--run", run, "--json")
    assert outcome.code == 0, outcome.out
    assert fb.load(run).labels == ("caf\\xe9", "th\\xe9")
    assert flambeau("test", run, "--json").json["test"] == outcome.json["test"]
    (run / "split.csv").read_text(encoding="utf-8")
    file = next((tmp_path / "data").rglob("*.png"))
    answered = flambeau("predict", run, file, "--json")
    assert answered.code == 0
    assert answered.json["predictions"][0]["input"] == str(file)
