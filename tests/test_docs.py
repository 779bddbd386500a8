"""What README and docs show runs, what they link to is there, and English and Chinese say the same."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "docs")]

from docs_blocks import ROOT, all_pages, blocks, headings, links, prose  # noqa: E402
from docs_sandbox import Sandbox, on_one_core  # noqa: E402

ENGLISH, CHINESE = ROOT / "docs" / "en", ROOT / "docs" / "zh"
PAIRS = [(ROOT / "README.md", ROOT / "README.zh-CN.md"), *((page, CHINESE / page.name) for page in sorted(ENGLISH.glob("*.md")))]
OWN_TEST = {"worked-example.md"}
"""Pages that have a test file of their own."""
FROM_SCRATCH = {"README.md", "README.zh-CN.md", "quickstart.md"}
RUN = [page for page, _ in PAIRS if page.name not in OWN_TEST]
SKIPPABLE = re.compile(r"it installs|it serves until it is stopped")
SAME = ("bash", "python", "yaml", "json", "javascript", "cpp")
"""Languages whose blocks are alike on the English and the Chinese page; transcripts are in the reader's language."""
NAMES = [str(page.relative_to(ROOT)) for page in all_pages()]


@pytest.fixture(scope="module", autouse=True)
def quiet_machine() -> Iterator[None]:
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    on_one_core(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))
    yield
    if before is not None:
        os.sched_setaffinity(0, before)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has after the quickstart: photos/, new.jpg and a finished run."""
    sys.path.insert(0, str(ROOT / "examples" / "noisy_photos"))
    from make_photos import write_photos

    import flambeau as fb

    folder = tmp_path_factory.mktemp("reader")
    photos = write_photos(folder / "photos", classes=4, each=30)
    shutil.copy(photos / "3" / "007.jpg", folder / "new.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(folder)
        fb.fit("photos", epochs=2, settings=("inputs.image.size=32",), run="runs/photos-1", show=fb.silent)
    return folder


@pytest.fixture
def sandbox(prepared: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The reader's folder; for a page that begins at the beginning, one without runs."""
    folder = prepared
    if "page" in request.fixturenames and request.getfixturevalue("page").name in FROM_SCRATCH:
        folder = tmp_path / "reader"
        shutil.copytree(prepared / "photos", folder / "photos")
        shutil.copy(prepared / "new.jpg", folder)
    opened = Sandbox(folder, monkeypatch)
    yield opened
    opened.close()


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_block_of_a_page_runs(page: Path, sandbox: Sandbox) -> None:
    for block in blocks(page):
        if block.skipped:
            assert SKIPPABLE.search(block.skipped), f"{page.name}:{block.line}"
            continue
        try:
            sandbox.run(block)
        except BaseException as error:
            error.add_note(f"{page.relative_to(ROOT)}:{block.line}")
            raise


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere_in_the_repository(name: str) -> None:
    page = ROOT / name
    for link in links(page):
        if link.startswith(("http://127.0.0.1", "https://", "#")):
            continue
        target = (page.parent / link.partition("#")[0]).resolve()
        assert target.is_relative_to(ROOT), f"{name}: {link} points outside"
        assert target.exists(), f"{name}: {link} is not there"
        if anchor := link.partition("#")[2]:
            assert anchor in _anchors(target), f"{name}: {link}"


def _anchors(page: Path) -> list[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=lambda page: page.name)
def test_english_and_chinese_have_the_same_headings_and_code(english: Path, chinese: Path) -> None:
    assert headings(english) == headings(chinese)
    ours, theirs = blocks(english), blocks(chinese)
    assert [block.language for block in ours] == [block.language for block in theirs]
    assert [block.content for block in ours if block.language in SAME] == [block.content for block in theirs if block.language in SAME]


def test_every_chinese_page_has_an_english_one() -> None:
    assert sorted(page.name for page in CHINESE.glob("*.md")) == sorted(page.name for page in ENGLISH.glob("*.md"))


@pytest.mark.parametrize(
    "page", [chinese for _, chinese in PAIRS if chinese.name not in ("architectures.md", "layers.md", "optimizers.md", "recipe.md")], ids=str
)
def test_chinese_prose_has_full_width_punctuation(page: Path) -> None:
    text = re.sub(r"`[^`]*`", "`", prose(page))
    assert not re.findall(r"[\u4e00-\u9fff][,;:!?]|[\u4e00-\u9fff]\.(?!\w)|[,;:!?()][\u4e00-\u9fff]", re.sub(r"\]\([^)]*\)", "]", text))


@pytest.mark.parametrize("name", NAMES)
def test_no_page_names_a_machine(name: str) -> None:
    assert not re.search(r"/(?:tmp|home|work|root|Users)/", (ROOT / name).read_text(encoding="utf-8"))


def test_generated_pages_are_up_to_date() -> None:
    from reference import pages

    for path, content in pages().items():
        assert path.read_text(encoding="utf-8") == content, f"{path.name} is not what the program says: make docs"


@pytest.mark.parametrize("page", sorted(ENGLISH.glob("*.md")), ids=lambda page: page.name)
def test_every_page_starts_with_a_command(page: Path) -> None:
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert lines[0].startswith("# ")
    assert lines[1] == "```bash"


def test_pictures_are_small() -> None:
    for picture in (ROOT / "docs" / "pictures").glob("*.png"):
        assert picture.stat().st_size < 300_000, picture.name


@pytest.mark.browser
def test_the_javascript_of_the_serving_page_gets_an_answer(sandbox: Sandbox) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium")
    from make_docs import BROWSER
    from playwright.sync_api import sync_playwright

    [block] = [block for block in blocks(ENGLISH / "serving.md") if block.language == "javascript"]
    sandbox.command("flambeau serve runs/photos-1")
    picture = list((sandbox.folder / "new.jpg").read_bytes())
    script = f"async (picture) => {{ const file = new Blob([new Uint8Array(picture)]); {block.content}; return predictions; }}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER))
        page = browser.new_page()
        page.goto(sandbox.url)
        answer = page.evaluate(script.replace("http://127.0.0.1:8000", sandbox.url), picture)
        browser.close()
    assert set(answer[0]["probabilities"]) == {"0", "1", "2", "3"}
