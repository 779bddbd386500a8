"""One out of several, the way a recipe writes it: ``adamw``, ``{adamw: 0.003}`` or ``{adamw: {lr: 0.003, betas: [0.9, 0.99]}}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from flambeau import messages
from flambeau.config import Config
from flambeau.naming import LONGEST, closest


def problem(code: str, **facts: object) -> PydanticCustomError:
    """A validation error that pydantic collects with the others; its type is the code in the message catalogue, its context the facts."""
    said = "; ".join(filter(None, (messages.text(code, part, **facts) for part in ("what", "why"))))
    return PydanticCustomError(code, _literal(said), facts)


class Named(Config):
    """A piece of a recipe that is chosen by its name."""

    name: ClassVar[str]

    @classmethod
    def first_field(cls) -> str | None:
        """The field that a bare value stands for; None where there are no fields."""
        return next(iter(cls.model_fields), None)


class OneOf:
    """Annotation of a field that takes one of several `Named` configs.

    The place of an error is the path of the node in the recipe: ("optimizer", "adamw", "lr"), or ("optimizer", "adamw")
    where the value was given in the short form.
    """

    def __init__(self, subject: str, *kinds: type[Named], words: Sequence[str] = ()) -> None:
        """
        Args:
            subject: what is chosen, as in the code of its error: "optimizer" gives "optimizer-unknown" and "optimizer-form".
            kinds: what can be chosen.
            words: plain words that stand for themselves beside the kinds, such as "none".
        """
        self._subject = subject
        self._kinds = {kind.name: kind for kind in kinds}
        self._words = tuple(words)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read, serialization=core_schema.plain_serializer_function_ser_schema(written))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": [*self._words, *self._kinds]}, *(_single_key(kind, handler) for kind in self._kinds.values())]}

    def read(self, value: object) -> Named | str:
        """What a recipe says -> the config it means, or the plain word.

        Raises:
            ValidationError: no such name (with the closest one), more than one name, or a mistake inside.
        """
        if (isinstance(value, Named) and value.name in self._kinds) or (isinstance(value, str) and value in self._words):
            return value
        name, content, place = self._split(value)
        kind = self._kinds.get(name)
        if kind is None:
            names = [*self._words, *self._kinds]
            raise self._refused("unknown", place, value, name=messages.printable(name)[:LONGEST], guess=closest(name, names), names=", ".join(names))
        short = not isinstance(content, Mapping)
        if short and kind.first_field() is None:
            raise self._refused("form", place, value, given=messages.printable(value)[:LONGEST], names=", ".join(self._kinds))
        try:
            return kind.model_validate({kind.first_field(): content} if short else content)
        except ValidationError as error:
            raise ValidationError.from_exception_data(name, [moved(line, place, int(short)) for line in error.errors()]) from None

    def _split(self, value: object) -> tuple[str, object, tuple[str, ...]]:
        if isinstance(value, str):
            return value, {}, ()
        if isinstance(value, Mapping) and len(value) == 1:
            name, content = next(iter(value.items()))
            return str(name), {} if content is None else content, (str(name),)
        raise self._refused("form", (), value, given=messages.printable(value)[:LONGEST], names=", ".join(self._kinds))

    def _refused(self, kind: str, place: Sequence[str], value: object, **facts: str) -> ValidationError:
        error = problem(f"{self._subject}-{kind}", **facts)
        return ValidationError.from_exception_data(self._subject, [InitErrorDetails(type=error, loc=tuple(place), input=value)])


def written(value: Named | str) -> dict[str, object] | str:
    """A chosen config -> how a resolved recipe writes it, every field given: ``{"adamw": {"lr": 0.003, ...}}``, ``"simd"`` where there is none."""
    if isinstance(value, str):
        return value
    return {value.name: value.model_dump(mode="json")} if type(value).model_fields else value.name


def _single_key(kind: type[Named], handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    whole = kind.__get_pydantic_json_schema__(kind.__pydantic_core_schema__, handler)
    first = kind.first_field()
    forms = [whole] if first is None else [whole, handler.resolve_ref_schema(whole)["properties"][first]]
    return {"type": "object", "properties": {kind.name: {"anyOf": forms}}, "required": [kind.name], "additionalProperties": False}


def moved(line: ErrorDetails, place: Sequence[str], dropped: int) -> InitErrorDetails:
    """One problem, its place seen from outside; in the short form without the field that the recipe does not name."""
    error = PydanticCustomError(line["type"], _literal(line["msg"]), line.get("ctx"))
    return InitErrorDetails(type=error, loc=(*place, *line["loc"][dropped:]), input=line["input"])


def _literal(message: str) -> str:
    """A message without the braces that pydantic would fill."""
    return message.replace("{", "(").replace("}", ")")
