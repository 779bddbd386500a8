"""A recipe: the configs of all rooms under one roof, read from YAML and written back with nothing left unsaid."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from flambeau.choice import Named, written
from flambeau.config import Config
from flambeau.data.config import DataConfig
from flambeau.document import Tree, write
from flambeau.evaluation.config import TestConfig
from flambeau.inputs.custom import CustomInput
from flambeau.inputs.union import AnyInput
from flambeau.network.spec import NetworkSpec, names_code, placed, without_places
from flambeau.recipe.schema import Schema
from flambeau.tasks.custom_task import CustomTask
from flambeau.tasks.union import AnyTask
from flambeau.training.config import TrainingConfig

Format: TypeAlias = Literal["onnx", "openvino"]
"""What a model can be written as; the names of the exporters."""

LOCATIONS = ("folder", "table", "arrays")
"""Fields of `data` that say where it lies: made absolute when they are read, and no part of what a recipe is."""


class Recipe(Config):
    """One piece of work, from raw data to an exported model. What is left out is chosen by looking at the data."""

    data: DataConfig = DataConfig()
    """Where the examples are, which are used, and how they are split."""
    inputs: dict[str, AnyInput] = Field(default_factory=dict)
    """How each column is read, by its name. Empty: recognised from the data."""
    task: AnyTask | None = None
    """What is predicted. null: chosen from the data."""
    network: Literal["auto"] | NetworkSpec = "auto"
    """The layers, or the name of a ready-made network. "auto": chosen for the data."""
    training: TrainingConfig = TrainingConfig()
    """How the network learns."""
    test: TestConfig = TestConfig()
    """How the finished model is tested."""
    export: tuple[Format, ...] = ("onnx",)
    """The forms in which the model is written."""

    @field_validator("data", mode="after")
    @classmethod
    def _placed(cls, data: DataConfig, info: ValidationInfo) -> DataConfig:
        """Relative locations are relative to the recipe's folder."""
        base = Path((info.context or {}).get("folder", "")).absolute()
        given = {name: getattr(data, name) for name in LOCATIONS}
        return data.model_copy(update={name: base / path.expanduser() for name, path in given.items() if path is not None})

    @field_validator("network", mode="after")
    @classmethod
    def _with_placed_weights(cls, network: Any, info: ValidationInfo) -> Any:
        """So are files of weights."""
        return network if network == "auto" else placed(network, Path((info.context or {}).get("folder", "")).absolute())

    @property
    def hash(self) -> str:
        """64 hexadecimal digits that are the same for the same work, wherever its data lies and however it was spelled."""
        tree = self.without_places().model_dump(mode="json", exclude={"data": set(LOCATIONS)})
        canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def column(self) -> str | None:
        """What to call the files of a folder, whose only names are those of its classes: as the recipe's first input."""
        return next(iter(self.inputs), None)

    @property
    def names_code(self) -> bool:
        """Whether it names code of the user, which runs only with --allow-code."""
        parts = (self.task, *self.inputs.values())
        return names_code(self.network) or any(isinstance(part, CustomInput | CustomTask) for part in parts)

    def without_places(self) -> Recipe:
        """The same work without where its data, weights and tokenizers lie: what may leave this machine."""
        network = self.network if self.network == "auto" else without_places(self.network)
        inputs = {name: chosen.without_places() for name, chosen in self.inputs.items()}
        return self.model_copy(update={"data": self.data.model_copy(update=dict.fromkeys(LOCATIONS)), "inputs": inputs, "network": network})

    def to_tree(self) -> dict[str, Tree]:
        """The recipe as plain data, in long form, with every default in it."""
        return {room: _kind_first(part) for room, part in self.model_dump(mode="json").items()}

    def to_yaml(self) -> str:
        """The recipe as YAML with every default in it; `parse` reads it back as an equal recipe."""
        return write(self.to_tree())


def _kind_first(tree: Tree) -> Tree:
    """The same with `type`, which says what the other keys mean, in front of them."""
    if isinstance(tree, dict):
        return {key: _kind_first(tree[key]) for key in sorted(tree, key=lambda key: key != "type")}
    return tree


class _Published(GenerateJsonSchema):
    """The dialect is said in the schema itself."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        return {"$schema": self.schema_dialect, **super().generate(schema, mode)}

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """What a function tells apart may suit two members of the schema: then any of them will do."""
        published = super().tagged_union_schema(schema)
        return published if "discriminator" in published or "oneOf" not in published else {"anyOf": published["oneOf"]}

    def encode_default(self, dft: Any) -> Any:
        """As a recipe writes it: of what is chosen by its name, with the name."""
        return written(dft) if isinstance(dft, Named) else super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a recipe, as editors use it."""
    return Recipe.model_json_schema(schema_generator=_Published)


@cache
def schema() -> Schema:
    """The same, to be asked what may stand where."""
    return Schema(json_schema())
