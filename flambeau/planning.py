"""What a person asked for and what the data is like -> a recipe in which nothing is open any more.

Room by room, in the order of the walk: the data is opened, its columns are recognised, the network is chosen for what comes
out of the inputs. A setting (``--set path=value``) changes the resolved form of its room.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from flambeau import randomness
from flambeau.code import refused
from flambeau.data.config import DataConfig
from flambeau.data.examples import Source
from flambeau.data.long_table import kept_apart, with_channels
from flambeau.data.parquet import columns_of, is_frame
from flambeau.data.source import open_data, open_source
from flambeau.data.split import expected_sizes
from flambeau.document import Document, read_file, spell
from flambeau.errors import DataError, Notice, RecipeError, UsageError
from flambeau.inputs.custom import CustomInput
from flambeau.inputs.input import Input, Preprocessor
from flambeau.naming import closest
from flambeau.network.choose import Choice, choose
from flambeau.network.seen import seen_by
from flambeau.network.spec import LayerList, as_written, expanded, name_of, networks_in
from flambeau.recipe import Recipe, apply, located, parse, presets
from flambeau.recipe.following import with_training
from flambeau.recipe.settings import share, split
from flambeau.recognition import about_time, fixed_kinds, recognise, renamed
from flambeau.tasks.custom_task import CustomTask
from flambeau.tasks.task import Task
from flambeau.tasks.union import TASKS, AutoTask
from flambeau.types import Example

SAMPLE = 200
"""Examples whose headers are looked at before anything is chosen."""
LATER = ("inputs", "task", "network", "training")
"""Rooms of a recipe whose settings wait until what they change is there."""
READ = 8
"""Examples that are read to learn what the network will get."""


class Words(TypedDict, total=False):
    """The words of the command line that describe a piece of work."""

    target: str | None
    """Column to predict."""
    group: str | None
    """Column whose equal values stay together in one split."""
    settings: Sequence[str]
    """``path=value``: changes to the resolved recipe."""
    epochs: int | None
    seed: int | None
    """Of split and training."""
    max_bad: str | float | None
    """Largest share of unusable examples: 0.05 or "5%"."""
    exclude_classes: Sequence[str]
    id: str | None
    """Column that names the series of a row, where a row is one time of a series."""
    time: str | None
    """Column by which the rows of a series are sorted."""
    exclude: Sequence[str]
    """Columns that are left out."""
    inputs: Sequence[str]
    """``NAME:KIND``: what a column holds, where it is not to be recognised."""


@dataclass(frozen=True)
class Request:
    """What a person asked for."""

    data: object = None
    """A path, or arrays by column name; None where the recipe says it."""
    recipe: Path | Recipe | Mapping[str, Any] | None = None
    target: str | None = None
    settings: tuple[str, ...] = ()
    """``path=value``, in the order in which they are applied."""
    inputs: tuple[str, ...] = ()
    """``NAME:KIND``."""
    allow_code: bool = False
    network: tuple[str, str] | None = None
    """Name of the network and why it was chosen, where a resolved recipe no longer says it."""

    @classmethod
    def from_words(
        cls, data: object = None, recipe: str | Path | Recipe | Mapping[str, Any] | None = None, allow_code: bool = False, **words: Unpack[Words]
    ) -> Request:
        """The words of the command line (and of `flambeau.fit`) -> a request; most are settings of the recipe."""
        for name in words:
            if name not in Words.__annotations__:
                guess, names = closest(name, Words.__annotations__), ", ".join(Words.__annotations__)
                raise UsageError("keyword-unknown", where=name, name=name, guess=guess, names=names)
        max_bad, seed = words.get("max_bad"), words.get("seed")
        set_to: dict[str, object] = {
            "data.split.group": words.get("group"),
            "data.split.seed": seed,
            "training.seed": seed,
            "training.epochs": words.get("epochs"),
            "data.max_bad": None if max_bad is None else share(max_bad),
            "data.exclude_classes": list(words.get("exclude_classes", ())) or None,
            "data.series": {word: words[word] for word in ("id", "time") if words.get(word)} or None,
            "data.exclude_columns": list(words.get("exclude", ())) or None,
        }
        said = tuple(f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in set_to.items() if value is not None)
        return cls(
            columns_of(data) if is_frame(data) else data,
            Path(recipe) if isinstance(recipe, str) else recipe,
            words.get("target"),
            (*said, *words.get("settings", ())),
            tuple(words.get("inputs", ())),
            allow_code,
        )


@dataclass(frozen=True)
class Plan:
    """A recipe with nothing left open, and the data that it is for."""

    recipe: Recipe
    source: Source
    network_name: str
    """The preset, the timm model or the class; "layers" for a list."""
    why: str
    """Why this network, in words; "" where the recipe named it."""
    choice: Choice | None
    """Why the network was chosen; None where the recipe named it."""
    given: str
    """The recipe as it was given; "" without one."""
    document: Document | None
    """The recipe's file, which errors point into."""
    allow_code: bool = False
    notices: tuple[Notice, ...] = ()

    def changed(self, setting: str) -> Plan:
        """The plan with one more setting."""
        return replace(self, recipe=_changed(self.recipe, self, [setting]))

    @contextmanager
    def placing_errors(self) -> Iterator[None]:
        """Gives a RecipeError that a room raises its place in the recipe's file."""
        with placing_errors(self.document):
            yield


