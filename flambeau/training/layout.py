"""Which of its axes an image has side by side in memory while a network learns from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from flambeau.network.modules import MeanOver
from flambeau.training.config import TrainingConfig

_ENDS = (nn.Flatten, nn.AdaptiveAvgPool2d, MeanOver)
"""Modules whose gradient comes out in torch's usual order, whatever the order of the image that went in."""


def uses_channels_last(config: TrainingConfig) -> bool:
    """Whether images and kernels are to lie as channels_last. torch's L-BFGS views its gradients as flat, which such kernels are not."""
    return config.memory_format == "channels_last" and not config.optimizer.full_batch


def ends(network: nn.Module) -> list[nn.Module]:
    """The modules of a network in which a gradient would lose the order of its image."""
    return [module for module in network.modules() if isinstance(module, _ENDS)]


@contextmanager
def kept_behind(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Within it, the gradients of these modules' images will lie as the images do, channels_last.

    The gradient of an activation in front of a flattening takes up to 35 times as long where what comes back lies otherwise than the image,
    many times what it costs to copy it. The numbers are the same.
    """
    handles = [module.register_forward_pre_hook(_keep) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _keep(module: nn.Module, given: tuple[Tensor, ...]) -> None:
    image = given[0]
    if image.requires_grad and image.ndim == 4:
        image.register_hook(_as_channels_last)  # type: ignore[no-untyped-call]


def _as_channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
