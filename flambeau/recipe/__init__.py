"""What a person asks for, read from YAML or Python, with every mistake at its place."""

from flambeau.document import flatten, get
from flambeau.recipe.parsing import apply, located, parse, parse_part, read_recipe
from flambeau.recipe.recipe import Recipe, json_schema

__all__ = ["Recipe", "apply", "flatten", "get", "json_schema", "located", "parse", "parse_part", "read_recipe"]
