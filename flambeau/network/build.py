"""A spec and what goes in and out -> the network: preprocessing, body, head and activation in one module, exported as one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from torch import Tensor, nn

from flambeau.errors import RecipeError
from flambeau.network.body import MAX_PARAMETERS, Body, build_body, drawing
from flambeau.network.layer import Layer, Shape
from flambeau.network.spec import PRESETS, CustomNetwork, LayerList, TimmNetwork, read_preset
from flambeau.types import TensorSpec


class Network(nn.Module):
    """Raw encoded inputs -> answers. What is trained, exported and served is this one module."""

    def __init__(self, input_names: Sequence[str], prepare: Sequence[nn.Module], body: Body, head: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.input_names = tuple(input_names)
        self.prepare = nn.ModuleList(prepare)
        """One module for each input, in the order of `input_names` (which may be any text, so they cannot name modules)."""
        self.body = body.chain
        self.head = head
        self.activation = activation
        self.lr_scale = body.lr_scale
        """Learning rate of the body as a share of the head's."""
        self.on_meta = body.on_meta
        self.notices = body.notices

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Encoded inputs by name, each (batch, *spec.shape), -> (batch, out_features) in training space."""
        [name] = self.input_names
        [prepare] = self.prepare
        return self.head(self.body(prepare(inputs[name])))  # type: ignore[no-any-return]

    def forward(self, *tensors: Tensor) -> Tensor:
        """The inputs in the order of `input_names` -> (batch, out_features) in answer space."""
        return self.activation(self.logits(dict(zip(self.input_names, tensors, strict=True))))  # type: ignore[no-any-return]


def build(
    spec: str | LayerList | TimmNetwork | CustomNetwork,
    specs: Mapping[str, TensorSpec],
    prepare: Mapping[str, nn.Module],
    out_features: int,
    activation: nn.Module,
    seed: int,
    *,
    allow_code: bool = False,
    pretrained: bool = True,
) -> Network:
    """A network with its first weights; the same seed gives the same weights, whatever was drawn before.

    Args:
        spec: what the recipe says.
        specs: what the modules of `prepare` give, by input name.
        prepare: the graph part of each input's preprocessing.
        out_features: numbers that the head gives for one example.
        activation: from training space to answer space.
        seed: of the first weights.
        allow_code: whether a class of the user may be loaded.
        pretrained: False leaves out the weights that the spec names, because others are loaded right after.

    Raises:
        ShapeError: layers that do not fit together or do not fit the input; `path` addresses the node.
        RecipeError: a network that is too large, code that is not allowed, weights that do not fit.
        ExtraMissing: timm is not installed.
    """
    if len(specs) != 1:
        raise RecipeError("inputs-several", path=("inputs",), inputs=", ".join(specs), count=len(specs))
    assert list(specs) == list(prepare)
    [tensor] = specs.values()
    body = _body(spec, Shape.of(tensor), seed, allow_code, pretrained)
    head = _head(body.chain.shapes[-1], out_features, seed) if body.chain.shapes else _head(Shape.of(tensor), out_features, seed)
    return Network(tuple(specs), tuple(prepare.values()), body, head, activation)


def _body(spec: str | LayerList | TimmNetwork | CustomNetwork, shape: Shape, seed: int, allow_code: bool, pretrained: bool) -> Body:
    if isinstance(spec, TimmNetwork):
        from flambeau.network.backbone import build_backbone

        return build_backbone(spec, shape, seed, pretrained)
    if isinstance(spec, CustomNetwork):
        from flambeau.network.custom import build_custom

        return build_custom(spec, shape, seed, allow_code)
    return build_body(preset_layers(spec, shape) if isinstance(spec, str) else spec.filled(), shape, seed)


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
    return preset.network.filled()


def _head(shape: Shape, out_features: int, seed: int) -> nn.Linear:
    features = shape.concrete[0]
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
    """The parameters that are trained, in groups: the body where its learning rate is another, and the rest. Frozen ones are in none."""
    body = {id(parameter) for parameter in network.body.parameters()}
    scaled: dict[float, list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            scaled.setdefault(network.lr_scale if id(parameter) in body else 1.0, []).append(parameter)
    return [ParameterGroup(params=params, lr_scale=scale) for scale, params in scaled.items()]
