"""How a node of a spec is read and written: a name, a name with one value, or a name with its fields.

Problems come from pydantic, all at once, each with the path that the node has in the file: a short form has no field name in it.
Their type is a code of the message catalogue where the problem is one of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import Annotated, Any, TypeAlias, get_args

from pydantic import BeforeValidator, GetJsonSchemaHandler, Tag, ValidationError, ValidatorFunctionWrapHandler, WrapSerializer, WrapValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from flambeau.choice import problem
from flambeau.messages import printable
from flambeau.naming import closest
from flambeau.network.layer import Layer

Loc: TypeAlias = tuple[str | int, ...]
_KEYS = 8
_CHARACTERS = 80
"""How much of a strange value an error shows."""
_UNKNOWN_FIELD = ("unexpected_keyword_argument", "extra_forbidden")
_KNOWN_TYPES = frozenset(get_args(ErrorType))


def shown(value: object) -> str:
    """Any value of a recipe in a few words that a terminal can take; of a mapping, its keys."""
    text = (
        ", ".join(str(key) for key in islice(value, _KEYS)) if isinstance(value, Mapping) else repr(value) if isinstance(value, list) else str(value)
    )
    return printable(text[:_CHARACTERS])


def retold(error: ValidationError, move: Callable[[Loc], Loc], names: Sequence[str] = ()) -> ValidationError:
    """The same problems at the places that `move` gives them; an unknown field at the top is told with the closest of `names`."""
    return ValidationError.from_exception_data(error.title, [_retold(details, move, names) for details in error.errors(include_url=False)])


def _retold(details: Mapping[str, Any], move: Callable[[Loc], Loc], names: Sequence[str]) -> InitErrorDetails:
    kind, loc, context = details["type"], details["loc"], details.get("ctx", {})
    reason: str | PydanticCustomError = kind
    if kind in _UNKNOWN_FIELD and len(loc) == 1:
        reason = problem("layer-field-unknown", field=shown(loc[0]), fields=", ".join(names), guess=closest(loc[0], names))
    elif kind not in _KNOWN_TYPES:
        reason = PydanticCustomError(kind, details["msg"], context)
    return InitErrorDetails(type=reason, loc=move(loc), input=details["input"], ctx=context)


def normaliser(layers: Sequence[type[Layer]]) -> BeforeValidator:
    """Reads `relu`, `{conv2d: 32}` and a Layer alike: what comes out is a Layer, or a mapping of one known name to its value."""
    names = [cls.name for cls in layers]

    def normalise(node: object) -> object:
        if isinstance(node, Layer):
            return node
        named = {node: {}} if isinstance(node, str) else node
        if not isinstance(named, Mapping) or len(named) != 1:
            raise problem("layer-malformed", got=shown(named))
        [name] = named
        if name not in names:
            raise problem("layer-unknown", layer=shown(name), guess=closest(name, names))
        return named

    return BeforeValidator(normalise)


def tag(node: Layer | Mapping[str, object]) -> str:
    """The layer's name, by which the union is told apart."""
    return node.name if isinstance(node, Layer) else next(iter(node))


class _BothForms:
    """JSON Schema of one layer: its name alone, {name: value of the first field}, or {name: {field: value}}."""

    def __init__(self, cls: type[Layer]) -> None:
        self.cls = cls

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long = handler(core)
        resolved = handler.resolve_ref_schema(long)
        properties: dict[str, JsonSchemaValue] = resolved.get("properties", {})
        values = [*list(properties.values())[:1], long]
        name = self.cls.name
        about = resolved.get("description", "")
        node = {"type": "object", "properties": {name: {"anyOf": values}}, "required": [name], "additionalProperties": False, "description": about}
        return {"anyOf": [node] if resolved.get("required") else [{"const": name, "description": about}, node]}


def choice(cls: type[Layer]) -> Any:
    """One member of the union of layers, as a type for pydantic."""
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # every layer is a dataclass

    def read(node: Layer | Mapping[str, object], handler: ValidatorFunctionWrapHandler) -> Layer:
        if isinstance(node, Layer):
            return node
        value = node[cls.name]
        if value is None or isinstance(value, Mapping):
            return _checked(handler, value or {}, lambda loc: loc)
        if not names:
            raise problem("layer-without-fields", layer=cls.name)
        return _checked(handler, {names[0]: value}, lambda loc: loc[1:] if loc[:1] == (names[0],) else loc)

    def _checked(handler: ValidatorFunctionWrapHandler, value: object, move: Callable[[Loc], Loc]) -> Layer:
        try:
            result: Layer = handler(value)
        except ValidationError as error:
            raise retold(error, move, names) from None
        return result

    def write(layer: Layer, handler: Callable[[Layer], object]) -> object:
        return {cls.name: handler(layer)} if names else cls.name

    return Annotated[cls, WrapValidator(read), WrapSerializer(write), _BothForms(cls), Tag(cls.name)]
