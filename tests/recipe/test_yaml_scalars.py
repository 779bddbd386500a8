"""Scalars mean what the core schema of YAML 1.2 says, not what YAML 1.1 says."""

from __future__ import annotations

import pytest

from flambeau.document import Tree, read
from flambeau.errors import RecipeError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E-3", 1e-3),
        ("1.5e+3", 1500.0),
        ("-.5", -0.5),
        ("+2.", 2.0),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("1_000", "1_000"),
        ("1:20", "1:20"),
        ("2024-01-31", "2024-01-31"),
        ("0b11", "0b11"),
        ("1e", "1e"),
        ("-", None),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", None),
        ("none", "none"),
        ("'12'", "12"),
        ('"true"', "true"),
        ('"\\u00e9\\n"', "é\n"),
        ("猫", "猫"),
        ("a b", "a b"),
    ],
)
def test_a_scalar(text: str, value: Tree) -> None:
    if text == "-":
        assert read("a:\n  -").tree == {"a": [None]}
        return
    found = read(f"a: {text}").tree
    assert isinstance(found, dict)
    assert found["a"] == value
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.inf", ".NaN", "1e999", "1" * 41, "-" + "9" * 5000, "0x" + "f" * 100])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(f"a: {text}", "r.yaml")
    assert (caught.value.code, caught.value.where) == ("yaml-number", "r.yaml:1:4")
    assert len(str(caught.value)) < 200


def test_such_a_word_in_quotes_is_a_name() -> None:
    assert read("a: '.inf'\n.nan: 1\n").tree == {"a": ".inf", ".nan": 1}


def test_keys_are_names_as_they_are_written() -> None:
    assert read("{0: a, 010: b, no: c, 1e3: d, true: e, 'null': f}").tree == {"0": "a", "010": "b", "no": "c", "1e3": "d", "true": "e", "null": "f"}


def test_an_unquoted_scalar_keeps_its_spelling() -> None:
    marks = read("a: 010\nb: '010'\nc: [no, 1e3]\n").marks
    assert marks.texts == {("a",): "010", ("c", 0): "no", ("c", 1): "1e3"}
