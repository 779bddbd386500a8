"""Tables as they come, through the whole front door: what is said of them, and what a model answers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau.errors import DataError, FlambeauError
from flambeau.planning import Request, resolve

QUICK = {"network": ["column_embedding"], "training": {"epochs": 1, "stop_early": None}}
DICE = np.random.default_rng(0)


def _write(path: Path, head: str, rows: list[str]) -> Path:
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    return path


def _codes(run: Callable[[Callable[[object], None]], object]) -> tuple[object, list[str]]:
    """What comes out, and the codes of the notices on the way."""
    codes: list[str] = []
    found = run(lambda event: codes.append(getattr(event, "code", "")))
    return found, codes


@pytest.mark.parametrize("setting", ["trainig.epochs=3", "epochs=3", "Training.epochs=3"])
def test_a_setting_of_no_room_is_an_error(setting: str) -> None:
    data = {"x": DICE.normal(size=40), "y": ["a", "b"] * 20}
    with pytest.raises(FlambeauError, match="set-path-unknown"):
        fb.check(data, settings=[setting], show=fb.silent)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Series of two channels, of which a rises in one class and falls in the other."""
    folder = tmp_path_factory.mktemp("long")
    rows = [f"s{one},{one % 7},{time},{slope * time + DICE.normal() / 9:.3f},{DICE.normal():.3f},{2 if one % 3 else 1},{word}"
            for one in range(60) for slope, word in [((1, "up"), (-1, "down"))[one % 2]] for time in range(8)]  # fmt: skip
    data = _write(folder / "walks.csv", "series_id,person,time,a,b,heavy,label", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(folder / "cache"))
        words = {"target": "label", "id": "series_id", "time": "time", "group": "person", "settings": ["task.weight=heavy"]}
        fb.fit(data, run=folder / "run", epochs=8, show=fb.silent, **words)
    return folder


def test_channels_are_found_by_their_names(long_run: Path, flambeau: Callable[..., Any]) -> None:
    model = fb.load(long_run / "run")
    lines = (long_run / "walks.csv").read_text(encoding="utf-8").split()[1:]
    cells = [line.split(",") for line in lines]
    turned = _write(long_run / "turned.csv", "more,b,label,time,a,series_id", [f"7,{b},{label},{t},{a},{s}" for s, _, t, a, b, _, label in cells])
    straight, other = (model.predict(model.rows(file)) for file in (long_run / "walks.csv", turned))
    assert [one.label for one in straight] == [one.label for one in other]
    assert [one.probabilities for one in straight] == [one.probabilities for one in other]
    assert len({one.label for one in straight}) == 2
    assert model.artifact.predictor.inputs["series"].spec.shape[1] == 2, "neither the group nor the weight is a channel"


def test_a_long_table_is_tested_on_another_one(long_run: Path) -> None:
    turned = _write(long_run / "other.csv", "b,label,time,a,series_id", [f"0,{'ud'[one % 2]},{time},{(1, -1)[one % 2] * time},x{one}"
                    for one in range(6) for time in range(8)])  # fmt: skip
    turned.write_text(turned.read_text().replace(",u,", ",up,").replace(",d,", ",down,"), encoding="utf-8")
    tested = fb.test(long_run / "run", turned, show=fb.silent)
    assert (tested.test["accuracy"]["n"], tested.test["accuracy"]["value"]) == (6, 1.0)


def test_a_column_of_the_name_of_the_series(tmp_path: Path) -> None:
    data = _write(tmp_path / "x.csv", "series,time,a,label", [f"{one},{time},{time * one},{'ab'[one % 2]}" for one in range(40) for time in range(3)])
    with pytest.raises(DataError, match="long-name-taken"):
        fb.check(data, target="label", id="series", time="time", show=fb.silent)


def test_windows_of_one_series_that_overlap_are_shared_out_by_time(tmp_path: Path) -> None:
    rows = [f"{time},{DICE.normal():.3f},{'ab'[time // 50 % 2]}" for time in range(1000)]
    data = _write(tmp_path / "x.csv", "t,a,label", rows)
    for step, order in ((2, "t"), (48, None)):
        preview = fb.check(data, target="label", time="t", settings=["data.series.window=48", f"data.series.step={step}"], show=fb.silent)
        assert preview.recipe.data.split.order == order


def test_small_numbers_are_numbers() -> None:
    x = DICE.normal(size=300)
    data = {"x": (x * 1e-12).tolist(), "z": [0.1] * 300, "label": ["p" if value > 0 else "n" for value in x]}
    run = fb.fit(data, target="label", epochs=30, show=fb.silent)
    assert run.test["accuracy"]["value"] > 0.9


def test_a_column_that_is_called_table() -> None:
    texts = ["a good long day indeed", "what a bad and sad night"] * 30
    data = {"table": [f"{text} {place}" for place, text in enumerate(texts)], "price": DICE.normal(size=60).tolist(), "label": ["g", "b"] * 30}
    inputs = resolve(Request.from_words(data, None, False, target="label")).recipe.inputs
    assert {name: chosen.type for name, chosen in inputs.items()} == {"table": "text", "table_": "table"}


def test_missing_targets_are_missing_in_frames_too() -> None:
    polars = pytest.importorskip("polars")
    labels = ["a", "b", None, " a", "b "] * 20
    x = DICE.normal(size=100)
    for data in ({"x": x.tolist(), "label": labels}, polars.DataFrame({"x": x, "label": labels})):
        run = fb.fit(data, target="label", recipe=QUICK, settings=["data.max_bad=0.3"], show=fb.silent)
        assert fb.load(run.path).labels == ("a", "b")


