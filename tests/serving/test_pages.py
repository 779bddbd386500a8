"""The playground and the API reference, first as files, then in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import flambeau.serving
from flambeau.messages import catalogue
from flambeau.serving.wire import CELLS, OF_OTHERS, WIRES, octets_from_base64

FOLDER = Path(flambeau.serving.__file__).parent / "playground"
FILES = sorted(FOLDER.iterdir())
SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in FILES)


def test_pages_are_small_and_bring_everything_along():
    assert sum(path.stat().st_size for path in FILES) < 62_000
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"^\s*//.*$", "", SCRIPTS, flags=re.MULTILINE)))
    assert addresses <= {"http://www.w3.org"}  # the name of SVG, which nobody fetches
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|<script>|<style>|\son\w+=\"|style=", SCRIPTS)


def test_every_word_of_the_pages_is_in_both_catalogues():
    used = set(re.findall(r'data-(?:word|label|hint)(?:"?[=:] ?)"([a-z0-9-]+)"', SCRIPTS)) | {"decode", "queue", "model"}
    used |= set(re.findall(r'\b(?:word|press|unfold|figure|withDevice)\("([a-z0-9-]+)"', SCRIPTS))
    used |= set(re.findall(r'\bsaid\("\w+", "([a-z0-9-]+)"', SCRIPTS))
    used |= set(re.findall(r'\b(?:note|title|hint): "([a-z0-9-]+)"', SCRIPTS))
    assert len(used) > 50
    for language in ("en", "zh"):
        known = {key.removeprefix("playground-") for key in catalogue(language) if key.startswith("playground-")}
        assert used <= known
        assert known <= used | set(re.findall(r'"([a-z0-9-]+)"', SCRIPTS))  # also those that a script chooses between


def test_both_languages_have_the_same_keys_and_facts():
    english, chinese = catalogue("en"), catalogue("zh")
    ours = [key for key in english if key.startswith(("playground-", "kind-", "request-", "tensor-", "body-", "header-", "queue-"))]
    assert len(ours) > 50
    for key in ours:
        assert english[key].keys() == chinese[key].keys()
        for part, text in english[key].items():
            assert set(re.findall(r"\{(\w+)", text)) == set(re.findall(r"\{(\w+)", chinese[key][part]))


def test_every_wire_has_a_widget_and_the_reverse():
    """What the widgets can do is seen in a browser, by `test_playground`."""
    [widgets] = re.findall(r"export const widgets = \{ ([\w, ]+) \};", SCRIPTS)
    assert sorted(widgets.split(", ")) == sorted({**WIRES, **OF_OTHERS})
    for name in {**WIRES, **OF_OTHERS}:
        [members] = re.findall(rf"^export const {name} = \{{\n(.*?)^\}};", SCRIPTS, re.MULTILINE | re.DOTALL)
        assert set(re.findall(r"^  (\w+):", members, re.MULTILINE)) == {"mount", "control", "original", "seen", "note"}


def test_every_kind_of_cell_has_a_control_and_the_reverse():
    [cells] = re.findall(r"^const cells = \{\n(.*?)^\};", SCRIPTS, re.MULTILINE | re.DOTALL)
    assert sorted(re.findall(r"^  (\w+): \(", cells, re.MULTILINE)) == sorted(CELLS)
    assert not set(CELLS) & set(WIRES)


def test_pages_come_in_the_language_of_the_browser(client):
    assert 'lang="en"' in client.get("/").text and "Playground" in client.get("/").text
    chinese = client.get("/", headers={"accept-language": "zh-CN,zh;q=0.9"}).text
    assert 'lang="zh"' in chinese and catalogue("zh")["playground-title"]["what"] in chinese
    assert client.get("/docs").headers["content-type"].startswith("text/html")
    assert client.get("/words.json").json()["zh"]["title"] == catalogue("zh")["playground-title"]["what"]


def test_model_tells_what_it_takes_and_how_good_it_is(client, limits):
    about = client.get("/model").json()
    assert about["name"] == "digits" and about["inputs"] == {"image": {"type": "image"}}
    assert about["fields"] == {"image": {"kind": "image"}}
    assert about["test"]["accuracy"]["n"] == 450
    assert about["limits"] == {"max_body_bytes": limits.max_body_bytes, "max_items": 64}


def test_openapi_describes_what_the_server_says(client, pictures):
    jsonschema = pytest.importorskip("jsonschema")
    api = client.get("/openapi.json").json()
    assert api["openapi"] == "3.1.0"
    defined = {path for path in api["paths"] for _ in api["paths"][path]}
    for path in defined:
        method = next(iter(api["paths"][path]))
        assert client.request(method, path).status_code != 404
    schemas = {"$defs": api["components"]["schemas"]}

    def check(name, value):
        text = re.sub("#/components/schemas/", "#/$defs/", json.dumps({**schemas, "$ref": f"#/components/schemas/{name}"}))
        jsonschema.Draft202012Validator(json.loads(text)).validate(value)

    files = [("file", pictures[0]), ("file", b"bad")]
    check("Predictions", client.post("/predict", files=files).json())
    check("Predictions", client.post("/predict?preview=1", files=files).json())
    check("Problem", client.post("/predict", content=b"", headers={"content-type": "image/png"}).json())
    check("Problem", client.get("/nothing").json())
    zeros = {"inputs": [{"name": "image", "shape": [1, 1, 8, 8], "datatype": "UINT8", "data": [0] * 64}]}
    check("InferRequest", zeros)
    check("InferResponse", client.post("/v2/models/digits/infer", json=zeros).json())


def test_base64_gives_the_bytes_back():
    assert octets_from_base64("aGVsbG8=", "image") == b"hello"


@pytest.fixture
def page(open_page, address):
    return open_page(address)


@pytest.mark.browser
def test_an_upload_shows_the_answer_of_the_api(page, address, pictures, tmp_path):
    names = ["plain.png", "it's <b>bold<b> \U0001f525 图.png"]
    for name, data in zip(names, pictures, strict=False):
        (tmp_path / name).write_bytes(data)
    page.set_input_files("#choose", [tmp_path / name for name in names])
    page.locator(".card .code").nth(1).wait_for()
    for name, data in zip(names, pictures, strict=False):
        answer = httpx.post(f"{address}/predict", content=data, headers={"content-type": "image/png"}).json()["predictions"][0]
        card = page.get_by_role("article", name=name)
        assert card.locator("h3").text_content() == answer["label"]
        assert card.locator(".verdict span").text_content() == f"{100 * answer['confidence']:.1f}%"
        assert card.locator("figure img").count() == 2
        assert [one.text_content() for one in card.locator(".bars .label").all()] == list(answer["probabilities"])[:5]
        assert "model" in card.locator(".times").text_content()
    page.locator(".more").first.click()
    assert page.locator(".card").first.locator(".bars li").count() == 10
    page.locator("summary").first.click()
    curl = page.locator("pre").first.text_content()
    assert f"{address}/predict" in curl and "'@it'\\''s" in curl
    page.get_by_role("tab", name="JSON").first.click()
    assert '"predictions"' in page.locator("pre").first.text_content()
    page.keyboard.press("ArrowLeft")
    assert "await fetch(" in page.locator("pre").first.text_content()
    page.get_by_role("button", name="Clear all").click()
    assert page.locator(".card").count() == 0
    assert page.said == []
    assert {urlsplit(url).netloc for url in page.asked if not url.startswith(("blob:", "data:"))} == {urlsplit(address).netloc}


@pytest.mark.browser
def test_an_error_is_shown_as_the_api_gave_it(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.set_input_files("#choose", tmp_path / "broken.png")
    page.get_by_role("alert").wait_for()
    shown = page.get_by_role("alert").text_content()
    assert catalogue("en")["image-unreadable"]["what"] in shown and "422 image-unreadable" in shown


@pytest.mark.browser
def test_the_language_changes_and_is_remembered(page):
    page.locator("#language").click()
    chinese = catalogue("zh")
    assert page.locator(".drop strong").text_content() == chinese["playground-drop"]["what"]
    page.reload()
    page.locator("#choose").wait_for(state="attached")
    assert page.locator(".drop strong").text_content() == chinese["playground-drop"]["what"]
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.said == []


@pytest.mark.browser
def test_the_reference_shows_every_path(page, address):
    page.goto(f"{address}/docs")
    page.locator(".way").first.wait_for()
    shown = page.locator("#ways").text_content()
    for path in httpx.get(f"{address}/openapi.json").json()["paths"]:
        assert path in shown
    assert page.said == []
