"""The playground in a real browser, for every modality and every task: models trained in seconds on real data, and the shown code run."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import time
import wave
from datetime import date, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

import flambeau as fb
from flambeau.messages import catalogue
from flambeau.serving.model import ServedModel

pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).parents[2] / "examples"
TABS = {"curl": ["bash"], "Python": [sys.executable], "JavaScript": ["node", "--input-type=module"]}
TRAINED = {"epochs": 1, "stop_early": None}
SECONDS = 0.4
"""Least length of a recording."""


def example(name):
    """A script of the examples as a module."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(key, **facts):
    return catalogue("en")[f"playground-{key}"]["what"].format(**facts)


def number(value):
    """As the page writes it: six digits that count, thousands apart."""
    text = f"{value:.6g}"
    assert "e" not in text
    return f"{float(text):,.10f}".rstrip("0").rstrip(".")


def percent(share):
    return f"{100 * share:.1f}%"


@pytest.fixture(scope="module")
def serve_trained(tmp_path_factory, run_server, limits):
    """Trains on data for one epoch and serves the model: its address, the loaded model, and what /model says."""
    open_servers = []

    def trained(data, **options):
        recipe = {"training": TRAINED, **options.pop("recipe", {})}
        run = fb.fit(data, recipe=recipe, run=tmp_path_factory.mktemp("runs") / "run", show=fb.silent, **options)
        model = fb.load(run.path, threads=1)
        loaded = model.artifact
        server = run_server(ServedModel(loaded.predictor, loaded.name, loaded.signature, "onnxruntime"), limits)
        open_servers.append(server)
        address = server.__enter__()
        return address, model, httpx.get(f"{address}/model").json()

    yield trained
    for server in open_servers:
        server.__exit__(None, None, None)


def card(page, place=0):
    found = page.locator(".card").nth(place)
    found.locator(".code").wait_for()
    return found


def shown_code(found):
    """The four tabs of a card, by name."""
    found.locator("summary").click()
    texts = {}
    for tab in found.get_by_role("tab").all():
        tab.click()
        texts[tab.text_content()] = found.locator("pre").text_content()
    return texts


def run_code(found, folder, *only):
    """Every tab, copied and run in a folder that has the files, gives what the page got: its prediction."""
    texts = shown_code(found)
    expected = json.loads(texts.pop("JSON"))
    assert set(texts) == set(TABS)
    for name in only or TABS:
        text = texts[name]
        if not shutil.which(TABS[name][0]):
            assert name == "JavaScript"
            continue
        if name == "JavaScript":
            text = text.replace("console.log(await response.json())", "console.log(JSON.stringify(await response.json()))")
        if name == "Python":
            text = text.replace("print(json.load(urlopen(request)))", "print(json.dumps(json.load(urlopen(request))))")
        done = subprocess.run(TABS[name], input=text, cwd=folder, capture_output=True, encoding="utf-8", timeout=30)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == expected, name
    return expected["predictions"][0]


def until(page, expression):
    """Waits for it. The page forbids the way in which Playwright itself would."""
    end = time.monotonic() + 10
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def reference_works(page, address):
    """The first example of /predict in the API reference, run as it stands, is answered."""
    page.goto(f"{address}/docs")
    page.locator(".way").first.wait_for()
    command = next(text for text in page.locator(".way").first.locator("pre").all_text_contents() if "application/json" in text)
    done = subprocess.run(["bash"], input=command, capture_output=True, encoding="utf-8", timeout=30)
    assert set(json.loads(done.stdout)) == {"predictions"}
    assert page.said == []
    return page.locator("#ways").text_content()


def looks_right(page):
    """Nothing on the console, nothing from elsewhere, nothing wider than a telephone, in both languages."""
    page.set_viewport_size({"width": 360, "height": 800})
    for _ in range(2):
        page.locator("#language").click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.evaluate("[...document.querySelectorAll('[data-word]')].every((place) => place.textContent && !/[{}]/.test(place.textContent))")
    assert page.said == []
    hosts = {url.split("/")[2] for url in page.asked if url.startswith("http")}
    assert len(hosts) == 1


