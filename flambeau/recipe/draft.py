"""A recipe while its open choices are being made, room by room, by whoever looks at the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flambeau.document import Marks, Tree, read_file, write
from flambeau.errors import RecipeError
from flambeau.inputs.input import Input
from flambeau.inputs.union import AnyInput
from flambeau.messages import text
from flambeau.network.spec import CustomNetwork, LayerList, NetworkSpec, TimmNetwork, read_preset
from flambeau.recipe.parsing import apply, located, parse, parse_part
from flambeau.recipe.recipe import LOCATIONS, Recipe
from flambeau.recipe.settings import split
from flambeau.tasks.task import Task
from flambeau.tasks.union import AnyTask

_LATE = ("inputs", "network")
"""Rooms that are chosen as a whole: a setting inside waits until the choice is made."""


@dataclass(frozen=True)
class Draft:
    """What was asked for, in long form, with the settings of the command line in it; what nobody said is not there yet."""

    tree: Mapping[str, Tree]
    settings: tuple[str, ...]
    marks: Marks | None
    given: str
    """The recipe as it was given, as YAML; "" without one."""

    @classmethod
    def open(cls, recipe: Path | Recipe | Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Draft:
        """A file, the same as a mapping, or a Recipe -> a draft, every setting applied whose place is known already.

        Raises:
            RecipeError: every problem of the recipe at once, else the first setting that cannot be.
        """
        marks, given = None, ""
        if isinstance(recipe, Path):
            document = read_file(recipe)
            asked = parse(document.tree, document.marks, recipe)
            marks, given = document.marks, document.text
        else:
            asked = recipe if isinstance(recipe, Recipe) else parse(recipe or {})
        said = asked.to_tree(only_given=True)
        if not given and said:
            given = write(said)
        early = [setting for setting in settings if (path := split(setting)[0])[0] not in _LATE or len(path) == 1]
        tree = apply(said, early)
        parse(tree)
        assert isinstance(tree, dict)
        return cls(tree, tuple(settings), marks, given)

    @property
    def target(self) -> str | None:
        """The column that is to be predicted, where it was said."""
        task = self.tree.get("task")
        target = task.get("target") if isinstance(task, dict) else None
        return target if isinstance(target, str) else None

    @property
    def network_is_open(self) -> bool:
        """Whether the network is to be chosen."""
        return self.tree.get("network", "auto") == "auto"

    @property
    def network_name(self) -> str:
        """What to call the network: the name of a preset, a model or a class, or how many layers it has."""
        spec = self.network()
        if isinstance(spec, LayerList):
            return text("recipe-layers", n=len(spec.layers))
        return spec.name if isinstance(spec, TimmNetwork) else spec.target if isinstance(spec, CustomNetwork) else spec

    def room(self, name: str, kind: Any) -> Any:
        """The config of one room, as far as it was said.

        Args:
            kind: its type.
        """
        return parse_part(kind, self.tree.get(name, {}), (name,))

    def inputs(self) -> dict[str, Input]:
        """The inputs by column; {} where they are to be recognised."""
        inputs: dict[str, Input] = self.room("inputs", dict[str, AnyInput])
        return inputs

    def task(self) -> Task:
        """The task; its target has to be named before."""
        task: Task = self.room("task", AnyTask)
        return task

    def network(self, *, expanded: bool = False) -> str | LayerList | TimmNetwork | CustomNetwork:
        """The network that was asked for.

        Args:
            expanded: a preset as the list of its layers.
        """
        if self.network_is_open:
            return "auto"
        spec: Any = parse_part(NetworkSpec, self.tree["network"], ("network",))
        return read_preset(spec).network if expanded and isinstance(spec, str) else spec

    def training_tree(self) -> dict[str, Tree]:
        """What was said about the training."""
        said = self.tree.get("training")
        return dict(said) if isinstance(said, dict) else {}

    def placing_data(self, location: Mapping[str, Path]) -> Draft:
        """The same for data that lies elsewhere: ``{"folder": ...}``."""
        said = self.tree.get("data")
        kept = {key: value for key, value in said.items() if key not in LOCATIONS} if isinstance(said, dict) else {}
        placed: dict[str, Tree] = {name: str(path.absolute()) for name, path in location.items()}
        return replace(self, tree={**self.tree, "data": {**kept, **placed}})

    def naming_target(self, target: str | None) -> Draft:
        """The same with this column to be predicted, unless another was said."""
        if target is None or self.target is not None:
            return self
        task = self.tree.get("task")
        return replace(self, tree={**self.tree, "task": {**(task if isinstance(task, dict) else {}), "target": target}})

    def with_network(self, spec: str) -> Draft:
        """The same with this preset."""
        return replace(self, tree={**self.tree, "network": spec})

    def setting(self, room: str, chosen: object) -> Draft:
        """The same with a room as it was chosen (a config, or a mapping of them), and the settings of the command line in it.

        Raises:
            RecipeError: a setting has no place there.
        """
        whole = Recipe.model_validate({room: chosen}).to_tree()
        mine = [setting for setting in self.settings if split(setting)[0][0] == room]
        tree = apply({room: whole[room]}, mine)
        assert isinstance(tree, dict)
        return replace(self, tree={**self.tree, room: tree[room]})

    def recipe(self) -> Recipe:
        """The recipe as far as it is settled."""
        return parse(dict(self.tree))

    def located(self, error: RecipeError) -> RecipeError:
        """An error of a room, with its place in the file that was given."""
        return located(error, self.marks)
