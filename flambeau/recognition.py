"""Which input reads which column: recognised by the values, or as a person says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flambeau.data.examples import Source, no_column, some
from flambeau.errors import DataError, Notice, UsageError
from flambeau.inputs.columns import COLUMNS
from flambeau.inputs.input import Input
from flambeau.inputs.table import TableInput
from flambeau.inputs.union import INPUTS
from flambeau.naming import closest
from flambeau.types import Example

KINDS: Mapping[str, type[Input]] = {kind.kind(): kind for kind in INPUTS if not kind.gathers} | {kind.name: TableInput for kind in COLUMNS}
"""What a person can call the kind of a column: a modality, or a kind of column of a table."""


def fixed_kinds(words: Iterable[str], columns: Sequence[str]) -> dict[str, str]:
    """``NAME:KIND`` words -> the kind by column.

    Raises:
        UsageError: not of this form, or no such kind.
        DataError: no such column.
    """
    found = {}
    for word in words:
        name, _, kind = word.rpartition(":")
        if kind not in KINDS or not name:
            raise UsageError("input-form", where="--input", given=word, kinds=", ".join(KINDS), guess=closest(kind, KINDS))
        if name not in columns:
            raise no_column(name, columns, "--input")
        found[name] = kind
    return found


def recognise(
    source: Source, sample: Sequence[Example], left_out: Iterable[str | None], fixed: Mapping[str, str]
) -> tuple[dict[str, Input], list[Notice]]:
    """The columns of a source -> an input for each, or one for all that a table can hold; what is not read is named in notices.

    Args:
        sample: a few examples.
        left_out: columns that are no inputs: the target, the group, what is excluded.
        fixed: the kinds of columns that are known, by name.

    Raises:
        DataError: no column can be read.
    """
    spoken_for = set(left_out)
    columns = {name: [example[name] for example in sample] for name in source.columns if name not in spoken_for}
    constant = [name for name in columns if name not in fixed and is_constant(source, name)]
    kinds = {
        name: KINDS[fixed[name]] if name in fixed else next((kind for kind in INPUTS if kind.recognises(values)), None)
        for name, values in columns.items()
        if name not in constant
    }
    unknown = [name for name, kind in kinds.items() if kind is None]
    inputs: dict[str, Input] = {}
    for name, kind in kinds.items():
        if kind is not None and kind.gathers:
            together = {other: columns[other] for other, its in kinds.items() if its is kind}
            inputs.setdefault(kind.kind(), _with_fixed(kind.over(together), fixed))
        elif kind is not None:
            inputs[name] = kind.over({name: columns[name]})
    if not inputs:
        raise DataError("nothing-recognised", where=str(source.place or source.name), columns=some(columns, 20))
    notices = [Notice("columns-left-out", {"columns": some(unknown, 20)})] if unknown else []
    notices += [Notice("columns-constant", {"columns": some(constant, 20)})] if constant else []
    return inputs, notices


def is_constant(source: Source, column: str) -> bool:
    """Whether all values of a column are the same, so that nothing can be learned from it."""
    first = source.examples[0][column]
    if not isinstance(first, str | int | float | bool | None):
        return False
    return len(source) > 1 and all(example[column] == first for example in source.examples)


def _with_fixed(chosen: Input, fixed: Mapping[str, str]) -> Input:
    """A table whose columns have the kinds that a person said."""
    if not isinstance(chosen, TableInput):
        return chosen
    by_name = {kind.name: kind for kind in COLUMNS}
    said = {name: by_name[kind]() for name, kind in fixed.items() if kind in by_name}
    return chosen.model_copy(update={"columns": {**chosen.columns, **said}})
