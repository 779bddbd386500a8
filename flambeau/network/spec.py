"""What `network:` of a recipe can be: a preset's name, a list of layers, a timm model, or a module of the user."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar, get_args

import yaml
from pydantic import Field, PlainSerializer, PlainValidator, Strict, ValidationError

from flambeau.choice import problem
from flambeau.config import Config
from flambeau.naming import closest
from flambeau.network.combine import LAYERS, Node
from flambeau.network.initialisation import Initialise
from flambeau.network.layer import Axes, Layer, Small
from flambeau.network.node import Loc, retold, shown

PresetName: TypeAlias = Literal["mlp", "cnn", "fast_cnn", "small_resnet"]
PRESETS: tuple[PresetName, ...] = get_args(PresetName)
"""The networks that lie in ``presets/``, smallest first."""


class LayerList(Config):
    """A network as a list of layers; the head that gives the answers is added behind the last."""

    layers: tuple[Node, ...] = Field(max_length=10_000)
    """What is done to an example, one after the other."""
    initialise: Initialise = Initialise()
    """How the weights start, where a layer does not say it itself."""

    def filled(self) -> tuple[Layer, ...]:
        """The layers with every open initialisation filled."""
        layers = self.initialise.fill(self.layers)
        assert isinstance(layers, tuple)
        return layers


class TimmNetwork(Config):
    """A model of the timm library (`pip install "flambeau[zoo]"`), its classifier replaced by the head of the task."""

    name: str = Field(max_length=200)
    """timm's name of the model: resnet18, convnext_tiny, tf_efficientnet_lite0."""
    weights: str | None = Field(None, max_length=4_096)
    """null: from scratch; hub: pretrained, downloaded by timm; else the path of a .safetensors file or a torch checkpoint."""
    freeze: Annotated[bool, Strict()] = False
    """Train the head alone and leave the model as it is."""
    lr_scale: Small = 1.0
    """Learning rate of the model as a share of the head's, 0 to 1; pretrained weights want 0.1 or less."""


class CustomNetwork(Config):
    """A class of the user, derived from torch.nn.Module; only where code of the user is allowed (--allow-code).

    It takes what the preprocessing gives, (batch, *axes), and gives (batch, features), (batch, time, features) or
    (batch, channels, height, width); the head is added behind it.
    """

    target: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", max_length=400)
    """Where the class is: package.module:Class."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the class."""


class Preset(Config):
    """A network that comes with flambeau: a file of ``presets/``."""

    takes: tuple[Axes, ...]
    """The named axes that it is made for."""
    network: LayerList


@cache
def read_preset(name: PresetName) -> Preset:
    """A preset's name -> what its file says."""
    text = (files("flambeau.network") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    return Preset.model_validate(yaml.safe_load(text))


class TimmForm(Config):
    """How a recipe names a timm model."""

    timm: TimmNetwork | str


class CustomForm(Config):
    """How a recipe names a class of the user."""

    custom: CustomNetwork | str


_Form: TypeAlias = PresetName | tuple[Node, ...] | LayerList | TimmForm | CustomForm
_BY_NAME: Mapping[str, type[Config]] = {"timm": TimmNetwork, "custom": CustomNetwork}
ConfigT = TypeVar("ConfigT", bound=Config)


def _read(value: object) -> str | Config:
    """Any form of a network, as YAML or as Python, -> a preset's name, LayerList, TimmNetwork or CustomNetwork."""
    if isinstance(value, LayerList | TimmNetwork | CustomNetwork):
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
        return tree if value.initialise != Initialise() else tree["layers"]
    name = next((name for name, cls in _BY_NAME.items() if isinstance(value, cls)), "")
    return {name: value.model_dump(mode="json")} if isinstance(value, Config) else value


if TYPE_CHECKING:
    from collections.abc import Callable

    _Move: TypeAlias = Callable[[Loc], Loc]

NetworkSpec = Annotated[
    str | LayerList | TimmNetwork | CustomNetwork,
    PlainValidator(_read, json_schema_input_type=_Form),
    PlainSerializer(_write),
]
"""The type of a recipe's `network:`."""


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
