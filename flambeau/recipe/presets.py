"""Recipes that come with flambeau, by name: the files of ``presets/``."""

from __future__ import annotations

from pathlib import Path

from flambeau.errors import RecipeError
from flambeau.naming import closest

FOLDER = Path(__file__).with_name("presets")


def names() -> tuple[str, ...]:
    """Of all of them."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yaml")))


def is_ours(recipe: Path) -> bool:
    """Whether a person calls one of them by its name."""
    return found(recipe).parent == FOLDER


def found(recipe: Path) -> Path:
    """What a person calls a recipe -> its file: the one of a preset where it is the name of one, and no file has that name here.

    Raises:
        RecipeError: it looks like a name, and is not one of ours.
    """
    is_name = recipe.name == str(recipe) and not recipe.suffix
    if not is_name or recipe.exists():
        return recipe
    known = names()
    if recipe.name not in known:
        raise RecipeError("recipe-preset-unknown", where="--recipe", name=recipe.name, names=", ".join(known), guess=closest(recipe.name, known))
    return FOLDER / f"{recipe.name}.yaml"