def resolve(request: Request) -> Plan:
    """Looks at the data and makes every choice that the request leaves open. Reads a few examples, trains nothing.

    Raises:
        RecipeError: with every problem of the recipe and its place.
        DataError: the data is not there, or nothing in it can be learned from.
    """
    given, document, text = _given(request.recipe, request.allow_code)
    recipe = _placed(given, request.data)
    recipe = _changed(recipe, request, [s for s in request.settings if _room(s) not in LATER or s.startswith("network=")])
    ours = isinstance(request.recipe, Path) and presets.is_ours(request.recipe)  # and written for no data in particular
    target = request.target or _set(request.settings, "task.target") or (recipe.task.target if recipe.task and not ours else None)
    with placing_errors(document):
        memory = request.data if isinstance(request.data, Mapping) else None
        _demand_permission(recipe)
        recipe = _with_data(recipe, kept_apart(recipe.data))
        source = open_source(recipe.data, target, memory, column=recipe.column, weight=_weight(recipe, request.settings))
        recipe = _with_data(recipe, with_channels(recipe.data, source))
        if source.target in recipe.data.exclude_columns:
            raise UsageError("target-excluded", where="data.exclude_columns", target=source.target)
        # the inputs as they were given: only those know what was left open
        recipe, notices = _with_inputs(recipe.model_copy(update={"inputs": given.inputs}), source, request)
        sizes = expected_sizes(len(source), recipe.data.split, source.given)
        recipe = with_training(recipe, given, sizes, [s for s in request.settings if _room(s) == "training"], request.allow_code)
        recipe, choice = _with_network(recipe, source)
        name, why = request.network or (name_of(recipe.network), choice.reason if choice else "")
        recipe = _changed(_expanded(recipe, source), request, [s for s in request.settings if _room(s) == "network" and not s.startswith("network=")])
    return Plan(recipe, source, name, why, choice, text, document, request.allow_code, notices)


@contextmanager
def placing_errors(document: Document | None) -> Iterator[None]:
    """Gives a RecipeError its place in the recipe's file, if there is one."""
    try:
        yield
    except RecipeError as error:
        if document is not None:
            error.path = as_written(error.path, document.tree)
        raise located(error, document.marks if document else None) from error.__cause__


def preprocessors_of(inputs: Mapping[str, Input], source: Source) -> dict[str, Preprocessor]:
    """Each resolved input fitted on a few examples: enough to know what the network will get.

    Raises:
        DataError: none of the examples that were tried can be read.
    """
    return {name: chosen.fit(_read(chosen, source, name)) for name, chosen in inputs.items()}


def _given(recipe: Path | Recipe | Mapping[str, Any] | None, allow_code: bool) -> tuple[Recipe, Document | None, str]:
    if recipe is None:
        return Recipe(), None, ""
    if isinstance(recipe, Recipe):
        return (parse(recipe.to_tree(), allow_code=True) if allow_code and recipe.names_code else recipe), None, recipe.to_yaml()
    if isinstance(recipe, Mapping):
        parsed = parse(dict(recipe), allow_code=allow_code)
        return parsed, None, parsed.to_yaml()
    file = presets.found(recipe)
    document = read_file(file)
    return parse(document.tree, document.marks, file, allow_code), document, file.read_text(encoding="utf-8-sig")


def _placed(recipe: Recipe, data: object) -> Recipe:
    """The recipe with the data that the command line names, which goes before its own."""
    if data is None:
        return recipe
    place = {name: path.absolute() for name, path in open_data(data).items()}
    return _with_data(recipe, recipe.data.model_copy(update={"folder": None, "table": None, "arrays": None, **place}))


def _with_data(recipe: Recipe, data: DataConfig) -> Recipe:
    return recipe.model_copy(update={"data": data})


def _changed(recipe: Recipe, asked: Request | Plan, settings: Sequence[str]) -> Recipe:
    """The recipe with settings applied to its resolved form."""
    return parse(apply(recipe.to_tree(), settings), allow_code=asked.allow_code) if settings else recipe


def _demand_permission(recipe: Recipe) -> None:
    for name, chosen in recipe.inputs.items():
        if isinstance(chosen, CustomInput) and not chosen.is_open:
            raise refused(chosen.target, "inputs", name, "target")
    if isinstance(recipe.task, CustomTask) and not recipe.task.is_open:
        raise refused(recipe.task.code, "task", "code")


def _weight(recipe: Recipe, settings: Sequence[str]) -> str | None:
    """The column with the weights of the examples."""
    return _set(settings, "task.weight") or (recipe.task.weight if recipe.task else None)


def _room(setting: str) -> str | int:
    return split(setting)[0][0]


def _set(settings: Sequence[str], path: str) -> str | None:
    """The text that the last setting of a path gives it."""
    return next((setting.partition("=")[2].strip("\"' ") for setting in reversed(settings) if setting.startswith(f"{path}=")), None)


