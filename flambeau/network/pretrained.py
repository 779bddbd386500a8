"""Networks that come from elsewhere, as a recipe names them: a timm model, an encoder of transformers, a class of the user."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, Strict

from flambeau.choice import problem
from flambeau.code import Target
from flambeau.config import Config
from flambeau.messages import printable
from flambeau.network.layer import Small

HUB = "hub"
"""The word for weights that are downloaded, in place of a file."""
OWN = "own"
"""The word for the weights that lie in the folder of an encoder."""
WORDS = (HUB, OWN)


def _compiled(rename: dict[str, str]) -> dict[str, str]:
    for pattern in rename:
        try:
            re.compile(pattern)
        except re.error as error:
            raise problem("rename-form", pattern=printable(pattern), reason=str(error)) from None
    return rename


WeightsFile: TypeAlias = Annotated[str, Field(min_length=1, max_length=4_096)]
Rename: TypeAlias = Annotated[dict[str, str], AfterValidator(_compiled)]


Levels: TypeAlias = Annotated[tuple[Annotated[int, Strict(), Field(ge=-100, le=99)], ...], Field(min_length=1, max_length=100)]


class TimmNetwork(Config):
    """A model of the timm library (`pip install "flambeau[zoo]"`), its classifier replaced by the head of the task."""

    name: str = Field(max_length=200)
    """timm's name of the model: resnet18, convnext_tiny, tf_efficientnet_lite0."""
    weights: WeightsFile | None = None
    """null: from scratch; hub: pretrained, downloaded by timm; else a .safetensors file, a torch checkpoint or the folder of a finished
    run, its path relative to the recipe's folder."""
    rename: Rename = Field(default_factory=dict)
    """Where names differ: {regular expression: replacement} for the names in `weights`, one after the other. Not needed where the
    tensors of both agree in their order."""
    freeze: Annotated[bool, Strict()] = False
    """Train the head alone and leave the model as it is."""
    levels: Levels | None = None
    """Which sizes of its feature maps become the features, each as its mean and its maximum: 0 the first and largest, -1 the last.
    null: what the model itself makes of the last. For a frozen model and pictures unlike those it has seen, try [-2, -1]."""
    lr_scale: Small = 1.0
    """Learning rate of the model as a share of the head's, 0 to 1; pretrained weights want 0.1 or less."""


Pooling: TypeAlias = Literal["mean", "class", "max"]


class TransformersNetwork(Config):
    """A text encoder of the transformers library (`pip install "flambeau[encoders]"`): a folder with config.json, tokenizer.json and
    .safetensors. Code in that folder is never run.
    """

    name: str = Field(min_length=1, max_length=4_096)
    """The folder, relative to the recipe, or a name on the Hugging Face hub."""
    weights: WeightsFile | None = OWN
    """own: those of the folder; hub: download the folder first; null: from scratch; else a .safetensors file, a torch checkpoint or the
    folder of a finished run, relative to the recipe."""
    rename: Rename = Field(default_factory=dict)
    """Where names differ: {regular expression: replacement} for the names in `weights`, one after the other."""
    freeze: Annotated[bool, Strict()] = False
    """Train the head alone and leave the encoder as it is: what it makes of each text is then computed once."""
    pooling: Pooling = "mean"
    """How the times become features: mean: of all real ones; class: the first ([CLS]); max: the greatest of each feature."""
    lr_scale: Small = 1.0
    """Learning rate of the encoder as a share of the head's, 0 to 1; pretrained weights want 0.1 or less."""
    config: dict[str, Any] | None = None
    """The folder's config.json. null: read from there; the resolved recipe holds it, so that a model needs no folder."""


class CustomNetwork(Config):
    """A class of the user, derived from torch.nn.Module; only where code of the user is allowed (--allow-code).

    It takes what the preprocessing gives, (batch, *axes), and gives (batch, features), (batch, time, features) or
    (batch, channels, height, width); the head is added behind it.
    """

    target: Target
    """Where the class is: package.module:Class."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the class."""
    weights: WeightsFile | None = None
    """Weights to start with: a .safetensors file, a torch checkpoint, or the folder of a finished run, relative to the recipe."""
    rename: Rename = Field(default_factory=dict)
    """Where names differ: {regular expression: replacement} for the names in `weights`, one after the other."""


def absolute(path: str, base: Path) -> str:
    """A path of a recipe, relative to its folder -> absolute."""
    return str(base / Path(path).expanduser())
