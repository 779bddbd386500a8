"""Errors on a terminal, in the form of the handbook."""

from __future__ import annotations

import pytest

from flambeau.cli.problems import render, render_notice
from flambeau.document import read
from flambeau.errors import DataError, FlambeauError, Notice, RecipeError, ShapeError
from flambeau.recipe import located, parse

MARKS = read("a: 1\n\n\n\n\n\n\nnetwork:\n  - maxpol: {size: 2}\n", "recipe.yaml").marks


def test_a_layer_misspelled() -> None:
    error = located(RecipeError("layer-unknown", path=("network", 0), layer="maxpol", guess="max_pool"), MARKS)
    assert render(error).splitlines() == [
        "error[layer-unknown] recipe.yaml:9:5  no layer 'maxpol'",
        "     9 |   - maxpol: {size: 2}",
        f"       |     ^^^^^^  did you mean 'max_pool'?   {error.fix}",
    ]


def test_a_fix_too_long_for_the_line_stands_below() -> None:
    marks = read("training: {epoch: 3}", "r.yaml").marks
    with pytest.raises(RecipeError) as caught:
        parse({"training": {"epoch": 3}}, marks)
    lines = render(caught.value).splitlines()
    assert lines[0] == "error[recipe-key-unknown] r.yaml:1:12  no key 'epoch' in training"
    assert lines[2] == "       |            ^^^^^  did you mean 'epochs'?"
    assert lines[3].startswith("    fix: use one of epochs, optimizer")


def test_several_problems_one_below_the_other() -> None:
    document = read("training: {epochs: 0}\ntest: {top_k: a}\n", "r.yaml")
    with pytest.raises(RecipeError) as caught:
        parse(document.tree, document.marks)
    assert render(caught.value) == (
        "error[recipe-range] r.yaml:1:20  training.epochs must be 1 or more, not 0\n"
        "     1 | training: {epochs: 0}\n"
        "       |                    ^\n"
        "error[recipe-type] r.yaml:2:15  test.top_k takes a whole number, not the text 'a'\n"
        "     2 | test: {top_k: a}\n"
        "       |               ^"
    )


def test_without_a_snippet() -> None:
    error = DataError("class-unknown", where="data.csv", label="lable", labels="a, b", guess="label")
    assert render(error).splitlines() == [
        "error[class-unknown] data.csv  no class 'lable'; the classes are a, b",
        "    closest: label",
        "    fix: correct the label",
    ]
    alone = RecipeError("yaml-alias-unknown", name="x", guess="y")
    assert render(alone) == "error[yaml-alias-unknown] no anchor &x above this alias      did you mean '*y'?"
    assert render(RecipeError("recipe-not-found", where="a/r.yaml", file="a/r.yaml", guess="")) == "error[recipe-not-found] no such recipe: a/r.yaml"


def test_the_table_of_layers_has_lines_of_its_own() -> None:
    facts = {"layer": "linear", "gets": "channels 8", "takes": "features", "cure": "flatten", "table": "   5  conv2d  8\n-> 6  linear  ?"}
    error = located(ShapeError("shape-mismatch", path=("network", 0), number=6, **facts), MARKS)
    lines = render(error).splitlines()
    assert lines[0].startswith("error[shape-mismatch] recipe.yaml:9:5  ")
    assert "    -> 6  linear  ?" in lines
    assert lines[-1].startswith("    fix: ")


HOSTILE = "x\nfix: rm -rf /\x1b[31m\r\u202e<img onerror=1>"


def test_a_hostile_name_stays_on_its_line() -> None:
    error = FlambeauError("class-unknown", where=HOSTILE, label=HOSTILE, labels=HOSTILE, guess=HOSTILE)
    snippet = MARKS.snippet(MARKS.place(("network", 0)))
    unknown = RecipeError("recipe-key-unknown", where=HOSTILE, key=HOSTILE, at=HOSTILE, keys=HOSTILE, guess=HOSTILE, snippet=snippet)
    for shown in (render(error), render(unknown)):
        assert not set("\x1b\r\u202e") & set(shown)
        assert not any(line.startswith("fix") for line in shown.splitlines())
    assert len(render(error).splitlines()) == 3
    document = read('"a\\nb\\e[31m": 1', "r.yaml")
    with pytest.raises(RecipeError) as caught:
        parse(document.tree, document.marks)
    assert "a\\x0ab\\x1b[31m" in render(caught.value)


def test_colour_is_only_colour() -> None:
    error = located(RecipeError("layer-unknown", path=("network", 0), layer="maxpol", guess="max_pool"), MARKS)
    coloured = render(error, colour=True)
    assert coloured.startswith("\x1b[1m\x1b[31merror[layer-unknown]\x1b[0m recipe.yaml")
    assert "\x1b[31m^^^^^^\x1b[0m  did you mean" in coloured
    plain = coloured
    for code in ("\x1b[1m", "\x1b[31m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain == render(error)


def test_a_warning() -> None:
    assert render_notice(Notice("set-form")) == "warning[set-form] a setting has the form path=value\n    for example --set training.epochs=5"
    assert "\n" not in render_notice(Notice("recipe-unreadable", {"file": HOSTILE, "reason": "x"}))
    assert render_notice(Notice("set-form"), colour=True).startswith("\x1b[1m\x1b[33mwarning[set-form]\x1b[0m ")


def test_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", "zh")
    shown = render(RecipeError("set-form", where="--set a", setting="a"))
    assert shown.startswith("错误[set-form] --set a  设置的格式")
    assert "解决办法" in shown