def test_a_text(serve_trained, open_page, tmp_path):
    reviews = example("texts/make_reviews.py").write_reviews(tmp_path / "reviews.csv")
    address, model, about = serve_trained(reviews, target="label", recipe={"network": [{"embedding": 4}, "global_avg_pool"]})
    assert about["fields"] == {"text": {"kind": "text"}}
    page = open_page(address)
    accuracy = about["test"]["accuracy"]
    assert percent(accuracy["value"]) in page.locator("#score").text_content()
    said = 'a good book, it\'s <b>bold</b> $HOME `id` \\ "quoted" 真的不错\nand\n' + "again and " * 60 + "unheard"
    page.get_by_label(words("text-label")).fill(said)
    page.keyboard.press("Control+Enter")
    found = card(page)
    [expected] = model.predict([said])
    assert found.locator("h3").text_content() == expected.label
    assert found.locator(".verdict span").text_content() == percent(expected.confidence)
    assert found.locator(".quote").text_content() == said
    clamped = found.locator(".quote").bounding_box()["height"]
    found.get_by_role("button", name=words("show-text")).click()
    assert found.locator(".quote").bounding_box()["height"] > clamped
    preprocessor = model.artifact.predictor.inputs["text"]
    assert " ".join(found.locator(".words span").all_text_contents()) == preprocessor.excerpt(preprocessor.encode(said))
    assert found.locator(".words .unknown").count() > 0
    assert run_code(found, tmp_path)["label"] == expected.label
    page.get_by_label(words("text-label")).fill("@nothing.txt")
    page.get_by_role("button", name=words("ask")).click()
    page.locator(".card").nth(1).wait_for()
    assert run_code(card(page), tmp_path, "curl")["probabilities"] == pytest.approx(model.predict(["@nothing.txt"])[0].probabilities)
    looks_right(page)
    reference = reference_works(page, address)
    assert "--data-raw 'some words'" in reference and "-F file=@words.txt" in reference and ".jpg" not in reference


