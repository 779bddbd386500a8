"""PyTorch itself as a runner: the reference of every check, and the way out for networks that no graph can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flambeau.types import Array

if TYPE_CHECKING:
    from flambeau.network.build import Network


class TorchRunner:
    """A network in memory, in evaluation mode and full precision, on the CPU."""

    def __init__(self, network: Network) -> None:
        self._network = network.to("cpu").float().eval()

    def __call__(self, inputs: Mapping[str, Array]) -> npt.NDArray[np.float32]:
        """As types.Runner."""
        import torch

        with torch.inference_mode():
            tensors = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self._network.tensor_names]
            answers: npt.NDArray[np.float32] = self._network(*tensors).numpy()
        return answers
