"""Weights from a file, read without running anything that the file says, and put into a model as far as they fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from flambeau.errors import RecipeError
from flambeau.messages import printable

_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Keys under which training programs put the weights of a checkpoint."""


@dataclass(frozen=True)
class KeyReport:
    """Which weights of a model a file gave."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    """In the model and not in the file."""
    differing: tuple[str, ...]
    """In both, with another shape."""
    unexpected: tuple[str, ...]
    """In the file and not in the model: its classifier, for one."""

    @property
    def example(self) -> str:
        """A few names from either side, to show how they differ."""
        return f"{', '.join(self.unexpected[:3])} / {', '.join(self.missing[:3])}"


def read_weights(path: Path, place: Sequence[str | int]) -> dict[str, Tensor]:
    """A .safetensors file or a torch checkpoint -> tensors by name, on the CPU.

    Raises:
        RecipeError: at `place`; there is no such file, or it holds no weights that can be read safely.
    """
    if not path.is_file():
        raise RecipeError("weights-not-found", path=place, file=printable(path))
    try:
        tensors = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    except Exception as error:  # a damaged file may raise anything
        reason = printable((str(error).splitlines() or [type(error).__name__])[0])
        raise RecipeError("weights-unreadable", path=place, file=printable(path), reason=reason) from error
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def fit_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> KeyReport:
    """The weights that have a name and shape of the model are copied into it; the report tells of the others.

    A first convolution for three channels is made to fit another number of channels, as timm does: the sum for one, else repeated.
    """
    own = model.state_dict()
    adapted = {name: _adapted(weights[name], tensor) for name, tensor in own.items() if name in weights}
    fitting = {name: tensor for name, tensor in adapted.items() if tensor.shape == own[name].shape}
    model.load_state_dict(fitting, strict=False)
    return KeyReport(
        loaded=tuple(fitting),
        missing=tuple(name for name in own if name not in weights and not name.endswith("num_batches_tracked")),
        differing=tuple(name for name in adapted if name not in fitting),
        unexpected=tuple(printable(name) for name in weights if name not in own),
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(path))


def _checkpoint(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's words about pickle protocols; what cannot be read is an error of ours
        found = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise ValueError(f"a {type(found).__name__}, not tensors by name")
    return {str(name): tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}


def _adapted(given: Tensor, wanted: Tensor) -> Tensor:
    """Weights (out, 3, height, width) for an image of three channels -> for as many as are wanted; other weights as they are.

    Source: Wightman, timm: adapt_input_conv.
    """
    if given.ndim != 4 or wanted.ndim != 4 or given.shape[1] != 3 or given[:, 0].shape != wanted[:, 0].shape or given.shape == wanted.shape:
        return given
    channels = wanted.shape[1]
    if channels == 1:
        return given.sum(1, keepdim=True)
    return given.repeat(1, -(-channels // 3), 1, 1)[:, :channels] * (3 / channels)
