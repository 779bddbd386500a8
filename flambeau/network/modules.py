"""The torch modules that torch itself does not have in this form. All run with any batch size and export to ONNX."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from flambeau.network.layer import Shape


class Chain(nn.Module):
    """Modules in a row, by name: (batch, *shape) -> (batch, *shapes[-1])."""

    def __init__(self, modules: Mapping[str, nn.Module], shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        """The shape of one example after each module."""
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        for module in self._modules.values():
            x = module(x)  # type: ignore[misc]  # no child of ours is None
        return x


class Prelu(nn.Module):
    """A PReLU whose slopes lie along any axis (torch's: the first after the batch): (batch, ...) -> (batch, ...)."""

    def __init__(self, num_slopes: int, axis: int, slope: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_slopes, *[1] * (-axis - 1)), slope))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.weight * x)


class LayerNorm2d(nn.Module):
    """Each pixel standardised over its channels, then scaled and shifted: (batch, channels, height, width) -> the same.

    Source: Liu et al., A ConvNet for the 2020s, CVPR 2022.
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class MeanOver(nn.Module):
    """The mean over all axes but one: an image (batch, channels, height, width) or a sequence (batch, time, features) -> (batch, features)."""

    def __init__(self, axes: Sequence[int]) -> None:
        super().__init__()
        self.axes = tuple(axes)

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.axes)


class MaxOver(nn.Module):
    """As MeanOver, with the greatest number."""

    def __init__(self, axes: Sequence[int]) -> None:
        super().__init__()
        self.axes = tuple(axes)

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(self.axes)


class Upsample(nn.Module):
    """(batch, channels, height, width) -> (batch, channels, height * scale, width * scale)."""

    def __init__(self, scale: int, mode: str) -> None:
        super().__init__()
        self.scale = scale
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=self.scale, mode=self.mode)


class Residual(nn.Module):
    """The branch plus its shortcut: (batch, *shape) -> (batch, *shape after the branch)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.branch(x) + self.shortcut(x))  # type: ignore[no-any-return]


class Parallel(nn.Module):
    """Several branches from the same tensor, put side by side along one axis or added up."""

    def __init__(self, branches: Sequence[nn.Module], axis: int | None) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.axis = axis
        """Counted from the end, so without the batch axis; None adds."""

    def forward(self, x: Tensor) -> Tensor:
        results = [branch(x) for branch in self.branches]
        if self.axis is not None:
            return torch.cat(results, self.axis)
        total = results[0]
        for result in results[1:]:
            total = total + result
        return total  # type: ignore[no-any-return]


class Frozen(nn.Module):
    """A module that stays as it is: no gradients, and always in evaluation mode, so that its norms keep their statistics."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Frozen:
        """As nn.Module.train, for this wrapper alone."""
        super().train(mode)
        self.module.train(False)
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)  # type: ignore[no-any-return]
