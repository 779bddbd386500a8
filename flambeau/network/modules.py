"""The torch modules that torch itself does not have in this form. All run with any batch size and export to ONNX."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from flambeau.network.layer import Shape
from flambeau.network.padding import Flow, OverTime, flow, parts, through

FlowT = TypeVar("FlowT", bound=Flow)


class Chain(OverTime):
    """Modules in a row, by name: (batch, *shape) -> (batch, *shapes[-1]). What goes through a `Tap` is kept for the `FromTap` of its name."""

    def __init__(self, modules: Mapping[str, nn.Module], shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        """The shape of one example after each module."""
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Flow) -> Flow:
        return self.walk(x, lambda name, module, shape, *given: through(module, *given))

    def walk(self, x: FlowT, step: Callable[..., FlowT]) -> FlowT:
        """`x` handed from module to module by `step(name, module, shape behind it, x)`; a `FromTap` is given what its tap kept as well."""
        kept: dict[str, FlowT] = {}
        for (name, module), shape in zip(self.named_children(), self.shapes, strict=True):
            if isinstance(module, Tap):
                kept[module.key] = x
            more = (kept[module.key],) if isinstance(module, FromTap) else ()
            x = step(name, module, shape, x, *more)
        return x


class Tap(nn.Identity):
    """Hands on what comes; the chain keeps it."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


class FromTap(OverTime):
    """What comes, and what a tap kept, side by side along one axis or added up."""

    def __init__(self, key: str, axis: int | None) -> None:
        super().__init__()
        self.key = key
        self.axis = axis
        """Counted from the end; None adds."""

    def forward(self, x: Flow, kept: Flow) -> Flow:
        values, mask = parts(x)
        return flow(joined((values, parts(kept)[0]), self.axis), mask)


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
    """The mean over some axes: an image (batch, channels, height, width) -> (batch, channels)."""

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


class Residual(OverTime):
    """The branch plus its shortcut: (batch, *shape) -> (batch, *shape after the branch)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(through(self.branch, x))
        return through(self.activation, flow(values + parts(through(self.shortcut, x))[0], mask))


class Parallel(OverTime):
    """Several branches from the same tensor, put side by side along one axis or added up."""

    def __init__(self, branches: Sequence[nn.Module], axis: int | None) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.axis = axis
        """Counted from the end, so without the batch axis; None adds."""

    def forward(self, x: Flow) -> Flow:
        results = [parts(through(branch, x)) for branch in self.branches]
        return flow(joined([values for values, _ in results], self.axis), results[0][1])


class Dense(OverTime):
    """Each step gets everything that came before it, side by side: (batch, *shape) -> (batch, *shape, wider along one axis)."""

    def __init__(self, steps: Sequence[nn.Module], axis: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self.axis = axis
        """Counted from the end."""

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        for step in self.steps:
            values = torch.cat((values, parts(through(step, flow(values, mask)))[0]), self.axis)
        return flow(values, mask)


class Gated(OverTime):
    """What some layers make of x times what the gate lets through, 0 to 1; and, on a highway, x times the rest."""

    def __init__(self, branch: nn.Module, gate: nn.Module, highway: bool) -> None:
        super().__init__()
        self.branch = branch
        self.gate = gate
        self.highway = highway

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(through(self.branch, x))
        gate = parts(through(self.gate, x))[0].sigmoid()
        return flow(values * gate + parts(x)[0] * (1 - gate) if self.highway else values * gate, mask)


class LayerScale(nn.Module):
    """Each channel (or feature) times a learned number: (batch, ...) -> (batch, ...)."""

    def __init__(self, size: int, axis: int, initial: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size, *[1] * (-axis - 1)), initial))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class StochasticDepth(nn.Module):
    """In training, whole examples become 0 with this probability and the others grow to make up for it: (batch, ...) -> (batch, ...)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.probability:
            return x
        kept = x.new_empty(len(x), *[1] * (x.ndim - 1)).bernoulli_(1 - self.probability)
        return x * (kept / (1 - self.probability))


class ScaledChannels(nn.Module):
    """Each channel scaled by what a small network makes of the means of all of them: (batch, channels, height, width) -> the same."""

    def __init__(self, scales: nn.Module) -> None:
        super().__init__()
        self.scales = scales

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scales(x.mean((2, 3)))[:, :, None, None]  # type: ignore[no-any-return]


class Patches(nn.Module):
    """An image cut into patches, each a time: (batch, channels, height, width) -> (batch, time, features). The last ones are filled with zeros."""

    def __init__(self, convolution: nn.Conv2d, missing: tuple[int, int]) -> None:
        super().__init__()
        self.convolution = convolution
        self.missing = missing
        """Rows and columns that the last patches lack."""

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.missing
        full = functional.pad(x, (0, columns, 0, rows)) if rows or columns else x
        return self.convolution(full).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


class ColumnsOfTimes(nn.Module):
    """An image read from left to right: (batch, channels, height, width) -> (batch, time = width, features = channels * height)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2).flatten(2)


class TimesOfColumns(nn.Module):
    """A sequence as an image of one channel: (batch, time, features) -> (batch, 1, height = features, width = time)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).unsqueeze(1)


def joined(tensors: Sequence[Tensor], axis: int | None) -> Tensor:
    """Tensors side by side along an axis, or added up (None)."""
    if axis is not None:
        return torch.cat(list(tensors), axis)
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total


class Levels(nn.Module):
    """A timm model up to some of its feature maps: (batch, channels, height, width) -> (batch, features), of each map the means, then the
    maxima of its channels. What the model has behind the last of them is gone.

    Source: Evci et al., Head2Toe, ICML 2022, which takes features of all depths for a linear head.
    """

    def __init__(self, model: nn.Module, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels = tuple(model.prune_intermediate_layers(list(levels), prune_norm=True, prune_head=True))  # type: ignore[operator]
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        maps = self.model.forward_intermediates(x, indices=list(self.levels), intermediates_only=True, output_fmt="NCHW")  # type: ignore[operator]
        return torch.cat([pooled for one in maps for pooled in (one.mean((2, 3)), one.amax((2, 3)))], 1)


class Frozen(OverTime):
    """A module that stays as it is: no gradients, and always in evaluation mode, so that its norms keep their statistics."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Frozen:
        """As nn.Module.train, for this wrapper alone."""
        super().train(mode)
        self.module.train(False)
        return self

    def forward(self, x: Flow) -> Flow:
        return through(self.module, x)


def only_frozen(body: nn.Module) -> bool:
    """Whether nothing of a body learns: all of its parts are frozen."""
    parts = list(body.children())
    return bool(parts) and all(isinstance(part, Frozen) for part in parts)
