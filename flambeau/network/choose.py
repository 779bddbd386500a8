"""Which preset suits an input, why, and what the others would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flambeau import messages
from flambeau.errors import RecipeError
from flambeau.network.activation import Relu
from flambeau.network.dense import Dropout, Linear
from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, SEQUENCE, Shape
from flambeau.network.spec import PRESETS, Branches, PresetName, read_preset
from flambeau.types import TensorSpec

TRUNK = (Linear(128), Relu(), Dropout(0.1))
"""What joins the branches of several inputs."""
LARGE_TABLE = 2_000
"""Rows from which a deeper network learns more of a table."""
BRIEF = 12
"""Times up to which a sequence is read one by one in no time."""
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
    """A network and the reason for it."""

    spec: PresetName | Branches
    code: str
    """Key of the reason in the message catalogue."""
    facts: dict[str, object] = field(default_factory=dict)
    """Fill the placeholders of the reason."""
    alternatives: tuple[Alternative, ...] = ()
    """All presets for these axes with their cost, the chosen one too, smallest first. None for several inputs."""

    @property
    def reason(self) -> str:
        """Why, in the user's language."""
        return messages.text(self.code, "what", **self.facts)


def choose(specs: Mapping[str, TensorSpec], num_examples: int, out_features: int) -> Choice:
    """What the preprocessing gives, by input name -> the preset for it, by its axes and sizes; for several inputs, one for each.

    Args:
        specs: as for `build`.
        num_examples: examples to train on.
        out_features: numbers that the head gives.

    Raises:
        RecipeError: no preset takes these axes.
    """
    chosen = {name: _of_one(Shape.of(tensor), num_examples, out_features) for name, tensor in specs.items()}
    if len(chosen) == 1:
        [choice] = chosen.values()
        return choice
    named = ", ".join(f"{name} {choice.spec}" for name, choice in chosen.items())
    spec = Branches.model_validate({"branches": {name: choice.spec for name, choice in chosen.items()}, "trunk": TRUNK})
    return Choice(spec, "chosen-branches", {"branches": named})


def _of_one(shape: Shape, num_examples: int, out_features: int) -> Choice:
    name, code, facts = _chosen(shape, num_examples)
    costs = tuple(_alternative(other, shape, out_features) for other in PRESETS if shape.axes in read_preset(other).takes)
    by_size = tuple(sorted(costs, key=lambda cost: cost.flops))
    return Choice(name, code, {"network": name, "num_examples": num_examples, **facts}, by_size)


def _chosen(shape: Shape, num_examples: int) -> tuple[PresetName, str, dict[str, object]]:
    if shape.axes == FEATURES:
        return "mlp", "chosen-features", {"features": shape.concrete[0]}
    if shape.axes == COLUMNS:
        return ("tabular_resnet" if num_examples >= LARGE_TABLE else "mlp"), "chosen-columns", {"columns": shape.concrete[0]}
    if shape.axes == IDS:
        return "fast_text", "chosen-text", {}
    if shape.axes == SEQUENCE and shape.sizes[0] is not None and shape.sizes[0] <= BRIEF:
        return "gru", "chosen-brief", {"time": shape.sizes[0]}
    if shape.axes == SEQUENCE:
        return "conv1d_resnet", "chosen-sequence", {"features": shape.concrete[1]}
    if shape.axes != IMAGE:
        raise RecipeError("network-none-fits", path=("network",), gets=str(shape))
    return _for_image(min(shape.concrete[1:]), max(shape.concrete[1:]))


def _for_image(side: int, longer: int) -> tuple[PresetName, str, dict[str, object]]:
    facts: dict[str, object] = {"side": side}
    if side <= TINY:
        return "cnn", "chosen-tiny", facts
    if longer <= SMALL:
        return "fast_cnn", "chosen-small", facts
    return "small_resnet", "chosen-large", facts


def _alternative(name: PresetName, shape: Shape, out_features: int) -> Alternative:
    import torch

    from flambeau.network.body import with_pool
    from flambeau.network.chain import build_chain
    from flambeau.network.cost import example, measure

    layers = with_pool(read_preset(name).layers(shape.axes), shape)
    with torch.device("meta"):
        body = build_chain(layers, shape)
    cost, features = measure(body, example(shape))
    head = features.shape[1] * out_features
    return Alternative(name, cost.parameters + head + out_features, cost.flops + 2 * head)
