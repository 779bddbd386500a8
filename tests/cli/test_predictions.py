"""What `flambeau predict` takes, and the forms that its answers come in."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Run = Callable[..., tuple[int, str, str]]

NETWORK = {"network": ["column_embedding"], "training": {"epochs": 1, "stop_early": None}}


def _fit(folder: Path, patch: pytest.MonkeyPatch, table: str, **wanted: object) -> Path:
    import flambeau as fb

    torch.set_num_threads(1)
    data = folder / "data.csv"
    data.write_text(table, encoding="utf-8")
    patch.setenv("FLAMBEAU_CACHE", str(folder / "cache"))
    fb.fit(data, run=folder / "run", show=fb.silent, **wanted)
    return folder / "run"


@pytest.fixture(scope="module")
def rows_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a table whose rows have a name that nothing is learnt from."""
    draw = random.Random(0)
    kinds = ("猫", '"a,b"')
    rows = [f"名{row},{draw.random():.3f},{draw.random():.3f},{draw.choice(kinds)}" for row in range(80)]
    with pytest.MonkeyPatch.context() as patch:
        table = "\n".join(["name,x,y,kind", *rows])
        return _fit(tmp_path_factory.mktemp("rows"), patch, table, target="kind", exclude=["name"], recipe=NETWORK)


@pytest.fixture(scope="module")
def series_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(0)
    rows = [f"s{series},{time},{draw.random():.3f},{series % 2}" for series in range(40) for time in range(6)]
    recipe = {"network": [{"gru": 4}, "last_state"], "training": {"epochs": 1, "stop_early": None}}
    with pytest.MonkeyPatch.context() as patch:
        table = "\n".join(["id,t,x,label", *rows])
        return _fit(tmp_path_factory.mktemp("series"), patch, table, target="label", id="id", time="t", recipe=recipe)


def test_a_folder_is_all_of_its_files(run: Run, small_run: Path, few_digits: Path, tmp_path: Path) -> None:
    pictures = sorted(few_digits.rglob("*.png"))[:3]
    (tmp_path / "in/deep").mkdir(parents=True)
    for number, picture in zip((10, 9), pictures, strict=False):
        (tmp_path / f"in/{number}.png").write_bytes(picture.read_bytes())
    (tmp_path / "in/deep/1.png").write_bytes(pictures[2].read_bytes())
    (tmp_path / "in/readme.md").write_text("no picture")
    code, out, err = run("predict", small_run, tmp_path / "in", "--json")
    told = json.loads(out)["predictions"]
    assert (code, err) == (0, "")
    assert [Path(one["input"]).relative_to(tmp_path / "in").as_posix() for one in told] == ["9.png", "10.png", "deep/1.png"]
    single = json.loads(run("predict", small_run, tmp_path / "in/10.png", "--json")[1])["predictions"][0]
    assert told[1] == single


def test_an_empty_folder_is_said(run: Run, small_run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run("predict", small_run, tmp_path / "empty")
    assert code != 0
    assert "folder-no-files" in err
    assert "no files in this folder" in err


def test_csv_says_what_json_says(run: Run, rows_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "new.csv"
    rows.write_text('name,y,x\n甲,0.5,0.25\n"b,\nc",0.1,0.9\n丙,oops,1\n', encoding="utf-8")
    code, out, err = run("predict", rows_run, rows, "--csv", "--keep", "name")
    told = json.loads(run("predict", rows_run, rows, "--json", "--keep", "name")[1])["predictions"]
    read = list(csv.DictReader(io.StringIO(out)))
    assert code == 3
    assert err == ""
    assert list(read[0]) == ["input", "name", "predicted", "confidence", "probability.a,b", "probability.猫", "error"]
    assert [row["name"] for row in read] == [one["row"]["name"] for one in told] == ["甲", "b,\nc", "丙"]
    assert [row["input"] for row in read] == [f"{rows}#{number}" for number in (1, 2, 3)]
    for row, one in zip(read[:2], told, strict=False):
        assert row["predicted"] == one["label"]
        assert float(row["confidence"]) == one["confidence"]
        assert {label: float(row[f"probability.{label}"]) for label in one["probabilities"]} == one["probabilities"]
        assert row["error"] == ""
    assert read[2]["error"] == told[2]["error"]["message"]
    assert read[2]["predicted"] == ""


def test_a_kept_column_stands_beside_the_answer(run: Run, rows_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "new.csv"
    rows.write_text("name,y,x\n\x1b[31m甲,0.5,0.25\n", encoding="utf-8")
    line = run("predict", rows_run, rows, "--keep", "name", "--keep", "x")[1]
    assert "甲   0.25" in line
    assert "\x1b" not in line


def test_of_a_series_what_is_the_same_at_all_times_can_be_kept(run: Run, series_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "new.csv"
    times = [f"{series},{time},0.{time},{'pq'[time % 2]}" for series in "ba" for time in reversed(range(6))]
    rows.write_text("\n".join(["id,t,x,place", *times]), encoding="utf-8")
    code, out, _ = run("predict", series_run, rows, "--csv", "--keep", "id")
    assert code == 0
    assert [row["id"] for row in csv.DictReader(io.StringIO(out))] == ["a", "b"]
    code, _, err = run("predict", series_run, rows, "--keep", "place")
    assert code != 0
    assert "column-differs" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--csv", "--json"], "output-two"), (["--keep", "nam"], "column-unknown")],
)
def test_what_cannot_be_written_is_refused(run: Run, rows_run: Path, tmp_path: Path, arguments: list[str], code: str) -> None:
    rows = tmp_path / "new.csv"
    rows.write_text("name,y,x\n甲,0.5,0.25\n", encoding="utf-8")
    status, out, err = run("predict", rows_run, rows, *arguments)
    assert status != 0
    assert code in out + err


def test_a_picture_has_no_columns_to_keep(run: Run, small_run: Path, few_digits: Path) -> None:
    status, _, err = run("predict", small_run, next(few_digits.rglob("*.png")), "--keep", "name")
    assert status == 2
    assert "keep-no-rows" in err


def test_numbers_and_several_labels_as_csv() -> None:
    from flambeau.cli.answers import Answer, as_csv
    from flambeau.errors import DataError
    from flambeau.types import Labelled, Valued

    several = Labelled(("b", "a"), {"b": 0.75, "a": 0.5, "c": 0.25})
    assert list(as_csv([Answer("1", {}, several)])) == ["input,predicted,probability.a,probability.b,probability.c", "1,b;a,0.5,0.75,0.25"]
    numbers = [
        Answer("1", {}, DataError("file-missing", where="1")),
        Answer("2", {}, Valued({"u": 1.5, "v": 2.0}, {"u": 1.0, "v": 0.0}, {"u": 3.0, "v": 4.0})),
    ]
    header, failed, found = as_csv(numbers)
    assert header == "input,predicted.u,predicted.v,low.u,low.v,high.u,high.v,error"
    assert failed.startswith("1,,,,,,,")
    assert found == "2,1.5,2.0,1.0,0.0,3.0,4.0,"
    assert list(as_csv([Answer("1", {}, Valued(0.0))])) == ["input,predicted", "1,0.0"]


def test_what_json_has_no_word_for_is_null() -> None:
    from flambeau.cli.answers import Answer, as_object
    from flambeau.types import Valued

    kept = {"score": float("nan"), "rank": 2, "name": "甲"}
    assert as_object(Answer("1", kept, Valued(0.5))) == {"input": "1", "row": {"score": None, "rank": 2, "name": "甲"}, "value": 0.5}
