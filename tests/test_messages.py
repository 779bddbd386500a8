"""The catalogue of messages: complete in both languages, used, and fit to be filled."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from flambeau import errors
from flambeau.messages import LANGUAGES, catalogue, filled, language, printable, text

PACKAGE = Path(__file__).parents[1] / "flambeau"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.FlambeauError)}
SPEAKERS = {*ERRORS, "Notice", "problem", "text"}
"""What is called with a key of the catalogue as its first argument."""

PARTS = {"what", "why", "fix"}
KEYS = sorted(catalogue("en"))


def placeholders(template: str) -> Counter[str]:
    return Counter(name for _, name, _, _ in Formatter().parse(template) if name is not None)


@cache
def files(lang: str) -> dict[str, dict[str, dict[str, str]]]:
    return {file.name: tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted((PACKAGE / "messages" / lang).glob("*.toml"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def pattern(node: ast.JoinedStr) -> str:
    """An f-string as a regular expression of the strings that it can give."""
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values)


def said(node: ast.expr) -> list[str]:
    """The keys (as regular expressions) that an argument can be; [] where only running it would tell."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [re.escape(node.value)]
    if isinstance(node, ast.JoinedStr):
        return [pattern(node)]
    if isinstance(node, ast.IfExp):
        return [*said(node.body), *said(node.orelse)]
    return []


def spoken() -> list[tuple[str, str, ast.Call]]:
    """Every call with a key: where it is, the key, the call."""
    found = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
            is_catalogue = not (isinstance(node.func, ast.Attribute) and name == "text") or (
                isinstance(node.func.value, ast.Name) and node.func.value.id == "messages"
            )
            if name in SPEAKERS and is_catalogue:
                found += [(f"{path.relative_to(PACKAGE)}:{node.lineno}", key, node) for key in said(node.args[0])]
    return found


def test_both_languages_have_the_same_files() -> None:
    assert LANGUAGES == ("en", "zh")
    assert list(files("en")) == list(files("zh"))


@pytest.mark.parametrize("name", files("en"))
def test_both_languages_say_the_same(name: str) -> None:
    english, chinese = files("en")[name], files("zh").get(name, {})
    assert set(english) == set(chinese)
    for key, parts in english.items():
        assert set(parts) == set(chinese[key]), key
        assert "what" in parts, key
        assert set(parts) <= PARTS, key
        for part, template in parts.items():
            assert set(placeholders(template)) == set(placeholders(chinese[key][part])), f"{key}.{part}"


def test_no_key_is_in_two_files() -> None:
    counts = Counter(key for keys in files("en").values() for key in keys)
    assert [key for key, n in counts.items() if n > 1] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_template_can_be_filled(lang: str) -> None:
    for key, parts in catalogue(lang).items():
        for part, template in parts.items():
            assert template.strip() or part == "what", f"{key}.{part} is empty"
            assert all(name for name in placeholders(template)), f"{key}.{part}: every placeholder has a name"
            full = filled(template, **{re.split(r"[.\[]", name)[0]: Fact() for name in placeholders(template)})
            assert "{" not in full or "{{" in template, f"{key}.{part}"


class Fact(float):
    """A number, a text and a mapping at once: it takes every format that messages use."""

    def __getitem__(self, key: str) -> Fact:
        return self

    def __format__(self, spec: str) -> str:
        try:
            return format(1, spec)
        except ValueError:
            return format("x", spec)


COUNT = re.compile(r"\{(n|count|total|threads|epochs|classes|recorded|got|found)(:,)?\} [a-z]*[^\Ws]s\b")


def test_a_count_knows_one_from_many() -> None:
    assert filled("{n:, file|files} {x}", n=1, x="y") == "1 file y"
    assert filled("{n:, file|files}", n=0) == "0 files"
    assert filled("{n:, file was|files were} left", n=12_345) == "12,345 files were left"
    assert filled("{n: epoch|epochs}", n="1") == "1 epoch"
    with pytest.raises(KeyError):
        filled("{n: epoch|epochs}")
    loose = [f"{key}: {template}" for key, parts in catalogue("en").items() for template in parts.values() if COUNT.search(template)]
    assert [line for line in loose if not line.startswith("playground-")] == [], "words behind a count have two forms: {n: file|files}"


