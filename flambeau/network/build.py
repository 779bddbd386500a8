"""A spec and what goes in and out -> the network: preprocessing, body, head and activation in one module, exported as one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

from torch import Tensor, nn

from flambeau.errors import RecipeError
from flambeau.network.body import MAX_PARAMETERS, Body, build_body, drawing
from flambeau.network.branches import build_branches
from flambeau.network.custom import Custom, permitted
from flambeau.network.layer import Layer, Shape
from flambeau.network.modules import only_frozen
from flambeau.network.padding import Flow, entering
from flambeau.network.pretrained import CustomNetwork, TimmNetwork, TransformersNetwork
from flambeau.network.spec import PRESETS, AnyNetwork, Branches, LayerList, OneInput, read_preset
from flambeau.network.weights import load_weights
from flambeau.types import MASK, TensorSpec


class Network(nn.Module):
    """Raw encoded inputs -> answers. What is trained, exported and served is this one module."""

    def __init__(self, tensors: Mapping[str, str], prepare: Sequence[nn.Module], body: Body, head: nn.Linear, activation: nn.Module) -> None:
        super().__init__()
        self.tensors = dict(tensors)
        """The tensors of a batch, in the order of the graph's inputs -> the input that each belongs to."""
        self.prepare = nn.ModuleList(prepare)
        """One module for each input, in the order of `input_names` (which may be any text, so they cannot name modules)."""
        self.body = body.module
        self.head = head
        self.activation = activation
        self.scaled = body.scaled
        """The parts whose learning rate is a share of the head's, and that share."""
        self.on_meta = body.on_meta
        self.notices = body.notices
        self.reports = body.reports

    @property
    def tensor_names(self) -> tuple[str, ...]:
        """The inputs of the graph, in order: the name of an input, and NAME.mask behind it where its length varies."""
        return tuple(self.tensors)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs, in order."""
        return tuple(dict.fromkeys(self.tensors.values()))

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Encoded inputs by name of the tensor, each (batch, *spec.shape), -> (batch, out_features) in training space."""
        return self.head(self.features(inputs))  # type: ignore[no-any-return]

    def features(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """As `logits`, up to the head: (batch, features)."""
        prepared = [self._prepared(name, prepare, inputs) for name, prepare in zip(self.input_names, self.prepare, strict=True)]
        return self.body(*prepared)  # type: ignore[no-any-return]

    def forward(self, *tensors: Tensor) -> Tensor:
        """The inputs in the order of `tensor_names` -> (batch, out_features) in answer space."""
        return self.activation(self.logits(dict(zip(self.tensors, tensors, strict=True))))  # type: ignore[no-any-return]

    def _prepared(self, name: str, prepare: nn.Module, inputs: Mapping[str, Tensor]) -> Flow:
        given = prepare(*(inputs[tensor] for tensor, owner in self.tensors.items() if owner == name))
        return entering(*given) if isinstance(given, tuple) else given


def build(
    spec: AnyNetwork,
    specs: Mapping[str, TensorSpec],
    prepare: Mapping[str, nn.Module],
    out_features: int,
    activation: nn.Module,
    seed: int,
    *,
    tensors: Mapping[str, str] | None = None,
    allow_code: bool = False,
    pretrained: bool = True,
) -> Network:
    """A network with its first weights; the same seed gives the same weights, whatever was drawn before.

    Args:
        spec: what the recipe says.
        specs: what the modules of `prepare` give, by input name.
        prepare: the graph part of each input's preprocessing; one whose length varies gives its values and their mask.
        out_features: numbers that the head gives for one example.
        activation: from training space to answer space.
        seed: of the first weights.
        tensors: the tensors of a batch -> the input that each belongs to; None: one for each input, and its mask where its length varies.
        allow_code: whether a class of the user may be loaded.
        pretrained: False leaves out the weights that the spec names, because others are loaded right after.

    Raises:
        ShapeError: layers that do not fit together or do not fit the input; `path` addresses the node.
        RecipeError: a network that is too large, code that is not allowed, weights that do not fit.
        ExtraMissing: timm or transformers is not installed.
    """
    assert list(specs) == list(prepare)
    shapes = {name: Shape.of(tensor) for name, tensor in specs.items()}

    def one(part: OneInput, shape: Shape, own_seed: int) -> Body:
        return _body(part, shape, own_seed, allow_code, pretrained)

    if isinstance(spec, Branches):
        body = build_branches(spec, shapes, seed, one)
    elif len(specs) == 1:
        body = one(spec, next(iter(shapes.values())), seed)
    else:
        raise RecipeError("inputs-several", path=("network",), inputs=", ".join(specs), count=len(specs))
    head = _head(body.features, out_features, seed)
    if only_frozen(body.module):
        nn.init.zeros_(head.weight)  # what is drawn stays where no example reaches, and is noise to every other
    return Network(tensors or _tensors(specs), tuple(prepare.values()), body, head, activation)


def _tensors(specs: Mapping[str, TensorSpec]) -> dict[str, str]:
    return {name + suffix: name for name, spec in specs.items() for suffix in (("", MASK) if spec.shape[0] is None else ("",))}


def _body(spec: OneInput, shape: Shape, seed: int, allow_code: bool, pretrained: bool) -> Body:
    if isinstance(spec, TimmNetwork):
        from flambeau.network.backbone import build_backbone

        return build_backbone(spec, shape, seed, pretrained)
    if isinstance(spec, TransformersNetwork):
        from flambeau.network.encoder import build_encoder

        return build_encoder(spec, shape, seed, pretrained)
    if isinstance(spec, CustomNetwork):
        return _build_custom(spec, shape, seed, allow_code, pretrained)
    if isinstance(spec, str):
        return build_body(preset_layers(spec, shape), shape, seed)
    layers = spec.filled()
    body = build_body(permitted(layers) if allow_code else layers, shape, seed)
    return _started(body, body.module, spec, ("network",), "layers", pretrained)


def _build_custom(spec: CustomNetwork, shape: Shape, seed: int, allow_code: bool, pretrained: bool) -> Body:
    """A class of the user alone, as a list with one layer."""
    layers = (Custom(spec.target, spec.arguments),)
    try:
        body = build_body(permitted(layers) if allow_code else layers, shape, seed)
    except RecipeError as error:
        error.path = (*error.path[:1], *error.path[2:])
        raise
    return _started(body, next(body.module.children()), spec, ("network", "custom"), spec.target, pretrained)


def _started(body: Body, module: nn.Module, spec: CustomNetwork | LayerList, place: tuple[str, ...], name: str, pretrained: bool) -> Body:
    """The body whose `module` starts with the weights that the spec names, if it names any."""
    if spec.weights is None or not pretrained:
        return body
    report = load_weights(module, spec.weights, spec.rename, (*place, "weights"), name)
    return replace(body, notices=report.notices, reports=(report,))


def preset_layers(name: str, shape: Shape) -> tuple[Layer, ...]:
    """A preset's name -> its layers.

    Raises:
        RecipeError: there is no such preset, or it is not made for these axes.
    """
    known = next((preset for preset in PRESETS if preset == name), None)
    if known is None:
        raise RecipeError("network-unknown", path=("network",), network=name, networks=", ".join(PRESETS), guess="")
    preset = read_preset(known)
    if shape.axes not in preset.takes:
        wanted = " / ".join(" x ".join(axes) for axes in preset.takes)
        fitting = ", ".join(other for other in PRESETS if shape.axes in read_preset(other).takes)
        raise RecipeError("preset-axes", path=("network",), network=name, takes=wanted, gets=str(shape), fitting=fitting)
    return preset.layers(shape.axes)


def _head(features: int, out_features: int, seed: int) -> nn.Linear:
    if features * out_features > MAX_PARAMETERS:
        raise RecipeError("parameters-too-many", path=("network",), count=features * out_features, limit=MAX_PARAMETERS)
    with drawing(seed + 1):
        return nn.Linear(features, out_features)


class ParameterGroup(TypedDict):
    """Parameters that share one learning rate."""

    params: list[nn.Parameter]
    lr_scale: float
    """Their learning rate as a share of the run's."""


def parameter_groups(network: Network) -> list[ParameterGroup]:
    """The parameters that are trained, in groups: each part whose learning rate is another, and the rest. Frozen ones are in none."""
    scales = {id(parameter): scale for part, scale in network.scaled for parameter in part.parameters()}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups.setdefault(scales.get(id(parameter), 1.0), []).append(parameter)
    return [ParameterGroup(params=params, lr_scale=scale) for scale, params in groups.items()]
