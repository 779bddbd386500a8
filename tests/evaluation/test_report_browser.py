"""The report in a real browser: no error, no request, both languages, both colour schemes, keyboard, narrow screens."""

import shutil
from pathlib import Path

import pytest

from flambeau.evaluation.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STOPPED = """() => {
  window.stopped = [];
  window.ran = null;
  document.addEventListener("securitypolicyviolation", (event) => window.stopped.push(event.effectiveDirective));
  const place = document.createElement("div");
  place.innerHTML = '<p style="color: red"></p><img src="https://nowhere.invalid/x.png"><img src="data:," onerror="window.ran = 1">';
  document.body.append(place);
}"""
CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => sum + weight * linear(colour[i] / 255), 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  const judge = (element, colour, ground) => {
    const [high, low] = [light(colour), light(ground)].sort((x, y) => y - x);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) bad.push([element.textContent.slice(0, 40), element.className.baseVal ?? element.className, ratio]);
  };
  let judged = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length || ["SCRIPT", "title", "desc"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const inside = element.closest("svg");
    judged += 1;
    if (!inside) judge(element, rgba(style.color), behind(element));
    else if (element.classList.contains("count")) judge(element, rgba(style.fill), rgba(getComputedStyle(element.previousElementSibling).fill));
    else judge(element, rgba(style.fill), behind(inside));
  }
  return { bad, judged };
}"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def show(browser, tmp_path):
    """Opens the report of some facts; at the end nothing may have been said or asked for."""
    heard, contexts = [], []

    def opened(facts, scheme="light", width=1280):
        path = Path(tmp_path / "report.html")
        write_report(facts, path)
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        contexts.append(context)
        view = context.new_page()
        view.on("console", lambda message: heard.append(message.text))
        view.on("pageerror", lambda error: heard.append(str(error)))
        view.on("dialog", lambda dialog: heard.append("dialog"))
        view.on("request", lambda request: heard.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
        view.goto(path.as_uri())
        return view

    yield opened
    for context in contexts:
        context.close()
    assert heard == []


@pytest.mark.parametrize("name", ["digits", "many", "hostile", "bare", "diverged"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_and_stay_silent(show, request, name, width):
    view = show(request.getfixturevalue(name), width=width)
    assert view.evaluate("document.documentElement.scrollWidth") == width
    assert view.evaluate("document.compatMode") == "CSS1Compat"
    for place in view.locator("summary").all():
        place.click()
    assert view.evaluate("document.documentElement.scrollWidth") == width
    assert view.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")


def test_the_policy_stops_what_is_not_ours(browser, three, tmp_path):
    write_report(three, tmp_path / "report.html")
    context = browser.new_context()
    view = context.new_page()
    refused = []
    view.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    view.goto((tmp_path / "report.html").as_uri())
    assert view.evaluate("getComputedStyle(document.querySelector('.card')).borderTopLeftRadius") == "14px"
    view.evaluate(STOPPED)
    view.wait_for_function("window.stopped.length >= 3")
    assert set(view.evaluate("window.stopped")) == {"style-src-attr", "script-src-attr", "img-src"}
    assert refused == [("https://nowhere.invalid/x.png", "csp")]
    assert view.evaluate("window.ran") is None
    context.close()


def test_languages_switch_everywhere(show, three, monkeypatch):
    monkeypatch.setenv("FLAMBEAU_LANG", "en")
    view = show(three)
    assert view.locator("#test-heading").inner_text() == "Test"
    view.get_by_role("button", name="中文").click()
    assert view.locator("#test-heading").inner_text() == "测试"
    assert view.title() == "photos-1 · flambeau 报告"
    assert view.evaluate("document.documentElement.lang") == "zh-Hans"
    assert view.locator("#chart-loss-title").text_content() == "损失"
    assert view.locator("nav").get_attribute("aria-label") == "目录"
    assert view.locator("[data-language=zh-Hans]").get_attribute("aria-pressed") == "true"
    assert "Accuracy" not in view.locator("main").inner_text()
    view.get_by_role("button", name="English").click()
    assert view.locator("#test-heading").inner_text() == "Test"
    assert "准确率" not in view.locator("main").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["digits", "three"])
def test_contrast_is_enough_for_tired_eyes(show, request, name, scheme):
    view = show(request.getfixturevalue(name), scheme=scheme)
    for place in view.locator("summary").all():
        place.click()
    seen = view.evaluate(CONTRAST)
    assert seen["judged"] > 300
    assert seen["bad"] == []


def test_dark_is_dark(show, three):
    assert show(three, scheme="dark").evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"
    assert show(three).evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"


def test_everything_is_reached_by_keyboard(show, three):
    view = show(three, width=390)
    reached = []
    for _ in range(80):
        view.keyboard.press("Tab")
        reached.append(view.evaluate("(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).slice(0, 40)"))
    assert reached[0].startswith("Skip to the report")
    assert "Scores with their intervals" in reached
    assert "Scores of each class" in reached
    assert any(text.startswith("Show as a table") for text in reached)
    region = view.get_by_role("region", name="Scores of each class")
    region.focus()
    view.keyboard.press("ArrowRight")
    view.wait_for_function("document.activeElement.scrollLeft > 0")


def test_tables_sort(show, three):
    view = show(three)
    table = view.locator("table.sortable")
    recall = table.get_by_role("button", name="Recall")
    recall.click()
    column = [float(text.strip("%")) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert column == sorted(column)
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("Recall")
    recall.click()
    column = [float(text.strip("%")) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert column == sorted(column, reverse=True)
    table.get_by_role("button", name="Class").click()
    assert table.locator("tbody th").all_inner_texts() == ["cat", "dog", "fox"]


def test_print_opens_the_tables(show, three):
    view = show(three)
    view.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert view.locator("details:not([open])").count() == 0
    view.emulate_media(media="print")
    assert not view.locator(".top").is_visible()
