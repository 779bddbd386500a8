"""Pydantic's complaints about forms that the rooms may take later: unions by tag, unions by shape, pairs, validators."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError, field_validator

from flambeau.config import Config
from flambeau.errors import RecipeError
from flambeau.recipe import parse_part
from flambeau.recipe.faults import problems
from flambeau.recipe.schema import Schema


class Photo(Config):
    type: Literal["photo"] = "photo"
    size: tuple[int, int] = (1, 1)
    tags: list[str] = Field(["a"], min_length=1, max_length=2)


class Sound(Config):
    type: Literal["sound"] = "sound"
    rate: Annotated[int, Field(ge=1)] | Literal["auto"] | dict[str, float] = "auto"
    name: str = Field("abc", min_length=2, max_length=5)
    step: int = Field(4, multiple_of=4)
    day: date | None = None
    even: int = 0

    @field_validator("even")
    @classmethod
    def _is_even(cls, even: int) -> int:
        assert even % 2 == 0, "it has to be even"
        return even


class Whole(Config):
    photo: dict[str, Annotated[Photo | Sound, Field(discriminator="type")]]
    pair: Photo | list[Sound] | None = None


ADAPTER = TypeAdapter(Whole)
SCHEMA = Schema(Whole.model_json_schema())


def faults(tree: Any) -> list[RecipeError]:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(tree)
    return problems(caught.value, tree, SCHEMA)


@pytest.mark.parametrize(
    ("tree", "code", "path", "says"),
    [
        ({"photo": {"photo": {"type": "phto"}}}, "recipe-choice", ("photo", "photo", "type"), "did you mean 'photo'?"),
        ({"photo": {"photo": {"size": [1, 2]}}}, "recipe-missing", ("photo", "photo"), "'type' is missing in photo.photo"),
        ({"photo": {"photo": {"type": "photo", "sise": 1}}}, "recipe-key-unknown", ("photo", "photo", "sise"), "use one of type, size, tags"),
        ({"photo": {"sound": {"type": "sound", "sise": 1}}}, "recipe-key-unknown", ("photo", "sound", "sise"), "type, rate, name"),
        ({"photo": {"a": {"type": "photo", "size": [1]}}}, "recipe-short", ("photo", "a", "size"), "too few values: 1"),
        ({"photo": {"a": {"type": "photo", "size": [1, 2, 3]}}}, "recipe-length", ("photo", "a", "size"), "at most 2 entries"),
        ({"photo": {"a": {"type": "photo", "size": [1, "x"]}}}, "recipe-type", ("photo", "a", "size", 1), "a whole number"),
        ({"photo": {"a": {"type": "photo", "tags": []}}}, "recipe-length", ("photo", "a", "tags"), "1 or more entries, not []"),
        ({"photo": {"a": {"type": "sound", "name": "a"}}}, "recipe-length", ("photo", "a", "name"), "2 or more characters"),
        ({"photo": {"a": {"type": "sound", "name": "abcdef"}}}, "recipe-length", ("photo", "a", "name"), "at most 5 characters"),
        ({"photo": {"a": {"type": "sound", "step": 3}}}, "recipe-range", ("photo", "a", "step"), "a multiple of 4"),
        ({"photo": {"a": {"type": "sound", "day": "x"}}}, "recipe-refused", ("photo", "a", "day"), "photo.a.day cannot be 'x'"),
        ({"photo": {"a": {"type": "sound", "even": 1}}}, "recipe-value", ("photo", "a", "even"), "photo.a.even: it has to be even"),
        ({"photo": {"a": {"type": "sound", "rate": 0}}}, "recipe-range", ("photo", "a", "rate"), "1 or more"),
        ({"photo": {"a": {"type": "sound", "rate": "atuo"}}}, "recipe-type", ("photo", "a", "rate"), "did you mean 'auto'?"),
        ({"photo": {"a": {"type": "sound", "rate": "atuo"}}}, "recipe-type", ("photo", "a", "rate"), "a whole number, a mapping or 'auto'"),
        ({"photo": {"a": {"type": "sound", "rate": {"x": "y"}}}}, "recipe-type", ("photo", "a", "rate", "x"), "a number"),
        ({"photo": {}, "pair": [{"even": 1}]}, "recipe-value", ("pair", 0, "even"), "it has to be even"),
        ({"photo": {}, "pair": {"sise": 1}}, "recipe-key-unknown", ("pair", "sise"), "no key 'sise' in pair"),
        ({"photo": {}, "pair": 5}, "recipe-type", ("pair",), "a list or a mapping"),
        ({}, "recipe-missing", (), "'photo' is missing in the recipe"),
    ],
)
def test_one_mistake_is_one_problem(tree: Any, code: str, path: tuple[str | int, ...], says: str) -> None:
    found = faults(tree)
    assert [(problem.code, problem.path) for problem in found] == [(code, path)]
    assert says in str(found[0])


def test_a_union_inside_a_member_that_was_not_meant() -> None:
    found = faults({"photo": {}, "pair": [{"rate": "atuo", "even": 1}, {"rate": 0}]})
    assert [(problem.code, problem.path) for problem in found] == [
        ("recipe-type", ("pair", 0, "rate")),
        ("recipe-value", ("pair", 0, "even")),
        ("recipe-range", ("pair", 1, "rate")),
    ]


class Raising(Config):
    seed: int = 0

    @field_validator("seed")
    @classmethod
    def _refuse(cls, seed: int) -> int:
        raise RecipeError("recipe-value", path=("training", "seed"), at="training.seed", reason="no")


def test_a_room_that_raises_our_own_error() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_part(Raising, {"seed": 1}, ("training",))
    assert (caught.value.code, caught.value.where) == ("recipe-value", "training.seed")
