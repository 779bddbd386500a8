"""The folder of a text encoder: where it is, its configuration, and how the texts were prepared that it has seen. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flambeau.errors import ExtraMissing, RecipeError
from flambeau.messages import printable
from flambeau.network.pretrained import HUB, TransformersNetwork
from flambeau.types import SeenTexts

PATH = ("network", "transformers")
CONFIG, TOKENIZER = "config.json", "tokenizer.json"
_WANTED = ["*.json", "*.safetensors"]
"""Files that are downloaded of a name on the hub: nothing that runs, nothing that unpickles."""
_LARGEST = 2**24
"""Bytes of a file of JSON that is read."""
_IGNORED = ("auto_map", "_name_or_path", "architectures", "transformers_version", "torch_dtype", "dtype", "quantization_config")
"""Entries of a configuration that name code, places, versions and number types: none of them is the network."""
_LENGTHS = ((CONFIG, "max_position_embeddings"), ("tokenizer_config.json", "model_max_length"), ("sentence_bert_config.json", "max_seq_length"))
"""Where a folder says how many tokens a text may have."""
_SHIFTED = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "data2vec-text")
"""Kinds of encoders whose positions begin behind the padding's id, so that so many fewer are left."""
USUAL_LENGTH = 512
"""Tokens of a text at most where the folder does not say it, or says more than anyone waits for."""


def encoder_folder(spec: TransformersNetwork) -> Path:
    """The folder that a spec names. A name on the hub is downloaded only with `weights: hub`; otherwise it has to be there already.

    Raises:
        RecipeError: it is not there.
        ExtraMissing: a name on the hub, and huggingface_hub is not installed.
    """
    path = Path(spec.name)
    if path.is_dir():
        return path
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ExtraMissing("transformers-missing") from error
    try:
        return Path(snapshot_download(spec.name, allow_patterns=_WANTED, local_files_only=spec.weights != HUB))
    except (OSError, ValueError) as error:
        raise RecipeError("encoder-missing", path=(*PATH, "name"), network=printable(spec.name), reason=_first_line(error)) from error


def encoder_config(spec: TransformersNetwork) -> dict[str, Any]:
    """What a spec or its folder says of the network: `model_type`, and the sizes of its parts.

    Raises:
        RecipeError: there is no config.json, or it is none of an encoder.
    """
    if spec.config is not None:
        return spec.config
    file = encoder_folder(spec) / CONFIG
    found = _read(file)
    if not isinstance(found.get("model_type"), str):
        raise RecipeError("encoder-config", path=(*PATH, "name"), file=printable(file), reason="model_type")
    return {key: value for key, value in found.items() if key not in _IGNORED}


def encoder_preparation(spec: TransformersNetwork) -> SeenTexts:
    """How the texts were prepared that an encoder has seen.

    Raises:
        RecipeError: the folder holds no configuration or no tokenizer.json.
    """
    folder = encoder_folder(spec)
    if not (folder / TOKENIZER).is_file():
        raise RecipeError("encoder-no-tokenizer", path=(*PATH, "name"), folder=printable(folder))
    config = encoder_config(spec)
    said = [(config if name == CONFIG else _read(folder / name)).get(key) for name, key in _LENGTHS if (folder / name).is_file()]
    lengths = [length for length in said if isinstance(length, int) and length > 0]
    shift = int(config.get("pad_token_id") or 0) + 1 if config["model_type"] in _SHIFTED else 0
    places = config.get(_LENGTHS[0][1])
    lengths += [places - shift] if isinstance(places, int) else []
    return SeenTexts(folder.name, folder / TOKENIZER, min([*lengths, USUAL_LENGTH]), spec.weights is not None)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError(f"> {_LARGEST:,} bytes")
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError("encoder-config", path=(*PATH, "name"), file=printable(file), reason=_first_line(error)) from error
    if not isinstance(found, dict):
        raise RecipeError("encoder-config", path=(*PATH, "name"), file=printable(file), reason=type(found).__name__)
    return found


def _first_line(error: Exception) -> str:
    return printable((str(error).splitlines() or [type(error).__name__])[0])
