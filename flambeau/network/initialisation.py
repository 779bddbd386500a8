"""How weights start: one method for a layer, or one for the whole network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from flambeau.config import Config
from flambeau.errors import RecipeError

if TYPE_CHECKING:
    from torch import nn

    ModuleT = TypeVar("ModuleT", nn.Linear, nn.Conv1d, nn.Conv2d)

InitialMethod: TypeAlias = Literal["default", "kaiming", "xavier", "orthogonal", "normal"]


class Initialise(Config):
    """How the weights of a network start, where a layer does not say it itself."""

    weights: InitialMethod = "default"
    """default: torch's own; kaiming: for relu and its kin; xavier: for tanh and sigmoid; orthogonal: for deep ones without norms, and for Muon;
    normal: standard deviation 0.02."""
    zero_residual: bool = False
    """Each residual block starts as its shortcut alone: the last norm of its branch starts at 0, which helps deep networks to start."""

    def fill(self, layers: object) -> object:
        """Layers (a tuple, nested in any way) -> the same with every field that is open (None) filled from here."""
        if isinstance(layers, tuple):
            return tuple(self.fill(layer) for layer in layers)
        if not is_dataclass(layers) or isinstance(layers, type):
            return layers
        open_fields: Mapping[str, object] = {"initialise": self.weights, "zero_init": self.zero_residual}
        values = {field.name: getattr(layers, field.name) for field in fields(layers)}
        changed = {name: open_fields.get(name) if value is None else self.fill(value) for name, value in values.items()}
        return replace(layers, **{name: value for name, value in changed.items() if value is not values[name]})


def initialised(module: ModuleT, method: InitialMethod | None) -> ModuleT:
    """The module with weights drawn anew; biases become 0. None and "default" leave what torch drew.

    Source: He et al., ICCV 2015 (kaiming, by the number of inputs); Glorot, Bengio, AISTATS 2010 (xavier); Saxe et al., ICLR 2014 (orthogonal).
    """
    from torch import nn

    if method is None or method == "default":
        return module
    if method == "kaiming":
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif method == "xavier":
        nn.init.xavier_uniform_(module.weight)
    elif method == "orthogonal":
        nn.init.orthogonal_(module.weight)
    else:
        nn.init.trunc_normal_(module.weight, std=0.02)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def start_at_zero(branch: nn.Module) -> None:
    """The branch of a residual block gives 0 at the start: its last norm is scaled by 0, or its last weights are 0.

    Raises:
        RecipeError: it ends with something else. Behind a relu, the gradient of a scale of 0 is 0 for ever.

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017, section 5.1.
    """
    from torch import nn

    scaled = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm)
    leaves = [module for module in branch.modules() if not list(module.children()) and not isinstance(module, nn.Dropout | nn.Dropout2d)]
    last = leaves[-1]
    if not isinstance(last, scaled) or last.weight is None:
        raise RecipeError("residual-not-zeroable", path=("zero_init",), last=type(last).__name__)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
