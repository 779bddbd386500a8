"""From plain data, or a file, to a recipe or a part of one: every mistake at once, each at file:line:col."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from flambeau.document import Marks, Place, Tree, get, read_file, spell
from flambeau.document import Path as Address
from flambeau.errors import RecipeError
from flambeau.recipe import settings as changes
from flambeau.recipe.faults import MAX_PROBLEMS, misfit, problems
from flambeau.recipe.recipe import Recipe, schema
from flambeau.recipe.schema import wrapped

Error = TypeVar("Error", bound=RecipeError)


def read_recipe(path: str | Path) -> Recipe:
    """A YAML (or JSON) file -> a recipe.

    Raises:
        RecipeError: the first problem, at file:line:col; `problems` holds all of them.
    """
    document = read_file(Path(path))
    return parse(document.tree, document.marks, Path(path))


def parse(tree: object, marks: Marks | None = None, file: Path | None = None, allow_code: bool = False) -> Recipe:
    """Plain data -> a recipe. Nothing at all is a recipe that leaves everything open.

    Args:
        marks: the places of the data in its file, for the messages.
        file: the recipe's file; locations of data are relative to its folder, without it to the current one.
        allow_code: makes the inputs that are classes of the user; without it they are read, and refuse to work.

    Raises:
        RecipeError: the first problem; `problems` holds all of them.
    """
    recipe = parse_part(Recipe, {} if tree is None else tree, (), marks, file, allow_code)
    assert isinstance(recipe, Recipe)
    return recipe


def parse_part(kind: Any, tree: Any, path: Address, marks: Marks | None = None, file: Path | None = None, allow_code: bool = False) -> Any:
    """What stands at `path` of a recipe -> its config.

    Args:
        kind: the type of the config, as pydantic understands it.
        tree: that part of the recipe.

    Raises:
        RecipeError: as `parse`.
    """
    texts = {place[len(path) :]: text for place, text in marks.texts.items() if place[: len(path)] == path} if marks else {}
    typed, places = schema().typed(tree, texts, path)
    whole = wrapped(typed, path)
    found = [misfit((*path, *place), whole, schema(), get(typed, place)) for place in places[:MAX_PROBLEMS]]
    try:
        result = TypeAdapter(kind).validate_python(typed, context={"folder": file.absolute().parent if file else "", "allow_code": allow_code})
    except ValidationError as error:
        found += problems(error, whole, schema(), path)
    except RecipeError as error:
        found.append(error)
    if found:
        raise _together([located(problem, marks) for problem in _each_once(found)], marks)
    return result


def located(error: Error, marks: Marks | None) -> Error:
    """The same error with the place of its path: file:line:col and the line with a marker, or its address where there is no file."""
    if error.snippet or not (error.path or marks) or (error.where and not error.path):
        return error
    if marks is None or not marks.values:
        error.where = error.where or spell(error.path)
        return error
    place = _place(error, marks)
    error.where, error.snippet = marks.where(place), marks.snippet(place)
    return error


def apply(tree: Tree, settings: Sequence[str]) -> Tree:
    """A resolved recipe as a tree, and settings like ``training.epochs=3`` -> the changed tree. See `flambeau.recipe.settings`.

    Raises:
        RecipeError: a setting has no place in the recipe, or its value is not YAML.
    """
    return changes.apply(tree, settings, schema())


def _together(found: Sequence[RecipeError], marks: Marks | None) -> RecipeError:
    """The first problem of the file, which carries all of them (as many as a person can want to see)."""
    found = sorted(found, key=lambda problem: _order(problem, marks))[:MAX_PROBLEMS]
    first = found[0]
    if len(found) == 1:
        return first
    return type(first)(first.code, path=first.path, where=first.where, snippet=first.snippet, problems=found, **first.facts)


def _order(problem: RecipeError, marks: Marks | None) -> tuple[int, int]:
    place = _place(problem, marks) if marks else None
    return (place.line, place.column) if place else (0, 0)


def _place(problem: RecipeError, marks: Marks) -> Place:
    """Where to look: at the key for a key that is wrong (also one that a room names in its facts), else at the value."""
    if problem.code.startswith("recipe-key-"):
        return marks.place(problem.path, key=True)
    if problem.code.endswith("-unknown"):
        names = [name for name in problem.facts.values() if isinstance(name, str)]
        inside = [(*problem.path, name) for name in names if (*problem.path, name) in marks.keys]
        if inside or problem.path[-1:] in [(name,) for name in names]:
            return marks.place(inside[0] if inside else problem.path, key=True)
    return marks.place(problem.path)


def _each_once(found: Sequence[RecipeError]) -> list[RecipeError]:
    """One problem a place: what is no number cannot be too small as well. A key that is misspelled is not missing too."""
    misspelled = {(*problem.path[:-1], problem.facts.get("guess")) for problem in found}
    kept = [problem for problem in found if problem.code != "recipe-missing" or (*problem.path, problem.facts["key"]) not in misspelled]
    return list({(problem.path, problem.facts.get("key")): problem for problem in reversed(kept)}.values())[::-1]
