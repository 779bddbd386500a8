"""Weights from a file, read without running anything that the file says, and put into a model as far as they fit."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from flambeau.errors import Notice, RecipeError
from flambeau.messages import printable, text
from flambeau.network.matching import Way, is_counter, pairing
from flambeau.storage import oversized

_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Keys under which training programs put the weights of a checkpoint."""
_INDEX = ".safetensors.index.json"
"""End of the name of a file that lists the files over which the weights of a large model are spread."""
_INSIDE = ("weights.safetensors", "model.flambeau/weights.safetensors", "model.safetensors", f"model{_INDEX}", "pytorch_model.bin")
"""Where the weights lie in an artifact, in a run, and in the folder of an encoder."""
_SHOWN = 4
"""Layers that a line names."""


@dataclass(frozen=True)
class KeyReport:
    """Which weights of a model a file gave. The counters of norms are in none of the lists."""

    file: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    """In the model and not in the file: they are new."""
    differing: tuple[str, ...]
    """In both, with another shape: they are new as well."""
    unexpected: tuple[str, ...]
    """In the file and not used: its classifier, for one."""
    way: Way = "names"
    prefix: str = ""
    """What was left out in front of the file's names."""
    place: str = ""
    """The branch that the model is; "" where there is only one network."""

    @property
    def new(self) -> tuple[str, ...]:
        """Those of the model that start at random."""
        return (*self.differing, *self.missing)

    @property
    def total(self) -> int:
        """Tensors of the model."""
        return len(self.loaded) + len(self.new)

    @property
    def example(self) -> str:
        """A few names from either side, to show how they differ."""
        return f"{', '.join(self.unexpected[:3])} / {', '.join(self.new[:3])}"

    @property
    def line(self) -> str:
        """All of it in one line for people."""
        taken = text("weights-taken", loaded=len(self.loaded), total=self.total, file=Path(self.file).name)
        told = [f"{self.place}: {taken}" if self.place else taken]
        told += [text("weights-by-order")] if self.way == "order" else []
        told += [text("weights-behind", prefix=self.prefix)] if self.prefix else []
        told += [text("weights-new", n=len(self.new), names=grouped(self.new))] if self.new else []
        told += [text("weights-unused", n=len(self.unexpected), names=grouped(self.unexpected))] if self.unexpected else []
        return " · ".join(told)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """A warning where a part of the model has to start at random."""
        facts: dict[str, object] = {"file": self.file, "loaded": len(self.loaded), "total": self.total, "missing": ", ".join(self.new[:5])}
        return (Notice("weights-in-part", facts),) if self.new else ()


def grouped(names: Sequence[str]) -> str:
    """The layers that tensors belong to, the first few: "head.*, blocks.0.conv.*, … (+3)"."""
    layers = list(dict.fromkeys(f"{layer}.*" if (layer := name.rpartition(".")[0]) else name for name in names))
    return ", ".join([*layers[:_SHOWN], *([f"… (+{len(layers) - _SHOWN})"] if len(layers) > _SHOWN else [])])


def load_weights(model: nn.Module, weights: str, rename: Mapping[str, str], place: Sequence[str | int], network: str) -> KeyReport:
    """A file named in a recipe -> its tensors in the model, as far as they fit, and which those are.

    Args:
        weights: a .safetensors file, a torch checkpoint, or the folder of a run, an artifact or an encoder.
        rename: regular expressions and what takes the place of what they match, for the names in the file.
        place: the node of the recipe that names the file.
        network: what the model is called.

    Raises:
        RecipeError: no weights that can be read safely, a pattern that is none or matches nothing, or nothing fits.
    """
    file = weights_file(Path(weights))
    given = renamed(read_weights(file, place), rename, (*place[:-1], "rename"))
    report = fit_weights(model, given, str(file), ordered=file.suffix not in (".safetensors", ".json"))
    if not report.loaded:
        raise RecipeError("weights-do-not-fit", path=place, file=printable(file), network=network, keys=report.example)
    return report


def weights_file(path: Path) -> Path:
    """A folder -> the file of weights in it; a file as it is."""
    return next((path / inside for inside in _INSIDE if (path / inside).is_file()), path)


