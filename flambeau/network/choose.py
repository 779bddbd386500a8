"""Which preset suits an input, why, and what the others would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flambeau import messages
from flambeau.errors import RecipeError
from flambeau.network.layer import FEATURES, IMAGE, Shape
from flambeau.network.spec import PRESETS, PresetName, read_preset
from flambeau.types import TensorSpec

TINY = 16
"""Pixels of the shorter side up to which two pools are enough."""
SMALL = 40
"""Pixels up to which a flattened image is a small head. Above, a network has to look at more than three pools reach."""


@dataclass(frozen=True)
class Alternative:
    """A preset that would fit, and its cost for one example."""

    spec: PresetName
    parameters: int
    flops: int
    """Forward, 2 for each multiply-add."""


@dataclass(frozen=True)
class Choice:
    """A preset and the reason for it."""

    spec: PresetName
    code: str
    """Key of the reason in the message catalogue."""
    facts: dict[str, object] = field(default_factory=dict)
    """Fill the placeholders of the reason."""
    alternatives: tuple[Alternative, ...] = ()
    """All presets for these axes with their cost, the chosen one too, smallest first."""

    @property
    def reason(self) -> str:
        """Why, in the user's language."""
        return messages.text(self.code, "what", **self.facts)


def choose(specs: Mapping[str, TensorSpec], num_examples: int, out_features: int) -> Choice:
    """What the preprocessing gives, by input name -> the preset for it, by its axes and sizes.

    Args:
        specs: as for `build`.
        num_examples: examples to train on; told in the reason.
        out_features: numbers that the head gives.

    Raises:
        RecipeError: no preset takes these axes, or there are several inputs.
    """
    if len(specs) != 1:
        raise RecipeError("inputs-several", path=("inputs",), inputs=", ".join(specs), count=len(specs))
    [tensor] = specs.values()
    shape = Shape.of(tensor)
    name, code, facts = _chosen(shape)
    costs = tuple(_alternative(other, shape, out_features) for other in PRESETS if shape.axes in read_preset(other).takes)
    by_size = tuple(sorted(costs, key=lambda cost: cost.flops))
    return Choice(name, code, {"network": name, "num_examples": num_examples, **facts}, by_size)


def _chosen(shape: Shape) -> tuple[PresetName, str, dict[str, object]]:
    if shape.axes == FEATURES:
        return "mlp", "chosen-features", {"features": shape.concrete[0]}
    if shape.axes != IMAGE:
        raise RecipeError("network-none-fits", path=("network",), gets=str(shape))
    side = min(shape.concrete[1:])
    facts: dict[str, object] = {"side": side}
    if side <= TINY:
        return "cnn", "chosen-tiny", facts
    if max(shape.concrete[1:]) <= SMALL:
        return "fast_cnn", "chosen-small", facts
    return "small_resnet", "chosen-large", facts


def _alternative(name: PresetName, shape: Shape, out_features: int) -> Alternative:
    import torch

    from flambeau.network.body import with_pool
    from flambeau.network.chain import build_chain
    from flambeau.network.cost import measure

    layers = with_pool(read_preset(name).network.filled(), shape)
    with torch.device("meta"):
        body = build_chain(layers, shape)
    cost, features = measure(body, torch.empty(1, *shape.concrete, device="meta"))
    head = features.shape[1] * out_features
    return Alternative(name, cost.parameters + head + out_features, cost.flops + 2 * head)