def _with_inputs(recipe: Recipe, source: Source, request: Request) -> tuple[Recipe, tuple[Notice, ...]]:
    """The recipe with every input and the task settled, and what was left out."""
    settings = request.settings
    fixed = fixed_kinds(request.inputs, source.columns)
    rows = randomness.permutation(len(source), 0)[:SAMPLE].tolist()
    sample = [source.examples[row] for row in rows]
    weight = _weight(recipe, settings)
    identity = recipe.data.series.id if recipe.data.series else None
    parts = recipe.data.split
    left_out = (source.target, weight, identity, parts.group, parts.column, parts.order, *recipe.data.exclude_columns)
    if isinstance(request.recipe, Path) and presets.is_ours(request.recipe):
        [before] = recipe.inputs
        recipe = recipe.model_copy(update={"inputs": renamed(recipe.inputs, source, sample, left_out)})
        [after] = recipe.inputs
        settings = tuple(setting.replace(f"inputs.{before}.", f"inputs.{spell((after,))}.", 1) for setting in settings)
    inputs, notices = (recipe.inputs, []) if recipe.inputs and not fixed else recognise(source, sample, left_out, fixed)
    inputs = _beside_pretrained({**inputs, **recipe.inputs}, recipe)
    if recipe.network == "auto":
        inputs = {name: chosen.beside_chosen_network() for name, chosen in inputs.items()}
    _demand_columns(inputs, source)
    notices = [*notices, *about_time(inputs, source, recipe.data.split)]
    task = _task(recipe, source, [source.raw(row) for row in rows], settings)
    resolved = _resolved(inputs, sample)
    recipe = _changed(recipe.model_copy(update={"inputs": resolved, "task": task}), request, [s for s in settings if _room(s) in ("inputs", "task")])
    _demand_columns(recipe.inputs, source)
    return recipe.model_copy(update={"inputs": _resolved(_beside_pretrained(recipe.inputs, recipe), sample)}), tuple(notices)


def _beside_pretrained(inputs: Mapping[str, Input], recipe: Recipe) -> dict[str, Input]:
    """The inputs, each as suits what the pretrained network behind it has seen."""
    if recipe.network == "auto":
        return dict(inputs)
    found = {}
    for name, chosen in inputs.items():
        seen = seen_by(recipe.network, name)
        try:
            found[name] = chosen if seen is None else chosen.beside_pretrained(seen)
        except RecipeError as error:
            error.path = ("inputs", name, *error.path)
            raise
    return found


def _task(recipe: Recipe, source: Source, values: Sequence[object], settings: Sequence[str]) -> Task:
    """The task of the recipe, that which a setting names, or that which the targets look like."""
    assert source.target is not None
    said = recipe.task.model_copy(update={"target": source.target}) if recipe.task else AutoTask(target=source.target)
    kinds = {kind.model_fields["type"].default: kind for kind in TASKS}
    named = kinds.get(_set(settings, "task.type") or "")
    if named is not None and said.type != named.model_fields["type"].default:
        return named.model_validate({"target": said.target, "weight": said.weight})
    return said.settled([value for value in values if not said.is_missing(value)])


def _resolved(inputs: Mapping[str, Input], sample: Sequence[Example]) -> dict[str, Input]:
    return {name: chosen.resolve([chosen.take(example, name) for example in sample]) for name, chosen in inputs.items()}


def _demand_columns(inputs: Mapping[str, Input], source: Source) -> None:
    for name, chosen in inputs.items():
        for column in chosen.fields(name):
            if column not in source.columns:
                raise RecipeError("input-column-unknown", path=("inputs", name), column=column, columns=", ".join(source.columns))


def _with_network(recipe: Recipe, source: Source) -> tuple[Recipe, Choice | None]:
    if recipe.network != "auto":
        return recipe, None
    assert recipe.task is not None
    targets = (source.raw(row) for row in range(len(source)))
    answers = recipe.task.fit([target for target in targets if not recipe.task.is_missing(target)]).out_features
    specs = {name: chosen.gives for name, chosen in preprocessors_of(recipe.inputs, source).items()}
    choice = choose(specs, len(source), answers)
    return recipe.model_copy(update={"network": choice.spec}), choice


def _expanded(recipe: Recipe, source: Source) -> Recipe:
    """A preset's name replaced by its layers, so that each can be seen and set."""
    if all(isinstance(network, LayerList) for network in networks_in(recipe.network).values()):
        return recipe
    axes = {name: chosen.gives.axes for name, chosen in preprocessors_of(recipe.inputs, source).items()}
    return recipe.model_copy(update={"network": expanded(recipe.network, axes)})


def _read(chosen: Input, source: Source, name: str) -> list[Any]:
    arrays, first_error = [], None
    for row in randomness.permutation(len(source), 0)[:SAMPLE].tolist():
        try:
            arrays.append(chosen.read(chosen.take(source.examples[row], name)))
        except DataError as error:
            first_error = first_error or error
        if len(arrays) == READ:
            break
    if not arrays:
        assert first_error is not None
        raise first_error
    return arrays
