"""Pretrained vectors of words as the start of an embedding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from flambeau.errors import RecipeError
from flambeau.network.branches import Branched
from flambeau.network.build import Network


def start_embedding(network: Network, name: str, vectors: npt.NDArray[np.float32]) -> None:
    """The first embedding behind an input starts with these vectors, (ids, features).

    Raises:
        RecipeError: there is no embedding behind it, or its vectors have another length.
    """
    body = network.body
    part = body.branches[network.input_names.index(name)] if isinstance(body, Branched) else body
    embedding = next((module for module in part.modules() if isinstance(module, nn.Embedding)), None)
    if embedding is None:
        raise RecipeError("vectors-unused", path=("inputs", name, "vectors"), input=name)
    if embedding.weight.shape != vectors.shape:
        raise RecipeError("vectors-width", path=("inputs", name, "vectors"), width=vectors.shape[1], features=embedding.embedding_dim)
    with torch.no_grad():
        embedding.weight.copy_(torch.from_numpy(vectors))
