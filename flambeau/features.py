"""What a frozen body makes of each example, computed once: then the head alone takes the steps, in a hundredth of the time.

The head that learns is the network's own, so the whole network is what comes out, is exported and is tested, as always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from flambeau.data.batches import Batches
from flambeau.inputs.input import Preprocessor
from flambeau.network.build import Network
from flambeau.network.modules import only_frozen
from flambeau.types import Array, TensorSpec

FEATURES = "features"


class Head(nn.Module):
    """The head of a network, over features that were computed before. Its parameters are those of the network."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.head = network.head
        self.activation = network.activation

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Features (batch, features) under their name -> (batch, out_features) in training space."""
        return self.head(inputs[FEATURES])  # type: ignore[no-any-return]


class Features(Preprocessor):
    """Hands features on as they are."""

    type: Literal["features"] = "features"
    size: int

    @property
    def spec(self) -> TensorSpec:
        """(features,) float32."""
        return TensorSpec(("features",), (self.size,), "float32")

    @property
    def gives(self) -> TensorSpec:
        """The same."""
        return self.spec

    def read(self, value: object) -> Array:
        """Features are not read."""
        return np.asarray(value, np.float32)

    def module(self) -> nn.Module:
        """Nothing to do."""
        return nn.Identity()


def is_fixed(network: Network) -> bool:
    """Whether an example has the same features in every epoch: all of the body is frozen, and nothing in front of it learns."""
    return only_frozen(network.body) and not any(parameter.requires_grad for parameter in network.prepare.parameters())


@torch.no_grad()
def features_of(network: Network, batches: Batches, rows: npt.NDArray[np.int64], size: int, device: torch.device) -> npt.NDArray[np.float32]:
    """(size, features): what the body gives for `rows`, which `batches` hold in this order; zeros for all other rows."""
    network.to(device).eval()
    found = torch.cat([network.features(batch.inputs).float().cpu() for batch in batches.in_order()]).numpy()
    features = np.zeros((size, found.shape[1]), np.float32)
    features[rows] = found
    return features
