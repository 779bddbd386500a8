"""The network of an artifact, back in torch: for exports, for its layer table, and where PyTorch itself is the runner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from flambeau.document import read_file
from flambeau.errors import DataError
from flambeau.extras import need
from flambeau.inputs.input import Preprocessor, tensor_names
from flambeau.network.build import Network, build
from flambeau.network.spec import NetworkSpec
from flambeau.tasks.task import Target


def restore_network(folder: Path, preprocessors: Mapping[str, Preprocessor], target: Target, allow_code: bool) -> Network:
    """The network that an artifact describes, with its trained weights, in evaluation mode.

    Raises:
        RecipeError: it is a class of the user, and `allow_code` is off.
        DataError: the weights are not those of this network.
        ExtraMissing: torch is not installed.
    """
    need("train", "this model")
    import safetensors.torch
    from safetensors import SafetensorError

    network = build(
        _spec(folder / "recipe.yaml"),
        {name: chosen.gives for name, chosen in preprocessors.items()},
        {name: chosen.module() for name, chosen in preprocessors.items()},
        target.out_features,
        target.activation(),
        seed=0,
        tensors=tensor_names(preprocessors),
        allow_code=allow_code,
        pretrained=False,
    )
    try:
        network.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise DataError("weights-misfit", where=str(folder / "weights.safetensors"), reason=str(error).splitlines()[0][:200]) from error
    return network.eval()


def _spec(recipe: Path) -> Any:
    tree = read_file(recipe).tree
    try:
        return TypeAdapter(NetworkSpec).validate_python(tree["network"] if isinstance(tree, dict) else None)
    except (ValidationError, KeyError) as error:
        raise DataError("artifact-member", where=str(recipe), reason="no network") from error
