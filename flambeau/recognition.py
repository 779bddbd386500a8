"""Which input reads which column: recognised by the values, or as a person says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from flambeau.cells import is_nothing
from flambeau.data.config import SplitConfig
from flambeau.data.examples import Source, no_column, some
from flambeau.data.ordering import follows_time
from flambeau.errors import DataError, Notice, UsageError
from flambeau.inputs.columns import COLUMNS, Date
from flambeau.inputs.input import Input
from flambeau.inputs.table import TableInput
from flambeau.inputs.text import TextInput
from flambeau.inputs.union import INPUTS
from flambeau.naming import closest
from flambeau.types import Example

_CODE = re.compile(r"(?=\S*[0-9])\S{2,64}")
_UUID = re.compile("[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)

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
    names = [name for name, kind in kinds.items() if kind is TextInput and name not in fixed and is_identifier(source, name)]
    if any(kind is not None for name, kind in kinds.items() if name not in names):
        kinds = {name: kind for name, kind in kinds.items() if name not in names}
    else:
        names = []  # then it is what the answer has to come from
    unknown = [name for name, kind in kinds.items() if kind is None]
    inputs: dict[str, Input] = {}
    for name, kind in kinds.items():
        if kind is not None and kind.gathers:
            together = {other: columns[other] for other, its in kinds.items() if its is kind}
            inputs.setdefault(_free(kind.kind(), columns), _with_fixed(kind.over(together), fixed))
        elif kind is not None:
            inputs[name] = kind.over({name: columns[name]})
    if not inputs:
        raise DataError("nothing-recognised", where=str(source.place or source.name), columns=some(columns, 20))
    notices = [Notice("columns-left-out", {"columns": some(unknown, 20)})] if unknown else []
    notices += [Notice("columns-constant", {"columns": some(constant, 20)})] if constant else []
    notices += [Notice("columns-identify", {"columns": some(names, 20), "first": names[0]})] if names else []
    return inputs, notices


def renamed(inputs: Mapping[str, Input], source: Source, sample: Sequence[Example], left_out: Iterable[str | None]) -> dict[str, Input]:
    """The one input of a recipe that was written for no data in particular, by the name of the one column that is of its kind."""
    if len(inputs) != 1 or next(iter(inputs)) in source.columns:
        return dict(inputs)
    [chosen] = inputs.values()
    alike = [name for name, one in recognise(source, sample, left_out, {})[0].items() if type(one) is type(chosen)]
    return {alike[0]: chosen} if len(alike) == 1 else dict(inputs)


def about_time(inputs: Mapping[str, Input], source: Source, parts: SplitConfig) -> list[Notice]:
    """A warning where rows follow each other in time and are shared out at random: neighbours, nearly alike, would stand on both sides."""
    if source.given is not None or parts.group is not None:
        return []
    days = [name for table in inputs.values() if isinstance(table, TableInput) for name, kind in table.columns.items() if isinstance(kind, Date)]
    found = next((name for name in days if follows_time(source.values(name))), None)
    return [] if found is None else [Notice("rows-in-time", {"column": found})]


def is_constant(source: Source, column: str) -> bool:
    """Whether all values of a column are the same, so that nothing can be learned from it."""
    first = source.examples[0][column]
    if not isinstance(first, str | int | float | bool | None):
        return False
    cells = [example[column] for example in source.examples]
    if is_nothing(first):
        return len(cells) > 1 and all(map(is_nothing, cells))
    return len(cells) > 1 and not any(map(is_nothing, cells)) and all(cell == first for cell in cells)


def _free(name: str, columns: Iterable[str]) -> str:
    """The name of an input, or one like it that no column has."""
    return name if name not in columns else _free(f"{name}_", columns)


def is_identifier(source: Source, column: str) -> bool:
    """Whether every example has a code of its own there, all of one form: R00017, a UUID. Nothing that holds for others can be learned from it."""
    codes = [example[column] for example in source.examples]
    words = [code.strip() for code in codes if isinstance(code, str)]
    if len(words) < len(codes) or len(set(words)) < len(words) or not _CODE.fullmatch(words[0]):
        return False
    return all(map(_UUID.fullmatch, words)) or len({re.sub("[0-9]+", "0", word) for word in words}) == 1


def _with_fixed(chosen: Input, fixed: Mapping[str, str]) -> Input:
    """A table whose columns have the kinds that a person said."""
    if not isinstance(chosen, TableInput):
        return chosen
    by_name = {kind.name: kind for kind in COLUMNS}
    said = {name: by_name[kind]() for name, kind in fixed.items() if kind in by_name}
    return chosen.model_copy(update={"columns": {**chosen.columns, **said}})
