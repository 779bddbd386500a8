"""Named steps with a shorthand: ``flip``, ``{rotate: 10}`` (the first field) and ``{rotate: {degrees: 10}}`` are the same kind of thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar

from pydantic import GetJsonSchemaHandler, ModelWrapValidatorHandler, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from flambeau import messages
from flambeau.config import Config


class Step(Config):
    """One member of a union of named steps. It is written back in its long form."""

    name: ClassVar[str]

    @model_validator(mode="wrap")
    @classmethod
    def _unwrap(cls, value: Any, handler: ModelWrapValidatorHandler[Step]) -> Step:
        """Takes the name off, so that the fields' errors are addressed (..., name, field)."""
        if value == cls.name:
            return handler({})
        if not isinstance(value, Mapping) or list(value) != [cls.name]:
            return handler(value)
        settings = value[cls.name]
        if settings is None or isinstance(settings, Mapping):
            return handler(settings or {})
        return handler({next(iter(cls.model_fields)): settings})

    @model_serializer(mode="wrap")
    def _wrap(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {self.name: handler(self)}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """For editors: the name alone, the name with its first field, or with all of them."""
        fields = handler.resolve_ref_schema(handler(core_schema))
        first = next(iter(fields["properties"].values()))
        settings = {key: fields[key] for key in ("type", "properties", "additionalProperties") if key in fields}
        long = {"type": "object", "properties": {cls.name: {"anyOf": [first, settings]}}, "required": [cls.name], "additionalProperties": False}
        return {"anyOf": [{"const": cls.name}, long], "description": cls.__doc__ or ""}


def tag(value: object) -> str | None:
    """Which member of a union a value is for: a step, its name, or a mapping with its name as the only key."""
    if isinstance(value, Step):
        return value.name
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        return str(next(iter(value)))
    return None


def fault(code: str, **facts: str) -> PydanticCustomError:
    """An error to raise inside a validator: its type is the code in the message catalogue, its context the facts."""
    parts = (messages.text(code, part, **facts) for part in ("what", "why", "fix"))
    return PydanticCustomError(code, "{text}", {**facts, "text": "; ".join(filter(None, parts))})


def named_among(names: Sequence[str]) -> Callable[[object], object]:
    """A validator in front of a union: refuses a name that is not in `names`, and says which is near."""

    def check(value: object) -> object:
        name = tag(value)
        if name is None:
            raise fault("step-form")
        if name not in names:
            guess = next(iter(get_close_matches(name, names, 1)), "")
            raise fault("step-unknown", name=messages.printable(name), guess=guess, names=", ".join(names))
        return value

    return check
