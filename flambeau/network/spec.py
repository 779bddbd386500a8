"""What `network:` of a recipe can be: a preset's name, a list of layers, a pretrained model of timm or transformers, a module of the user,
or one of these for each input.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar, get_args

import yaml
from pydantic import Field, PlainSerializer, PlainValidator, ValidationError

from flambeau.choice import problem
from flambeau.config import Config
from flambeau.naming import closest
from flambeau.network.combine import LAYERS, Node
from flambeau.network.custom import names_class
from flambeau.network.encoder_folder import encoder_config
from flambeau.network.initialisation import Initialise
from flambeau.network.layer import FEATURES, Axes, Layer
from flambeau.network.node import Loc, retold, shown
from flambeau.network.pretrained import WORDS, CustomNetwork, Rename, TimmNetwork, TransformersNetwork, WeightsFile, absolute

PresetName: TypeAlias = Literal[
    "mlp",
    "tabular_resnet",
    "ft_transformer",
    "cnn",
    "fast_cnn",
    "small_resnet",
    "vit",
    "conv_gru",
    "conv_transformer",
    "fast_text",
    "text_cnn",
    "rnn",
    "gru",
    "lstm",
    "conv1d_resnet",
    "transformer",
]
PRESETS: tuple[PresetName, ...] = get_args(PresetName)
"""The networks that lie in ``presets/``: for tables, for images, for texts and sequences; smallest first."""


class LayerList(Config):
    """A network as a list of layers; the head that gives the answers is added behind the last."""

    layers: tuple[Node, ...] = Field(max_length=10_000)
    """What is done to an example, one after the other."""
    initialise: Initialise = Initialise()
    """How the weights start, where a layer does not say it itself."""
    weights: WeightsFile | None = None
    """Weights to start with: a .safetensors file, a torch checkpoint, or the folder of a finished run, relative to the recipe."""
    rename: Rename = Field(default_factory=dict)
    """Where names differ: {regular expression: replacement} for the names in `weights`, one after the other."""

    def filled(self) -> tuple[Layer, ...]:
        """The layers with every open initialisation filled."""
        layers = self.initialise.fill(self.layers)
        assert isinstance(layers, tuple)
        return layers


class Preset(Config):
    """A network that comes with flambeau: a file of ``presets/``."""

    takes: tuple[Axes, ...]
    """The named axes that it is made for."""
    starts: dict[str, tuple[Node, ...]] = Field(default_factory=dict)
    """Layers that stand in front for some of the axes: {time: [{embedding: 64}]}. Elsewhere there are none."""
    network: LayerList

    def layers(self, axes: Axes) -> tuple[Layer, ...]:
        """All layers for what has these axes."""
        start = self.network.initialise.fill(self.starts.get(" x ".join(axes), ()))
        assert isinstance(start, tuple)
        return (*start, *self.network.filled())


@cache
def read_preset(name: PresetName) -> Preset:
    """A preset's name -> what its file says."""
    text = (files("flambeau.network") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    return Preset.model_validate(yaml.safe_load(text))


class TimmForm(Config):
    """How a recipe names a timm model."""

    timm: TimmNetwork | str


class TransformersForm(Config):
    """How a recipe names an encoder of transformers."""

    transformers: TransformersNetwork | str


class CustomForm(Config):
    """How a recipe names a class of the user."""

    custom: CustomNetwork | str


_OneForm: TypeAlias = PresetName | tuple[Node, ...] | LayerList | TimmForm | TransformersForm | CustomForm
_BY_NAME: Mapping[str, type[Config]] = {"timm": TimmNetwork, "transformers": TransformersNetwork, "custom": CustomNetwork}
ConfigT = TypeVar("ConfigT", bound=Config)


def _read_one(value: object) -> str | Config:
    """A network of one input, as YAML or as Python, -> a preset's name, or its config."""
    if isinstance(value, LayerList | TimmNetwork | TransformersNetwork | CustomNetwork):
        return value
    if isinstance(value, str):
        return _known_preset(value)
    if isinstance(value, list | tuple):
        return _validated(LayerList, {"layers": value}, lambda loc: loc[1:])
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in _BY_NAME:
        [(name, fields)] = value.items()
        return _named(name, fields)
    if isinstance(value, Mapping) and "layers" in value:
        return _validated(LayerList, value, lambda loc: loc)
    raise problem("network-malformed", got=shown(value))


def _read(value: object) -> str | Config:
    """Any form of a network; the networks of several inputs too."""
    if isinstance(value, Branches):
        return value
    if isinstance(value, Mapping) and "branches" in value:
        return _validated(Branches, value, lambda loc: loc)
    return _read_one(value)


def _known_preset(name: str) -> str:
    if name not in PRESETS:
        names = [*PRESETS, *(cls.name for cls in LAYERS)]
        raise problem("network-unknown", network=shown(name), networks=", ".join(PRESETS), guess=closest(name, names))
    return name


def _named(name: str, fields: object) -> Config:
    cls = _BY_NAME[name]
    first = next(iter(cls.model_fields))
    if isinstance(fields, Mapping):
        return _validated(cls, fields, lambda loc: (name, *loc))
    return _validated(cls, {first: fields}, lambda loc: (name, *loc[1:]))


def _validated(cls: type[ConfigT], value: object, move: _Move) -> ConfigT:
    try:
        return cls.model_validate(value)
    except ValidationError as error:
        raise retold(error, move, list(cls.model_fields)) from None


def _write(value: str | Config) -> object:
    """The resolved form: every field of every layer. A list stays a list unless it says how its weights start."""
    if isinstance(value, LayerList):
        tree = value.model_dump(mode="json")
        return tree["layers"] if value == LayerList(layers=value.layers) else tree
    name = next((name for name, cls in _BY_NAME.items() if isinstance(value, cls)), None)
    if name is not None:
        assert isinstance(value, Config)
        return {name: value.model_dump(mode="json")}
    return value.model_dump(mode="json") if isinstance(value, Config) else value


if TYPE_CHECKING:
    from collections.abc import Callable

    _Move: TypeAlias = Callable[[Loc], Loc]

OneInput: TypeAlias = str | LayerList | TimmNetwork | TransformersNetwork | CustomNetwork
"""A network of one input: the name of a preset, or what was read."""
_OneSpec = Annotated[OneInput, PlainValidator(_read_one, json_schema_input_type=_OneForm), PlainSerializer(_write)]


class Branches(Config):
    """Several inputs, each with a network of its own; what they give is joined and goes through the trunk."""

    branches: dict[str, _OneSpec] = Field(min_length=1)
    """The network of each input, by the input's name: a preset, a list of layers, a pretrained model or a class of the user."""
    join: Literal["concatenate", "sum", "attention"] = "concatenate"
    """concatenate: the features of all side by side; sum: added up; attention: a mean, weighted anew for each example. For the last two,
    a branch that is not as wide as the widest gets a linear behind it."""
    trunk: _OneSpec = LayerList(layers=())
    """What is done with the joined features: a list of layers, or the name of a preset for features."""


AnyNetwork: TypeAlias = OneInput | Branches
NetworkSpec = Annotated[AnyNetwork, PlainValidator(_read, json_schema_input_type=_OneForm | Branches), PlainSerializer(_write)]
"""The type of a recipe's `network:`."""


def networks_in(spec: AnyNetwork) -> Mapping[str, OneInput]:
    """The networks that a spec is made of, each by what to call it: those of all inputs and the trunk, or the only one, which has no name."""
    return {**spec.branches, "trunk": spec.trunk} if isinstance(spec, Branches) else {"": spec}


def name_of(spec: AnyNetwork) -> str:
    """What to call a network in one line: its preset, its pretrained model or its class; "layers" for a list."""
    if isinstance(spec, Branches):
        return " + ".join(f"{name}: {name_of(branch)}" for name, branch in spec.branches.items())
    if isinstance(spec, str):
        return spec
    if isinstance(spec, TransformersNetwork):
        return Path(spec.name).name
    return "layers" if isinstance(spec, LayerList) else str(getattr(spec, next(iter(type(spec).model_fields))))


def changed_parts(spec: AnyNetwork, change: Callable[[OneInput], OneInput]) -> AnyNetwork:
    """The same network with each of its parts (those that `networks_in` lists) changed."""
    if not isinstance(spec, Branches):
        return change(spec)
    branches = {name: change(branch) for name, branch in spec.branches.items()}
    return spec.model_copy(update={"branches": branches, "trunk": change(spec.trunk)})


def placed(spec: AnyNetwork, base: Path) -> AnyNetwork:
    """The same network with its files addressed from the recipe's folder. What is no folder there is a name on the hub."""

    def one(part: OneInput) -> OneInput:
        if isinstance(part, str):
            return part
        update = {} if part.weights is None or part.weights in WORDS else {"weights": absolute(part.weights, base)}
        if isinstance(part, TransformersNetwork) and Path(absolute(part.name, base)).is_dir():
            update["name"] = absolute(part.name, base)
        return part.model_copy(update=update) if update else part

    return changed_parts(spec, one)


def without_places(spec: AnyNetwork) -> AnyNetwork:
    """The same network with the mere names of its files: what may leave this machine."""

    def one(part: OneInput) -> OneInput:
        if isinstance(part, str):
            return part
        update = {} if part.weights is None else {"weights": Path(part.weights).name}
        if isinstance(part, TransformersNetwork) and Path(part.name).is_absolute():
            update["name"] = Path(part.name).name
        return part.model_copy(update=update) if update else part

    return changed_parts(spec, one)


def names_code(spec: AnyNetwork) -> bool:
    """Whether a spec names code of the user."""
    return any(isinstance(one, CustomNetwork) or (isinstance(one, LayerList) and names_class(one.layers)) for one in networks_in(spec).values())


def expanded(spec: AnyNetwork, shapes: Mapping[str, Axes]) -> AnyNetwork:
    """The same network with its layers in the place of a preset's name, and with what the folder of an encoder says of it. A preset that
    does not take what comes in stays a name.

    Args:
        shapes: the named axes that each input has, in order.
    """
    if isinstance(spec, Branches):
        branches = {name: _one_expanded(branch, shapes.get(name, ())) for name, branch in spec.branches.items()}
        return spec.model_copy(update={"branches": branches, "trunk": _one_expanded(spec.trunk, FEATURES)})
    return _one_expanded(spec, next(iter(shapes.values())))


def _one_expanded(spec: OneInput, axes: Axes) -> OneInput:
    if isinstance(spec, TransformersNetwork):
        return spec.model_copy(update={"config": encoder_config(spec)})
    name = next((preset for preset in PRESETS if preset == spec), None)
    if name is None or axes not in read_preset(name).takes:
        return spec
    return LayerList(layers=read_preset(name).layers(axes))


def as_written(path: Loc, tree: object) -> Loc:
    """The part of a path that exists in a tree as a person wrote it: a short form has no field names, a preset no layers.

    ("network", 2, "residual", "layers", 0, "conv2d", "channels") in {"network": [..., ..., {"residual": ["relu"]}]}
    -> ("network", 2, "residual", 0).
    """
    found: list[str | int] = []
    for step in path:
        in_mapping = isinstance(tree, Mapping) and step in tree
        in_list = isinstance(tree, list | tuple) and isinstance(step, int) and step < len(tree)
        if in_mapping or in_list:
            tree = tree[step]  # type: ignore[index]  # one of the two
            found.append(step)
    return tuple(found)