def read_weights(path: Path, place: Sequence[str | int]) -> dict[str, Tensor]:
    """A .safetensors file or a torch checkpoint -> tensors by name, on the CPU.

    Raises:
        RecipeError: at `place`; there is no such file, or it holds no weights that can be read safely.
    """
    if not path.is_file():
        raise RecipeError("weights-not-found", path=place, file=printable(path))
    try:
        return _safetensors(path) if path.suffix == ".safetensors" else _spread(path) if path.name.endswith(_INDEX) else _checkpoint(path)
    except Exception as error:  # a damaged file may raise anything
        reason = printable((str(error).splitlines() or [type(error).__name__])[0])
        raise RecipeError("weights-unreadable", path=place, file=printable(path), reason=reason) from error


def renamed(weights: Mapping[str, Tensor], rename: Mapping[str, str], place: Sequence[str | int]) -> dict[str, Tensor]:
    """Tensors under other names: each pattern of `rename` in turn, replaced wherever it matches.

    Raises:
        RecipeError: at `place`; a replacement that cannot be made, a pattern that matches nothing, or two tensors under one name.
    """
    names = {name: name for name in weights}
    for pattern, replacement in rename.items():
        try:
            after = {name: re.sub(pattern, replacement, old) for name, old in names.items()}
        except (re.error, IndexError) as error:
            raise RecipeError("rename-form", path=place, pattern=printable(pattern), reason=printable(error)) from error
        if after == names:
            raise RecipeError("rename-unused", path=place, pattern=printable(pattern), names=printable(", ".join(list(names.values())[:5])))
        names = after
    if len(set(names.values())) < len(names):
        twice = next(name for name in names.values() if list(names.values()).count(name) > 1)
        raise RecipeError("rename-collides", path=place, name=printable(twice))
    return {names[name]: tensor for name, tensor in weights.items()}


def fit_weights(model: nn.Module, weights: Mapping[str, Tensor], file: str = "", ordered: bool = False) -> KeyReport:
    """The weights that belong to tensors of the model and have their shape are copied into it; the report tells of the others.

    A first convolution for three channels is made to fit another number of channels, as timm does: the sum for one, else repeated.

    Args:
        file: where they come from, for the report.
        ordered: whether the order of `weights` is that of the model which made them.
    """
    own = model.state_dict()
    found = pairing({name: one.shape for name, one in own.items()}, {name: one.shape for name, one in weights.items()}, ordered)
    adapted = {name: _adapted(weights[other], own[name]) for name, other in found.pairs.items()}
    fitting = {name: tensor for name, tensor in adapted.items() if tensor.shape == own[name].shape}
    model.load_state_dict(fitting, strict=False)
    used = {found.pairs[name] for name in fitting}
    return KeyReport(
        file=file,
        loaded=tuple(name for name in fitting if not is_counter(name)),
        missing=tuple(name for name in own if name not in adapted and not is_counter(name)),
        differing=tuple(name for name in adapted if name not in fitting and not is_counter(name)),
        unexpected=tuple(printable(name) for name in weights if name not in used and not is_counter(name)),
        way=found.way,
        prefix=printable(found.prefix),
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(path))


def _spread(path: Path) -> dict[str, Tensor]:
    """The tensors of all files beside an index that it names."""
    names = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
    return {name: tensor for file in sorted({Path(name).name for name in names}) for name, tensor in _safetensors(path.parent / file).items()}


def _checkpoint(path: Path) -> dict[str, Tensor]:
    _check_sizes(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's words about pickle protocols; what cannot be read is an error of ours
        found = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise ValueError(f"a {type(found).__name__}, not tensors by name")
    return {str(name): tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}


def _check_sizes(path: Path) -> None:
    """Refuses an archive that would not fit into the memory; torch unpacks whatever its members claim, and itself packs none."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":  # the same four bytes by which torch knows one
            return
        with zipfile.ZipFile(file) as archive:
            worst = oversized(archive.infolist())
    if worst is not None:
        raise ValueError(f"{worst.filename} claims {worst.file_size:,} bytes, packed {worst.compress_size:,}")


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