def test_rows_of_few_values_are_no_copies(tmp_path: Path) -> None:
    rows = [f"{sex},{rank},{'yes' if DICE.random() < 0.2 + 0.5 * (sex == 'f') else 'no'}" for _ in range(600) for sex, rank in
            [(DICE.choice(["f", "m"]), DICE.choice(["1", "2", "3"]))]]  # fmt: skip
    data = _write(tmp_path / "x.csv", "sex,rank,survived", rows)
    _, codes = _codes(lambda show: fb.fit(data, target="survived", recipe=QUICK, run=tmp_path / "run", show=show))
    assert "rows-coincide" in codes
    assert "labels-contradict" not in codes
    parts = [line.split(",")[2] for line in (tmp_path / "run/split.csv").read_text(encoding="utf-8").split()[1:]]
    assert (parts.count("train"), parts.count("valid"), parts.count("test")) == (420, 90, 90)
    twice = _write(tmp_path / "y.csv", "x,label", [f"{number % 200},{'ab'[number % 2]}" for number in range(400)])
    assert "rows-coincide" not in _codes(lambda show: fb.check(twice, target="label", show=show))[1], "a file twice in a row is copies"


@pytest.mark.parametrize("told", ["abc", "n.a."])
def test_one_odd_cell_is_an_error_of_its_row(tmp_path: Path, told: str) -> None:
    cells = [f"{value:.2f}" for value in DICE.normal(size=150)]
    cells[3] = told
    data = _write(tmp_path / "x.csv", "x,z,y", [f"{x},{DICE.normal():.2f},{DICE.normal():.2f}" for x in cells])
    assert set(resolve(Request.from_words(data, None, False, target="y")).recipe.inputs["table"].columns) == {"x", "z"}
    data = _write(tmp_path / "y.csv", "x,y", [f"{DICE.normal():.2f},{y}" for y in cells])
    run, codes = _codes(lambda show: fb.fit(data, target="y", recipe=QUICK, run=tmp_path / "run", show=show))
    assert "data-unusable" in codes
    assert "mae" in run.test


def test_a_rare_label_may_be_in_the_test_alone() -> None:
    tags = [["red"] if place % 2 else ["red", "blue"] for place in range(300)]
    for place in range(0, 300, 20):
        tags[place] = [*tags[place], f"rare{place}"]
    run = fb.fit({"x": DICE.normal(size=300).tolist(), "tags": tags}, target="tags", recipe=QUICK, show=fb.silent)
    assert len(fb.load(run.path).labels) == 17


def test_what_frames_hold() -> None:
    polars = pytest.importorskip("polars")
    prices = [Decimal("1.50") * place for place in range(100)]
    frame = polars.DataFrame({"price": prices, "label": ["a", "b"] * 50})
    assert set(resolve(Request.from_words(frame, None, False, target="label")).recipe.inputs["table"].columns) == {"price"}
    lists = [np.array(["u"] if place % 2 else ["u", "v"]) for place in range(100)]
    assert fb.check({"x": DICE.normal(size=100).tolist(), "tags": lists}, target="tags", show=fb.silent).recipe.task.type == "multi_label"
    groups = [[place % 9] for place in range(100)]
    fb.check({"x": DICE.normal(size=100).tolist(), "who": groups, "label": ["a", "b"] * 50}, target="label", group="who", show=fb.silent)


def test_a_text_that_is_missing_is_an_empty_one() -> None:
    texts = ["a good long day indeed", "what a bad and sad night", None, float("nan")] * 20
    data = {"said": texts, "x": DICE.normal(size=80).tolist(), "label": ["g", "b", "g", "b"] * 20}
    run = fb.fit(data, target="label", epochs=2, show=fb.silent)
    said = [{"said": told, "x": 0.5} for told in ("", None, float("nan"))]
    assert len({str(answer) for answer in fb.load(run.path).predict(said)}) == 1


@pytest.mark.parametrize(("first", "others", "code"), [("", "1", "weight-form"), ("-1", "1", "weight-form"), ("0", "0", "weights-nothing")])
def test_weights_that_cannot_be_used(first: str, others: str, code: str) -> None:
    data = {"x": DICE.normal(size=100).tolist(), "w": [first, *[others] * 99], "label": ["a", "b"] * 50}
    with pytest.raises(DataError, match=code):
        fb.fit(data, target="label", recipe=QUICK, settings=["task.weight=w"], show=fb.silent)


def test_batches_without_weight_teach_nothing() -> None:
    data = {"x": DICE.normal(size=100).tolist(), "w": [float(place > 80) for place in range(100)], "label": ["a", "b"] * 50}
    assert fb.fit(data, target="label", recipe=QUICK, settings=["task.weight=w", "training.batch_size=2"], show=fb.silent).path.is_dir()


def test_numbers_far_from_zero_and_near_it(tmp_path: Path) -> None:
    x = DICE.normal(size=300)
    _, codes = _codes(lambda show: fb.fit({"x": x, "y": 1_764_000_000 + 60 * x}, target="y", recipe=QUICK, show=show))
    assert "target-far" in codes
    run, codes = _codes(
        lambda show: fb.fit({"x": x, "y": np.exp(x) * 1e-7}, target="y", epochs=40, settings=["task.type=regression", "task.log=true"], show=show)
    )
    assert "target-far" not in codes
    answers = [one.value for one in fb.load(run.path).predict([{"x": value} for value in (-1.0, 0.0, 1.0)])]
    assert 0 < answers[0] < answers[1] < answers[2] < 1e-6
