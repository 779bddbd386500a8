"""The report as a file: whole, valid, safe, small, and made from its JSON alone."""

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from string import Formatter

import pytest

from flambeau.errors import DataError
from flambeau.evaluation import numerals, page, svg
from flambeau.evaluation.confusion import DRAWN
from flambeau.evaluation.facts import FORMAT, Check, EpochFacts, ExportFacts, ModelFacts, Reproduction
from flambeau.evaluation.markup import Markup, clean, escape, name_of, picture, tag
from flambeau.evaluation.report import ReportFacts, read_facts, write_report
from flambeau.messages import catalogue

VOID = {"meta", "img", "br", "link", "input"}


class Reader(HTMLParser):
    """Reads strictly: every tag closed in order, ids used once, no attribute twice."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.refers = [], [], [], []
        self.scripts, self.styles = [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, name, attributes):
        names = [key for key, _ in attributes]
        assert len(names) == len(set(names)), (name, names)
        told = dict(attributes)
        self.tags.append((name, told))
        self.ids += [told["id"]] if "id" in told else []
        self.refers += told.get("aria-labelledby", "").split() + ([told["href"][1:]] if told.get("href", "").startswith("#") else [])
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            (self.scripts if self.open[-1] == "script" else self.styles).append(data)


@pytest.fixture(params=["digits", "three", "many", "hostile", "bare", "diverged"])
def facts(request):
    return request.getfixturevalue(request.param)


def test_pages_are_valid_and_need_nothing(facts, tmp_path):
    write_report(facts, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    reader = Reader(text)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.refers) <= set(reader.ids)
    assert not [told for _, told in reader.tags if "style" in told or any(key.startswith("on") for key in told)]
    addresses = [told[key] for _, told in reader.tags for key in ("src", "href") if key in told]
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    assert len(text.encode()) < 1_000_000


def test_policy_names_the_style_and_the_script(three):
    reader = Reader(page.page(three))
    policy = next(told["content"] for name, told in reader.tags if told.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; ")
    (style,), (script,) = reader.styles, reader.scripts
    for kind, content in (("style", style), ("script", script)):
        assert f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy


def test_hostile_names_stay_text(hostile):
    text = page.page(hostile)
    reader = Reader(text)
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert len(reader.scripts) == 1
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x00]", text)
    assert r"\x202egnp.exe\x202c" in text
    assert "a" * 200 not in text
    assert "\ufffd\ufffd{label}" in text


def test_pictures_from_anywhere_else_are_left_out(three):
    bad = ["https://example.org/x.png", "data:image/svg+xml;base64,PHN2Zz4=", 'data:image/png;base64,A"onerror="x', "javascript:alert(1)"]
    mistakes = [dataclasses.replace(three.mistakes[0], picture=address) for address in bad]
    text = page.page(dataclasses.replace(three, mistakes=mistakes, data=None))
    assert not [name for name, _ in Reader(text).tags if name == "img"]


def test_pages_are_made_from_the_json_alone(facts, tmp_path):
    write_report(facts, tmp_path / "report.html")
    again = read_facts(tmp_path / "report.json")
    write_report(again, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "report.json").read_bytes()


def test_json_has_no_word_for_not_a_number(diverged, tmp_path):
    write_report(diverged, tmp_path / "report.html")
    told = json.loads((tmp_path / "report.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert told["epochs"][0]["train_loss"] is None
    assert told["epochs"][0]["valid_loss"] is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "report-unreadable"),
        (b"{", "report-unreadable"),
        (b'{"run": 3}', "report-unreadable"),
        (b"[" * 100_000, "report-unreadable"),
        (None, "report-missing"),
    ],
)
def test_a_foreign_json_is_refused(tmp_path, content, code):
    if content is not None:
        (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_facts(tmp_path / "report.json")
    assert refused.value.code == code
    assert str(tmp_path) in str(refused.value)


def test_a_report_of_the_future_is_refused(tmp_path):
    told = {"run": "r", "created": "", "labels": [], "format": FORMAT + 1}
    (tmp_path / "report.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match="knows formats up to 1"):
        read_facts(tmp_path / "report.json")


def test_unknown_fields_of_the_same_format_are_passed_over(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps({"run": "r", "created": "", "labels": [], "robustness": [1]}))
    assert read_facts(tmp_path / "report.json").run == "r"


def test_pictures_go_first_when_a_page_is_too_large(three, monkeypatch):
    whole = page.page(three)
    num_sheet = 6 * len(three.data.classes)
    monkeypatch.setattr(page, "LARGEST", len(whole.encode()) - 1)
    lighter = page.page(three)
    assert whole.count("<img") - lighter.count("<img") == num_sheet
    monkeypatch.setattr(page, "LARGEST", len(lighter.encode()) - 1)
    lightest = page.page(three)
    assert lightest.count("<img") == 0
    assert lightest.count("example none") == len(three.mistakes)


def test_what_is_not_known_is_left_out_or_said(bare):
    text = page.page(bare)
    assert "has not been tested" in text
    assert "<section" in text
    for name in page.SECTIONS:
        assert f'id="{name}"' not in text


@pytest.mark.parametrize("missing", ["data", "model", "epochs", "exports", "reproduction"])
def test_each_section_can_be_missing(three, missing):
    empty = () if missing in ("epochs", "exports") else None
    text = page.page(dataclasses.replace(three, **{missing: empty}))
    gone = {"epochs": "curves", "exports": "deployment", "reproduction": "reproduce"}.get(missing, missing)
    assert f'<section id="{gone}"' not in text
    assert text.count("<section") == page.page(three).count("<section") - 1


def test_the_verdict_compares_the_interval_with_the_baseline(three):
    def with_baseline(share):
        figure = {"value": share, "low": share, "high": share, "n": 182}
        return page.page(dataclasses.replace(three, baseline={"label": "cat", "accuracy": figure}))

    main = three.test["accuracy"]
    assert "Better than always" in with_baseline(main["low"] - 0.01)
    assert "Not shown to be better" in with_baseline(main["low"])
    assert "Not shown to be better" in with_baseline(main["high"])
    assert "Worse than always" in with_baseline(main["high"] + 0.01)
    assert "No baseline was recorded" in page.page(dataclasses.replace(three, baseline=None))


def test_no_mistakes_are_told_apart_from_none_recorded(three):
    assert "made no mistake" in page.page(dataclasses.replace(three, mistakes=(), num_mistakes=0))
    assert "none of them were recorded" in page.page(dataclasses.replace(three, mistakes=()))
    perfect = json.loads(json.dumps(three.test))
    perfect["confusion"] = [[9, 0, 0], [0, 9, 0], [0, 0, 9]]
    text = page.page(dataclasses.replace(three, test=perfect))
    assert "There is no confusion" in text
    assert "Every class was answered without a mistake" in text


def test_absent_classes_and_unknown_scores_say_why():
    import numpy as np

    from flambeau.evaluation.scores import evaluate

    test = evaluate(np.array([[0.9, 0.1, 0.0]] * 4), np.zeros(4, int), ["a", "b", "c"])
    text = page.page(ReportFacts("r", "", ["a", "b", "c"], test=test))
    assert "not defined: the test has one class only" in text
    assert "no example of 2 classes" in text


def test_overlap_and_problems_are_told(three):
    data = dataclasses.replace(three.data, overlap=3, problems=(), num_problems=4, num_duplicates=None, split="")
    text = page.page(dataclasses.replace(three, data=data))
    assert "3 examples of validation or test look like one of train" in text
    assert "4 problems were found" in text
    assert "No problem was found" in page.page(dataclasses.replace(three, data=dataclasses.replace(data, num_problems=0)))


def test_very_many_classes_get_a_list_instead_of_a_map(three):
    size = DRAWN + 1
    test = json.loads(json.dumps(three.test))
    test["labels"] = [f"c{i}" for i in range(size)]
    test["confusion"] = [[5 if i == j else 1 if j == (i + 1) % size else 0 for j in range(size)] for i in range(size)]
    text = page.page(dataclasses.replace(three, test=test))
    assert f"With {size} classes a map cannot be read" in text
    assert 'id="chart-confusion-title"' not in text


def test_one_epoch_is_a_dot_and_layers_have_names(three):
    epoch = EpochFacts(1, 0.5, 0.4, {"accuracy": 0.9}, lr=0.001, gradient_norms={"head": 0.1})
    text = page.page(dataclasses.replace(three, epochs=[epoch]))
    assert 'class="dot c0"' in text
    assert "head" in text
    assert "did best" not in text


def test_the_report_tells_which_epoch_was_kept(three):
    def told(best, kept=None):
        epochs = [EpochFacts(number, 0.5, 0.4, {"accuracy": 0.9}, best=number in best, kept=number == kept) for number in range(1, 6)]
        return page.page(dataclasses.replace(three, epochs=epochs))

    assert "Epoch 4 did best on the validation split; its weights were kept." in told((1, 2, 4), 4)
    assert "Epoch 4 did best on the validation split; its weights were kept." in told((1, 2, 4)), "as reports before did not record it"
    assert "The weights after the last epoch (5) were kept." in told((1, 2), 5)
    assert "did best" not in told((1, 2), 5)


def drawn(text, key):
    """The drawing of a chart and its tick labels, and the cells of the table with the same numbers."""
    start = text.index(f'id="chart-{key}-title"')
    picture = text[start : text.index("</svg>", start)]
    rows = re.findall(r"<tr>(.*?)</tr>", text[start : text.index("</table>", start)], re.S)[1:]
    heights = [float(y) for path in re.findall(r'<path d="(.*?)"', picture) for y in re.findall(r"[ML][\d.-]+ ([\d.-]+)", path)]
    return heights, re.findall(r'class="tick end">(.*?)<', picture), [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows]


@pytest.mark.parametrize(
    ("task", "scores"),
    [
        ("regression", [{"mae": 4200.0, "rmse": 6100.0, "r2": -1.7}, {"mae": 900.0, "rmse": 1500.0, "r2": 0.82}]),
        ("regression", [{"mae": 3e-5, "rmse": 4e-5, "r2": -3.0}, {"mae": 2e-5, "rmse": 2.2e-5, "r2": -2.0}]),
        ("ordinal", [{"accuracy": 0.3, "mae": 1.4, "quadratic_kappa": -0.2}, {"accuracy": 0.8, "mae": 0.2, "quadratic_kappa": 0.9}]),
        ("custom", [{"profit": 12.0}, {"profit": -3.0}]),
    ],
)
def test_scores_that_are_no_shares_are_drawn_inside_the_chart_in_their_unit(bare, task, scores):
    epochs = [EpochFacts(number, 0.5, 0.4, found, best=True) for number, found in enumerate(scores, 1)]
    text = page.page(dataclasses.replace(bare, epochs=epochs))
    for key in ["valid"] if task == "custom" else ["valid", "valid-errors"]:
        heights, labels, rows = drawn(text, key)
        assert heights and all(20 <= y <= 250 - 42 for y in heights)
        assert labels and not any("%" in label for label in labels) and not any("%" in cell for row in rows for cell in row)
    errors = [name for name in scores[0] if name in ("mae", "rmse")]
    if errors:
        assert [row[-len(errors) :] for row in drawn(text, "valid-errors")[2]] == [
            [numerals.decimal(found[name]) for name in errors] for found in scores
        ]


def test_shares_are_drawn_in_percent(three):
    text = page.page(three)
    assert all(label.endswith("%") for label in drawn(text, "valid")[1])
    assert "chart-valid-errors" not in text


def test_values_not_measured_break_the_line():
    assert svg.unbroken([(1, None), (2, 0.5), (3, 0.4), (4, None), (5, 0.3)]) == [[(2, 0.5), (3, 0.4)], [(5, 0.3)]]


def test_ticks_are_round_and_few():
    assert svg.ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert svg.ticks(0.03, 0.97, 4) == [0.5]
    assert svg.ticks(3, 3) == [3]
    assert svg.decades(0.002, 40) == [0.001, 0.01, 0.1, 1, 10, 100]
    assert len(svg.decades(1e-30, 1e30)) <= 8


def test_numbers_read_well():
    assert [numerals.decimal(v) for v in (0.2138, 12.34, 0.0000031, 0, None)] == ["0.214", "12.3", "3.1e-06", "0.000", "–"]
    assert [numerals.large(v) for v in (950, 225_792, 1_204_234, 4e9, 2e12, None)] == ["950", "225.8 k", "1.2 M", "4.0 G", "2.0 T", "–"]
    assert [numerals.size(v) for v in (40, 25_088, 4_900_000, None)] == ["40 B", "25.1 kB", "4.9 MB", "–"]
    assert [numerals.duration(v) for v in (3.2, 41, 201, 7300)] == ["3.2 s", "41 s", "3 min 21 s", "2 h 1 min"]
    assert numerals.percent(0.9321) == "93.2%"
    assert numerals.whole(None) == "–"
    assert numerals.ends("accuracy", {"low": None, "high": None}) == "–"


def test_markup_escapes_all_but_itself():
    assert tag("p", "<b>", Markup("<i>x</i>"), None, 3, title='"&') == '<p title="&quot;&amp;">&lt;b&gt;<i>x</i>3</p>'
    assert tag("meta", charset="utf-8", hidden=True, other=False, none=None) == '<meta charset="utf-8" hidden>'
    assert escape("a\ud800\uffff") == "a\ufffd\ufffd"
    assert clean("x" * 500) == "x" * 159 + "…"
    assert name_of("b") == "<bdi>b</bdi>"
    assert picture(None, "x", "y") == ""


def test_a_failed_check_is_told_in_words(three):
    text = page.page(dataclasses.replace(three, checks=[Check("golden examples", False)], exports=[ExportFacts("onnx", 1, False)]))
    assert text.count('class="state bad"') == 2
    assert "✗" in text


@pytest.mark.parametrize(("lang", "word"), [("en", "Accuracy"), ("zh", "准确率")])
def test_the_page_opens_in_the_users_language(three, monkeypatch, lang, word):
    monkeypatch.setenv("FLAMBEAU_LANG", lang)
    text = page.page(three)
    assert f'<html lang="{"zh-Hans" if lang == "zh" else "en"}">' in text
    assert word in text
    assert ("<title" in text) and (("报告</title>" in text) == (lang == "zh"))


def test_both_languages_say_the_same_things():
    english, chinese = ({key: parts for key, parts in catalogue(lang).items() if key.startswith("report-")} for lang in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, parts in english.items():
        assert parts.keys() == chinese[key].keys(), key
        for part, text in parts.items():
            placeholders = [{name for _, name, _, _ in Formatter().parse(told) if name} for told in (text, chinese[key][part])]
            assert placeholders[0] == placeholders[1], (key, part)
            assert chinese[key][part].strip()


def test_a_full_disk_or_folder_is_a_device_error(three, tmp_path):
    from flambeau.errors import DeviceError

    with pytest.raises(DeviceError):
        write_report(three, tmp_path / "no" / "such" / "report.html")


def test_a_section_tells_what_it_has(three):
    sparse = dataclasses.replace(
        three,
        data=None,
        model=ModelFacts("custom", 12),
        epochs=[EpochFacts(2, 0.0, 0.0, {"accuracy": 1.0, "my_own_score": 1.0}), EpochFacts(3, 0.0, 0.0, {"accuracy": 1.0})],
        reproduction=Reproduction("flambeau fit x"),
        baseline={"label": "cat", "accuracy": {"value": 0.05, "low": 0.0, "high": 0.1, "n": 182}},
    )
    text = page.page(sparse)
    Reader(text)
    assert "my_own_score" in text
    assert "Learning rate</span>" not in text
    assert "Versions" not in text


def test_a_page_that_stays_too_large_has_no_pictures(three, monkeypatch):
    monkeypatch.setattr(page, "LARGEST", 1)
    assert "<img" not in page.page(dataclasses.replace(three, data=None))
