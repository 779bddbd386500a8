"""PyTorch itself as a runner: the reference of every check, and the way out for networks that no graph can hold."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flambeau.types import Array

if TYPE_CHECKING:
    from flambeau.network.build import Network


class TorchRunner:
    """A network in memory, in evaluation mode and full precision, on the CPU or another device."""

    def __init__(self, network: Network, device: str = "cpu") -> None:
        self._network = network.to(device).float().eval()
        self._device = device

    def __call__(self, inputs: Mapping[str, Array]) -> npt.NDArray[np.float32]:
        """As types.Runner."""
        import torch

        with torch.inference_mode(), _full_precision(self._device):
            tensors = [torch.from_numpy(np.ascontiguousarray(inputs[name])).to(self._device) for name in self._network.tensor_names]
            answers: npt.NDArray[np.float32] = self._network(*tensors).cpu().numpy()
        return answers


def _full_precision(device: str) -> AbstractContextManager[object]:
    """Convolutions of a GPU in float32; unless told, cuDNN rounds their factors to 10 bits (TF32)."""
    import torch

    return torch.backends.cudnn.flags(allow_tf32=False) if device.startswith("cuda") else nullcontext()
