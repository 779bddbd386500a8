"""The published JSON Schema: what editors check is what we check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml

from flambeau.document import read
from flambeau.network.combine import LAYERS
from flambeau.network.spec import PRESETS, read_preset
from flambeau.recipe import Recipe, json_schema, parse

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

GOOD = [
    {},
    {"data": {"folder": "a"}},
    {"network": "small_resnet"},
    {"network": "auto"},
    {"network": ["relu", {"conv2d": 3}, {"conv2d": {"channels": 3, "kernel": 5}}, {"residual": [{"conv_block": 8}]}]},
    {"network": {"timm": "resnet18"}},
    {"network": {"custom": {"target": "mine:Net"}}},
    {"training": {"optimizer": "lbfgs"}},
    {"training": {"optimizer": {"sgd": 0.1}, "batch_size": "all", "schedule": "cosine", "stop_early": None}},
    {"training": {"optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}}, "batch_size": 5}},
    {"task": {"target": "label", "class_weights": "balanced"}},
    {"task": {"type": "classification", "target": "label", "class_weights": {"cat": 2}}},
    {"inputs": {"a": {"type": "image", "size": [28, 28], "denoise": "median", "augment": [{"rotate": 10}, "flip", {"scale": {"by": 0.1}}]}}},
    {"inputs": {"a": {"type": "image", "size": 96, "grayscale": True, "augment": []}}},
    {"test": {"min": {"accuracy": 0.9}}, "export": ["onnx"]},
]

BAD = [
    {"trainig": {}},
    {"training": {"epochs": 0}},
    {"training": {"epochs": "5"}},
    {"training": {"optimizer": "adamx"}},
    {"training": {"optimizer": {"adamw": {"lrr": 1}}}},
    {"network": ["maxpol"]},
    {"network": [{"conv2d": {"chanels": 3}}]},
    {"network": "resnet"},
    {"task": {}},
    {"inputs": {"a": {"type": "imag"}}},
    {"inputs": {"a": {"augment": ["flop"]}}},
    {"export": ["onx"]},
    [],
]


def test_it_is_a_schema_of_its_dialect() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"] == "Recipe"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("tree", GOOD, ids=str)
def test_good_recipes(tree: dict[str, Any]) -> None:
    VALIDATOR.validate(tree)
    resolved = parse(tree).to_tree()
    VALIDATOR.validate(resolved)


@pytest.mark.parametrize("tree", BAD, ids=str)
def test_bad_recipes(tree: Any) -> None:
    assert not VALIDATOR.is_valid(tree)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_recipes_too(name: Any) -> None:
    text = (files("flambeau.network") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    VALIDATOR.validate({"network": yaml.safe_load(text)["network"]})
    VALIDATOR.validate(read(Recipe(network=read_preset(name).network).to_yaml()).tree)
    assert read(text).tree == yaml.safe_load(text)


@pytest.mark.parametrize("room", list(Recipe.model_fields))
def test_every_key_is_described(room: str) -> None:
    seen: set[str] = set()

    def visit(node: Any, path: str) -> None:
        if isinstance(node, dict) and "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            if name in seen:
                return
            seen.add(name)
            visit(SCHEMA["$defs"][name], path)
        elif isinstance(node, dict):
            for key, entry in node.get("properties", {}).items():
                told = "description" in entry or "const" in entry or key in {layer.name for layer in LAYERS} or "anyOf" in entry
                assert told, f"{path}.{key} has no description"
                visit(entry, f"{path}.{key}")
            for word in ("anyOf", "oneOf", "items", "additionalProperties"):
                for part in node[word] if isinstance(node.get(word), list) else [node.get(word)]:
                    visit(part, path)

    told = SCHEMA["properties"][room]
    assert told.get("description") or SCHEMA["$defs"][told["$ref"].rpartition("/")[2]]["description"]
    visit(SCHEMA["properties"][room], room)


def subschemas(node: Any) -> Iterator[dict[str, Any]]:
    """A schema and all within it."""
    if isinstance(node, list):
        for inner in node:
            yield from subschemas(inner)
    elif isinstance(node, dict):
        yield node
        for word, inner in node.items():
            yield from subschemas(list(inner.values()) if word in ("properties", "$defs") else inner if word != "default" else None)


def test_defaults_are_what_a_recipe_may_say() -> None:
    said = [node for node in subschemas(SCHEMA) if "default" in node]
    assert len(said) > 400
    for node in said:
        jsonschema.Draft202012Validator({**node, "$defs": SCHEMA["$defs"]}).validate(node["default"])
    assert SCHEMA["$defs"]["TrainingConfig"]["properties"]["optimizer"]["default"]["adamw"]["lr"] == 0.003
    assert SCHEMA["$defs"]["ImageInput"]["properties"]["resizer"]["default"] == "pillow"