def test_a_sound(serve_trained, open_page, tmp_path):
    sounds = example("sounds/make_sounds.py").write_sounds(tmp_path / "sounds")
    recipe = {
        "task": {"type": "ordinal", "target": "label", "order": ["low", "high"]},
        "network": [{"conv2d": 4}, "relu", "global_avg_pool"],
    }
    address, model, about = serve_trained(sounds, recipe=recipe)
    assert list(about["fields"].values()) == [{"kind": "audio"}]
    page = open_page(address, permissions=["microphone"])
    assert page.locator("#labels h2").text_content() == words("labels-ordered")
    assert page.locator("#label-list li").all_text_contents() == ["low", "high"]
    file = sounds / "low" / "3.wav"
    page.set_input_files("#choose", file)
    found = card(page)
    [expected] = model.predict([file])
    assert found.locator("h3").text_content() == expected.label
    assert found.locator(".bars .label").all_text_contents() == ["low", "high"]
    assert found.locator(".bars .share").all_text_contents() == [percent(expected.probabilities[label]) for label in ("low", "high")]
    found.locator(".wave path").wait_for(state="attached")
    until(page, "document.querySelector('audio').duration > 0")
    assert found.locator("figure img").get_attribute("src").startswith("data:image/png;base64,")
    assert run_code(found, file.parent)["label"] == expected.label
    page.get_by_role("button", name=words("record")).click()
    until(page, f"parseFloat(document.querySelector('.clock').textContent) > {SECONDS}")
    page.get_by_role("button", name=words("stop")).click()
    page.locator(".card").nth(1).wait_for()
    found = card(page)
    assert "failed" not in found.get_attribute("class")
    with page.expect_download() as saved:
        page.evaluate("Object.assign(document.createElement('a'), { href: document.querySelector('audio').src, download: '' }).click()")
    recorded = saved.value.path().read_bytes()
    with wave.open(io.BytesIO(recorded)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        assert reader.getnframes() / reader.getframerate() > SECONDS
        assert len(reader.readframes(reader.getnframes())) == 2 * reader.getnframes()
    assert found.locator("h3").text_content() == model.predict([recorded])[0].label
    looks_right(page)


def test_a_series(serve_trained, open_page, tmp_path):
    file = example("series/make_series.py").write_series(tmp_path / "series.npz")
    with np.load(file) as stored:
        x = [series[~np.isnan(series).any(1)] for series in stored["x"]]
    y = np.array([[series[:, 0].std(), 1000 * np.abs(series).max()] for series in x])
    recipe = {
        "task": {"type": "regression", "target": "y", "names": ["spread <b>", "peak"], "loss": "quantile"},
        "network": [{"conv1d": 4}, "relu", "global_avg_pool", {"linear": 4}],
    }
    address, model, about = serve_trained({"x": x, "y": y}, target="y", recipe=recipe)
    assert about["fields"] == {"x": {"kind": "sequence", "length": None, "channels": 2}}
    page = open_page(address)
    assert page.locator("#score").text_content().startswith(words("score-values", value="@", low="", high="", n="").split("@")[0])
    given = [[None if place == 2 else round(float(value), 4) for value in row] for place, row in enumerate(x[0])]
    lines = ["one;other", *(";".join("" if value is None else str(value).replace(".", ",") for value in row) for row in given)]
    (tmp_path / "one.csv").write_text("\n".join(lines), encoding="utf-8")
    page.set_input_files("#choose", tmp_path / "one.csv")
    found = card(page)
    [expected] = model.predict([given])
    assert found.locator(".values th").all_text_contents() == ["spread <b>", "peak"]
    assert found.locator(".values td:nth-child(2)").all_text_contents() == [number(value) for value in expected.value.values()]
    for shown, name in zip(found.locator(".range").all_text_contents(), expected.value, strict=True):
        assert shown.endswith(f"{number(expected.low[name])} – {number(expected.high[name])}")
    assert found.locator(".plot path").count() == 2
    assert found.locator(".plot path").first.get_attribute("d").count("M") == 2  # a gap
    assert run_code(found, tmp_path)["value"] == pytest.approx(expected.value)
    page.get_by_label(words("series-label")).fill(json.dumps(given))
    page.get_by_role("button", name=words("ask")).click()
    page.locator(".card").nth(1).wait_for()
    assert card(page).locator(".values").text_content() == found.locator(".values").text_content()
    page.get_by_label(words("series-label")).fill("1,2\n3,<b>\n")
    page.keyboard.press("Control+Enter")
    assert page.get_by_role("alert").text_content() == words("series-wrong", line=2, cell="<b>")
    page.get_by_label(words("series-label")).fill("1,2\n3\n")
    page.keyboard.press("Control+Enter")
    assert page.get_by_role("alert").text_content() == words("series-uneven", line=2, n=1, columns=2)
    assert page.locator(".card").count() == 2
    looks_right(page)
    reference_works(page, address)


def test_a_table(serve_trained, open_page, tmp_path):
    wines = load_wine()
    names, rows_of_wines = wines.feature_names[:4], wines.data[:, :4]
    path = tmp_path / "wine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "bottled", "cork"])
        for place, row in enumerate(rows_of_wines.tolist()):
            rows.writerow([*row, date(2025, 3, 1) + timedelta(days=place % 40), ("natural", "glass", "screw <b>")[place % 3]])
    recipe = {"task": {"type": "regression", "target": "alcohol", "loss": "quantile"}}
    address, model, about = serve_trained(path, recipe=recipe)
    fields = about["fields"]
    assert list(fields) == [*names[1:], "bottled", "cork"]
    assert {field["kind"] for field in fields.values()} == {"number", "date", "category"}
    assert sorted(fields["cork"]["choices"]) == ["glass", "natural", "screw <b>"]
    assert fields["ash"]["typical"] == pytest.approx(rows_of_wines[:, 2].mean(), rel=0.03)
    assert not fields["bottled"]["time"] and "2025-03-01" < fields["bottled"]["typical"] < "2025-04-10"
    page = open_page(address)
    assert page.get_by_label("malic_acid").input_value() == str(fields["malic_acid"]["typical"])
    page.get_by_label("malic_acid").fill("1.5")
    page.get_by_label("ash", exact=True).fill("")
    page.get_by_label("cork").select_option("screw <b>")
    page.get_by_label("bottled").fill("2025-04-02")
    page.get_by_role("button", name=words("ask")).click()
    found = card(page)
    given = {name: field.get("typical") for name, field in fields.items()} | {
        "malic_acid": 1.5,
        "ash": None,
        "cork": "screw <b>",
        "bottled": "2025-04-02",
    }
    [expected] = model.predict([given])
    assert found.locator("h3").text_content() == number(expected.value)
    assert found.locator(".verdict span").text_content().endswith(f"{number(expected.low)} – {number(expected.high)}")
    assert found.locator(".given dd").all_text_contents() == ["1.5", "–", str(given["alcalinity_of_ash"]), "2025-04-02", "screw <b>"]
    table = model.artifact.predictor.inputs["table"]
    assert " · ".join(found.locator(".words span").all_text_contents()) == table.excerpt(table.encode(given))
    assert run_code(found, tmp_path)["value"] == pytest.approx(expected.value)
    page.get_by_role("button", name=words("empty")).click()
    page.get_by_role("button", name=words("ask")).click()
    page.locator(".card").nth(1).wait_for()
    assert card(page).locator("h3").text_content() == number(model.predict([dict.fromkeys(fields)])[0].value)
    looks_right(page)
    assert ".jpg" not in reference_works(page, address)


def test_several_inputs(serve_trained, open_page, tmp_path, pictures):
    images, digits = load_digits().images[:100], load_digits().target[:100]
    data = {
        "picture": [(image * 15.9).astype(np.uint8) for image in images],
        "remark": [
            ("a good clear digit", "rather smudged, i think", "very thin lines of ink")[place % 3] + f" number {place}" for place in range(100)
        ],
        "measures": [image.mean(0)[:3].tolist() for image in images],
        "dark": [bool(image.mean() > 5) for image in images],
        "written": [f"2025-03-{1 + place % 28:02d}T{place % 24:02d}:30" for place in range(100)],
        "writer": [f"person {place % 15}" for place in range(100)],
        "says": [[word for word, holds in (("even", digit % 2 == 0), ("big", digit > 4)) if holds] for digit in digits],
    }
    branches = {
        "picture": [{"conv2d": 2}, "global_avg_pool"],
        "remark": [{"embedding": 2}, "global_avg_pool"],
        "table": ["column_embedding"],
    }
    recipe = {"task": {"type": "multi_label", "target": "says"}, "network": {"branches": branches}}
    address, model, about = serve_trained(data, target="says", recipe=recipe)
    fields = about["fields"]
    assert list(fields) == ["picture", "remark", "measures", "dark", "written", "writer"]
    assert [field["kind"] for field in fields.values()] == ["image", "text", "vector", "boolean", "date", "category"]
    assert fields["written"]["time"] and fields["measures"]["width"] == 3
    page = open_page(address)
    file = tmp_path / "it's.png"
    file.write_bytes(pictures[3])
    page.get_by_label("picture").set_input_files(file)
    page.get_by_label("remark").fill("it's $(id) good")
    page.get_by_label("measures").fill("1, -, 2.5")
    page.get_by_label("dark").select_option("false")
    page.get_by_label("written").fill("2025-03-04T05:30")
    page.get_by_role("button", name=words("ask")).click()
    found = card(page)
    values = [pictures[3], "it's $(id) good", [1, None, 2.5], False, "2025-03-04T05:30", fields["writer"]["typical"]]
    given = dict(zip(fields, values, strict=True))
    [expected] = model.predict([given])
    assert found.locator("h3").text_content() == (", ".join(expected.labels) or words("no-label"))
    assert found.locator(".bars .label").all_text_contents() == list(expected.probabilities)
    assert found.locator(".bars .share").all_text_contents() == [percent(share) for share in expected.probabilities.values()]
    assert found.locator(".bars .said .label").all_text_contents() == list(expected.labels)
    assert found.locator("figure").count() == 3 + len(about["inputs"])
    answer = run_code(found, tmp_path)
    assert (answer["labels"], answer["probabilities"]) == (list(expected.labels), pytest.approx(expected.probabilities))
    page.get_by_label("measures").fill("1, x, 2")
    page.get_by_role("button", name=words("ask")).click()
    assert page.get_by_role("alert").text_content() == words("series-wrong", line=1, cell="x")
    looks_right(page)