def test_chinese_is_chinese() -> None:
    """But for what is the same in every language: a number, a name, a sign."""
    for key, parts in catalogue("zh").items():
        if key == "playground-language":  # the name of the other language, in that language
            continue
        for part, template in parts.items():
            same = template == catalogue("en")[key][part]
            words = re.sub(r"\{[^}]*\}", "", template)
            assert same or re.search("[一-鿿]", words) or not re.search("[A-Za-z]", words), f"{key}.{part}: {template}"
            is_command = re.match("(curl|pip|flambeau) ", words) is not None
            assert not same or is_command or len(re.findall("[a-z]{4,}", words)) < 3, f"{key}.{part} is not translated: {template}"


def test_every_key_that_is_said_exists() -> None:
    missing = [f"{place} {key}" for place, key, _ in spoken() if not any(re.fullmatch(key, known) for known in KEYS)]
    assert missing == []


def test_a_message_gets_the_facts_that_it_needs() -> None:
    """Seen from the call, where it names them: a shape's problem is told more on its way out."""
    lacking = []
    for place, key, call in spoken():
        named = {keyword.arg for keyword in call.keywords}
        speaker = call.func.id if isinstance(call.func, ast.Name) else "text"
        if None in named or speaker in ("Notice", "RecipeError", "ShapeError") or key not in map(re.escape, KEYS):
            continue
        known = re.sub(r"\\(.)", r"\1", key)
        part = call.args[1].value if len(call.args) > 1 and isinstance(call.args[1], ast.Constant) else "what"
        wanted = set(placeholders(catalogue("en")[known].get(str(part), "")))
        if wanted - named:
            lacking.append(f"{place} {known} needs {', '.join(sorted(wanted - {str(name) for name in named}))}")
    assert lacking == []


@cache
def words(room: str) -> tuple[frozenset[str], frozenset[str]]:
    """The strings of a room of the package (of its pages too), and its f-strings as regular expressions."""
    folder = PACKAGE / room
    constants: set[str] = set()
    patterns: set[str] = set()
    for path in SOURCES:
        if path.is_relative_to(folder) or path == folder:
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    constants.add(node.value)
                elif isinstance(node, ast.JoinedStr):
                    patterns.add(pattern(node).replace("\\-", "-"))
    for page in (path for suffix in ("html", "js") for path in folder.rglob(f"*.{suffix}")):
        constants |= set(re.findall(r"""["'`]([a-z-]+)["'`]""", page.read_text(encoding="utf-8")))
    return frozenset(constants), frozenset(patterns)


@cache
def choices() -> frozenset[str]:
    """The keys of the errors that each choice (`OneOf("optimizer", ...)`) makes from its subject."""
    calls = [node for path in SOURCES for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    subjects = [call.args[0].value for call in calls if call.func.id == "OneOf" and isinstance(call.args[0], ast.Constant)]
    return frozenset(f"{subject}-{kind}" for subject in subjects for kind in ("unknown", "form"))


def is_used(key: str, room: str) -> bool:
    """Whether a room has the key: whole, by an f-string, behind a prefix of its own ("report-"), or in two parts that it joins."""
    constants, patterns = words(room)
    if key in choices():
        return True
    if {key, key.replace("-", "_")} & constants or any(re.search("[a-z]-|-[a-z]", known) and re.fullmatch(known, key) for known in patterns):
        return True
    if any(prefix.endswith("-") and len(prefix) > 1 and key.startswith(prefix) and is_used(key.removeprefix(prefix), room) for prefix in constants):
        return True
    head, _, tail = key.partition("-")
    return key in files("en").get(f"{room}.toml", {}) and ".*-.*" in patterns and {head, tail} <= constants


def test_every_key_is_used() -> None:
    rooms = sorted({path.relative_to(PACKAGE).parts[0] for path in SOURCES})
    assert [key for key in KEYS if not any(is_used(key, room) for room in rooms)] == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN", "LC_ALL": "C"}, "en"),
        ({"FLAMBEAU_LANG": "zh", "LC_ALL": "C"}, "zh"),
        ({"FLAMBEAU_LANG": "en", "LANG": "zh_CN"}, "en"),
        ({"FLAMBEAU_LANG": "", "LC_MESSAGES": "ZH"}, "zh"),
    ],
)
def test_the_language(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLAMBEAU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_advice_about_what_is_not_known_is_left_out() -> None:
    assert text("class-unknown", "why", label="a", labels="b", guess="") == ""
    assert text("class-unknown", "why", label="a", labels="b", guess=None) == ""
    assert text("class-unknown", "why", label="a", labels="b", guess="b") != ""


def test_what_is_printed_cannot_move_the_cursor() -> None:
    hostile = "".join(map(chr, range(0x250))) + "\u2028\u202e\u2066猫"
    shown = printable(hostile)
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202e\u2066]", shown)
    assert shown.endswith("猫")
    assert "é" in shown
