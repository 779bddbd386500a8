"""The fitted side of a modality or task by the word that an artifact stores: only the one that is needed is imported, as a process
that answers one question should not wait for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from flambeau.code import found_class
from flambeau.errors import DataError, RecipeError
from flambeau.inputs.input import Preprocessor
from flambeau.members import parsed
from flambeau.messages import printable
from flambeau.tasks.task import Target

PREPROCESSORS = {
    "image": "flambeau.inputs.image:ImagePreprocessor",
    "audio": "flambeau.inputs.audio:AudioPreprocessor",
    "sequence": "flambeau.inputs.sequence:SequencePreprocessor",
    "table": "flambeau.inputs.table:TablePreprocessor",
    "text": "flambeau.inputs.text:TextPreprocessor",
    "custom": "flambeau.inputs.custom:CustomPreprocessor",
}
TARGETS = {
    "classification": "flambeau.tasks.classification:ClassTarget",
    "multi_label": "flambeau.tasks.multi_label:LabelsTarget",
    "regression": "flambeau.tasks.regression:ValuesTarget",
    "ordinal": "flambeau.tasks.ordinal:OrdinalTarget",
    "custom": "flambeau.tasks.custom_task:CustomTarget",
}


def preprocessor(fields: Any, file: Path, allow_code: bool = False) -> Preprocessor:
    """What an artifact stores of one input -> its preprocessor.

    Args:
        allow_code: permits a class of the user to be imported.

    Raises:
        DataError: it is none that this program knows, or damaged.
        RecipeError: it is a class of the user, which is not allowed or not found here.
    """
    found = _read(PREPROCESSORS, fields, file, allow_code, Preprocessor, "target")
    assert isinstance(found, Preprocessor)
    return found


def target(fields: Any, file: Path, allow_code: bool = False) -> Target:
    """What an artifact stores of its task -> the target; otherwise as `preprocessor`."""
    found = _read(TARGETS, fields, file, allow_code, Target, "code")
    assert isinstance(found, Target)
    return found


def _read(known: Mapping[str, str], fields: Any, file: Path, allow_code: bool, base: type[Any], named_by: str) -> object:
    """
    Args:
        base: what a class of the user has to be derived from.
        named_by: the field that names one.
    """
    found = _parsed(known, fields, file)
    if fields["type"] != "custom":
        return found
    try:
        found_class(fields[named_by], base, allow_code)
    except RecipeError as error:
        error.where = str(file)
        raise
    return _parsed(known, fields, file, allow_code)


def _parsed(known: Mapping[str, str], fields: Any, file: Path, allow_code: bool = False) -> object:
    kind = fields.get("type") if isinstance(fields, Mapping) else None
    if not isinstance(kind, str) or kind not in known:
        raise DataError("artifact-member", where=str(file), reason=f"type: {printable(str(kind)[:60])}")
    module, name = known[kind].split(":")
    return parsed(TypeAdapter(getattr(import_module(module), name)), fields, file, {"allow_code": allow_code})
