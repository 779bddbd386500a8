"""Each event as a person reads it, in both languages, on a terminal and in a log."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from flambeau import events
from flambeau.errors import Notice
from flambeau.events import Exported, Planned, Progress, Saved, SplitMade, Started, Surveyed, Trained
from flambeau.transcript import Transcript
from flambeau.types import Epoch

SCORE = {"value": 0.8961, "low": 0.8432, "high": 0.9321, "n": 182}
TESTED = events.Tested(
    {"accuracy": SCORE, "macro_recall": {**SCORE, "value": 0.881}},
    {"label": "cat", "accuracy": {"value": 0.423, "low": 0.3, "high": 0.5, "n": 182}},
    {"label": "fox", "recall": {"value": 0.793}, "taken_for": "dog", "times": 5, "errors": 6},
)
PLANNED = Planned(
    network="small_resnet",
    parameters=1_234_567,
    flops=9_000_000,
    inputs=["image: channels 3 x height 96 x width 96"],
    reason="because",
    alternatives=["instead: cnn"],
    optimizer="adamw 0.003",
    schedule="one_cycle",
    batch_size="64",
    epochs=20,
    stop_early=5,
    augment=["rotate 10", "flip"],
    execution={"device": "cpu", "fused": "auto"},
    trials=["contiguous 5 ms"],
    seconds=240.0,
)


def written(*shown: object, live: bool = False) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    transcript = Transcript(out, err, live)
    for event in shown:
        transcript(event)
    return out.getvalue(), err.getvalue()


def test_started() -> None:
    assert written(Started("1.2", "2.14", "cpu, 2 threads")) == ("", "flambeau 1.2 · torch 2.14 · cpu, 2 threads\n\n")


def test_surveyed() -> None:
    counts = {"cat": 1512, "dog": 498, "fox": 194}
    out, err = written(Surveyed("photos", {"image": "image"}, "label", counts, 2, 7, Path("/elsewhere/data.md")))
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "Data   photos  2,204 examples · 3 classes · image: image -> label"
    assert lines[1] == "       cat 1,512 · dog 498 · fox 194   (largest:smallest 7.8:1)"
    assert lines[2] == "       2 unusable files skipped · 7 near-duplicates kept in one split       details: /elsewhere/data.md"
    _, err = written(Surveyed("photos", {}, "label", {str(label): 5 for label in range(20)}, 0, 0, None))
    assert err.splitlines()[1].endswith("11 5 · … (+8)")
    assert len(err.splitlines()) == 2
    _, err = written(Surveyed("photos", {}, "label", {"a": 5}, 1, 0, None))
    assert "details" not in err


def test_split() -> None:
    for how, words in (("split-stratified", "stratified by class"), ("split-group", "whole groups"), ("split-given", "as the data brings it")):
        _, err = written(SplitMade(842, 180, 182, how, 3))
        assert err.startswith("Split  train 842 · validation 180 · test 182   ")
        assert words in err
        assert "seed 3" in err


def test_planned() -> None:
    _, err = written(PLANNED)
    lines = err.splitlines()
    assert lines[0] == "Plan   small_resnet 1.23 M parameters · image: channels 3 x height 96 x width 96"
    assert lines[1] == "       adamw 0.003 · one_cycle · batches of 64 · at most 20 epochs, stop after 5 without gain"
    assert lines[2] == "       varied in training by rotate 10 · flip"
    assert "because" in err
    assert "instead: cnn" in err
    assert "about 4 min" in err
    assert "contiguous 5 ms" in err
    left_out = {"inputs": [], "reason": "", "alternatives": [], "stop_early": None, "augment": [], "execution": {}, "trials": [], "seconds": None}
    _, err = written(replace(PLANNED, network="cnn", parameters=12, **left_out))
    assert err.splitlines()[0] == "Plan   cnn 12 parameters"
    assert "stop after" not in err
    assert "about" not in err


def test_epochs_are_a_table() -> None:
    epochs = [
        Epoch(number, 1 / number, 2 / number, {"accuracy": 0.5, "macro_recall": 0.25}, 0.1, 11.4 * number, best=number == 2) for number in (1, 2, 14)
    ]
    out, err = written(epochs[0], Notice("stopped"), epochs[1], epochs[2], Trained(2, "stopped: no gain in 5 epochs", "fine"))
    assert out == ""
    assert err.splitlines() == [
        " epoch   train loss   val loss   val acc   val recall     time",
        "     1        1.000      2.000     50.0%        25.0%     11 s",
        "warning[stopped] stopped on request",
        "     2        0.500      1.000     50.0%        25.0%     23 s  <- best",
        "    14        0.071      0.143     50.0%        25.0%    3 min",
        "",
        "Train  stopped: no gain in 5 epochs",
        "       fine",
    ]
    assert written(Trained(2, None, "fine"))[1] == "Train  fine\n"
    assert written(Trained(2, None, ""))[1] == ""


def test_no_epoch_is_called_best_where_the_last_one_is_kept() -> None:
    epochs = [Epoch(number, 1.0, 1.0, {"accuracy": 0.5}, 0.1, 1.0, best=number == 1) for number in (1, 2)]
    _, err = written(replace(PLANNED, stop_early=None, keep_best=False), *epochs)
    assert "at most 20 epochs, the last weights are kept\n" in err
    assert "<-" not in err
    _, err = written(PLANNED, *epochs)
    assert "kept" not in err and err.count("<- best") == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_huge_numbers_stay_in_their_columns(monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", lang)
    scores = {"mae": 12_345_678.0, "rmse": 3.7e15, "r2": -123_456_789.0}
    usual = Epoch(1, 1.5, 2.5, {"mae": 12_345.0, "rmse": 20.3, "r2": 0.9}, 0.1, 11.0)
    for huge in (3_741_346_553_103_212.75, float("inf"), float("nan"), 3e-300, 1e300):
        head, *rows = written(usual, Epoch(2, huge, huge, scores, 0.1, 11.0))[1].splitlines()
        assert {columns(head)} == {columns(row) for row in rows}, rows
        assert len(rows[1].split()) == 8, "a gap between any two columns"
    assert rows[0].split()[1:6] == ["1.500", "2.500", "12,345", "20.3", "0.900"]
    assert written(Epoch(2, 3_741_346_553_103_212.75, 1.0, {}, 0.1, 11.0))[1].splitlines()[1].split()[1] == "3.74e+15"


def test_tested_goes_to_results() -> None:
    out, err = written(TESTED)
    assert err == ""
    assert out.splitlines() == [
        'Test   accuracy 89.6% (95% interval 84.3%-93.2%, n=182)   macro recall 88.1%   always-"cat" 42.3%',
        "       weakest: fox, recall 79.3%, most often taken for dog (5 of 6)",
    ]
    alone = events.Tested(TESTED.test, TESTED.baseline, {"label": "fox", "recall": {"value": 1.0}, "taken_for": None, "times": 0, "errors": 0})
    assert "most often" not in written(alone)[0]
    assert len(written(events.Tested(TESTED.test, TESTED.baseline, None))[0].splitlines()) == 1


def test_saved_says_what_comes_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs/photos-1"
    out, _ = written(Saved(run / "model.flambeau", 4_900_000, run / "report.html", run))
    assert out.splitlines() == [
        "Saved  runs/photos-1/model.flambeau  (4.9 MB, preprocessing included)",
        "Report runs/photos-1/report.html",
        "",
        "Next   flambeau predict runs/photos-1 new.jpg",
        "       flambeau export  runs/photos-1 --to onnx",
        "       flambeau serve   runs/photos-1",
    ]
    out, _ = written(Saved(run, 99_000, run, Path("/my photos/run")))
    assert "99.0 kB" in out
    assert "flambeau serve   '/my photos/run'" in out


def test_exported() -> None:
    verification = {"num_examples": 182, "largest_difference": 3.1e-6, "num_same": 182, "passed": True}
    out, _ = written(Exported("onnx", Path("/x/model.onnx"), 4_800_000, verification, {"pytorch": 5.9, "onnxruntime": 2.1}))
    assert out.splitlines() == [
        "ONNX   /x/model.onnx  4.8 MB",
        "Check  182 test examples, raw files in: max |dp| 3.1e-06 · same answer 182/182   PASS",
        "Speed  pytorch 5.90 ms · onnxruntime 2.10 ms   (batch 1, median of 200, 1 thread)",
    ]
    out, _ = written(Exported("onnx", Path("/x"), 1, {**verification, "passed": False}, {}))
    assert "FAIL" in out


def test_a_warning_says_what_to_do() -> None:
    _, err = written(Notice("columns-left-out", {"columns": "a\x1b[31m\nb"}))
    assert err.splitlines() == [
        "warning[columns-left-out] columns that no input recognises are left out: a\\x1b[31m\\x0ab",
        "    name them under inputs: in a recipe to use them",
    ]


def test_progress_is_drawn_on_terminals_only() -> None:
    assert written(Progress("stage-reading", 5, 10)) == ("", "")
    _, err = written(Progress("stage-reading", 5, 10), live=True)
    assert err.startswith("\rreading")
    assert "████████████            " in err
    assert "5/10" in err
    _, err = written(Progress("stage-reading", 5, 10), Notice("stopped"), live=True)
    assert "\r\x1b[2Kwarning[stopped]" in err, "the bar is gone before something else is written"
    _, err = written(Progress("stage-reading", 10, 10), live=True)
    assert err.endswith("\r\x1b[2K"), "a finished bar leaves nothing"
    _, err = written(Progress("stage-reading", 0, 0), live=True)
    assert "0/0" in err


def test_an_unknown_event_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="no line for"):
        written(object())


def columns(line: str) -> int:
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def test_chinese_columns_line_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", "zh")
    head, *rows = written(*(Epoch(number, 1.5, 2.5, {"accuracy": 0.5, "macro_recall": 0.25}, 0.1, 11.0) for number in (1, 20)))[1].splitlines()
    assert {columns(head)} == {columns(row) for row in rows}
    out, err = written(
        Surveyed("照片", {"image": "image"}, "label", {"猫": 5, "狗": 5}, 0, 0, None), SplitMade(7, 2, 1, "split-stratified", 0), TESTED
    )
    for line in (err.splitlines()[0], err.splitlines()[2], out.splitlines()[0]):
        word = line.split(" ")[0]
        assert all("\u4e00" <= character <= "\u9fff" for character in word)
        assert columns(line[: len(line) - len(line.removeprefix(word).lstrip())]) == 7
    shown = written(PLANNED, Trained(1, "停", "好"), Notice("stopped"), Progress("stage-testing", 1, 2), live=True)[1]
    assert "警告[stopped] 已按要求停止" in shown
