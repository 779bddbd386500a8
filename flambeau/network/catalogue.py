"""What `flambeau layers` shows: every layer with its fields, as data."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from inspect import cleandoc
from typing import Any

from pydantic import TypeAdapter

from flambeau.network.combine import LAYERS
from flambeau.network.layer import Axes, Layer


@dataclass(frozen=True)
class FieldDoc:
    """One field of a layer."""

    name: str
    type: str
    """For people: "integer, 1 to 1024", "half or integer", "relu, gelu, ..."."""
    default: object
    """As in YAML; meaningless where the field is required."""
    required: bool
    description: str


@dataclass(frozen=True)
class LayerDoc:
    """One layer."""

    name: str
    takes: tuple[Axes, ...]
    """() is any."""
    gives: Axes | None
    """None: the same axes as it takes; () is any."""
    fields: tuple[FieldDoc, ...]
    """The value of the first may be written alone: {conv2d: 32}."""
    summary: str
    """The first sentence of its documentation."""


def layer_catalogue() -> list[LayerDoc]:
    """Every layer that a spec can name, in the order of the union."""
    return [layer_doc(cls) for cls in LAYERS]


def layer_doc(cls: type[Layer]) -> LayerDoc:
    """One class of layers -> its documentation."""
    schema = TypeAdapter(cls).json_schema()
    definitions: dict[str, Any] = schema.get("$defs", {})
    own = definitions.get(cls.__name__, schema)
    docs = tuple(_field_doc(field, own["properties"][field.name]) for field in fields(cls))  # type: ignore[arg-type]
    return LayerDoc(cls.name, cls.takes, cls.makes, docs, cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " "))


def _field_doc(field: Any, schema: dict[str, Any]) -> FieldDoc:
    made = None if field.default_factory is MISSING else field.default_factory()
    required = field.default is MISSING and made is None
    return FieldDoc(field.name, _type(schema), made if field.default is MISSING else field.default, required, schema.get("description", ""))


def _type(schema: dict[str, Any]) -> str:
    """A JSON Schema -> a few words."""
    if "anyOf" in schema:
        return " or ".join(_type(member) for member in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return _array(schema)
    return str(schema.get("type", "layer")) + _bounds(schema)


def _array(schema: dict[str, Any]) -> str:
    if "prefixItems" in schema:
        return "[height, width]"
    return f"list of {_type(schema.get('items', {}))}"


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None or high is None:
        return ""
    below = " (excluded)" if "exclusiveMinimum" in schema else ""
    above = " (excluded)" if "exclusiveMaximum" in schema else ""
    return f", {int(low):,}{below} to {int(high):,}{above}"
