"""Every code that this room raises has a text in both languages, with the same placeholders, and no other room has the same key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from string import Formatter

import pytest

import flambeau

ROOT = Path(flambeau.__file__).parent
TEXTS = {language: tomllib.loads((ROOT / "messages" / language / "data.toml").read_text(encoding="utf-8")) for language in ("en", "zh")}
CODE = re.compile(r'(?:DataError|UsageError|DeviceError|RecipeError|Notice|_UnopenedError|PydanticCustomError|_say|_section)\(\s*"([a-z-]+)"')


def placeholders(template: str) -> list[str]:
    """With their forms, without the words that follow a count."""
    return sorted(f"{name}:{(form or '').partition(' ')[0]}" for _, name, form, _ in Formatter().parse(template) if name)


def test_both_languages_say_the_same() -> None:
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, parts in TEXTS["en"].items():
        assert parts.keys() == TEXTS["zh"][key].keys(), key
        for part, template in parts.items():
            assert placeholders(template) == placeholders(TEXTS["zh"][key][part]), (key, part)


def test_every_code_has_a_text_and_every_text_a_code() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "data").glob("*.py"))
    named = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', source)) | {
        f"data-page-{key}" for key in re.findall(r"_(?:say|section)\([\"']([a-z]+)[\"']", source)
    }
    others = {"class-unknown", "json-key-twice"}
    assert TEXTS["en"].keys() - named == set()
    assert set(CODE.findall(source)) - {match for match in CODE.findall(source) if f"data-page-{match}" in TEXTS["en"]} - TEXTS["en"].keys() == others


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_other_room_has_these_keys(language: str) -> None:
    for path in (ROOT / "messages" / language).glob("*.toml"):
        if path.name != "data.toml":
            assert not TEXTS[language].keys() & tomllib.loads(path.read_text(encoding="utf-8")).keys(), path.name
