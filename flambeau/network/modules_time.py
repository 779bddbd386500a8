"""Modules on sequences (batch, time, features) that look at more than one time, and what turns times into features."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from flambeau.network.padding import Flow, OverTime, Padded, flow, lengths, parts, through, up_to, zeroed


class Windows:
    """How many windows of `kernel` times there are, `stride` apart, with `before` and `after` times of zeros around the sequence."""

    def __init__(self, kernel: int, stride: int, before: int, after: int, ceil_mode: bool = False) -> None:
        self.kernel, self.stride, self.before, self.after, self.ceil_mode = kernel, stride, before, after, ceil_mode

    def mask(self, mask: Tensor | None, time: int) -> Tensor | None:
        """The mask in front -> the one behind, of `time` times."""
        return None if mask is None else up_to(self._count(lengths(mask)), time)

    def _count(self, length: Tensor) -> Tensor:
        room = length + self.before + self.after - self.kernel
        if not self.ceil_mode:
            return room // self.stride + 1
        count = (room + self.stride - 1) // self.stride + 1
        return torch.where((count - 1) * self.stride >= length + self.before, count - 1, count)


class Conv1d(OverTime):
    """A convolution over time: (batch, time, features) -> (batch, new time, channels). Behind the end of a sequence there are zeros."""

    def __init__(self, convolution: nn.Conv1d, before: int, after: int) -> None:
        super().__init__()
        self.convolution = convolution
        [kernel], [stride], [dilation] = convolution.kernel_size, convolution.stride, convolution.dilation
        self.windows = Windows(dilation * (kernel - 1) + 1, stride, before, after)

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        signal = zeroed(values, mask).transpose(1, 2)
        if self.windows.before or self.windows.after:
            signal = functional.pad(signal, (self.windows.before, self.windows.after))
        result = self.convolution(signal).transpose(1, 2)
        return flow(result, self.windows.mask(mask, result.shape[1]))


class Pool1d(OverTime):
    """The greatest number or the mean of each window over time; padding counts for neither."""

    def __init__(self, kind: str, size: int, stride: int, padding: int, ceil_mode: bool) -> None:
        super().__init__()
        self.greatest = kind == "max"
        self.settings = (size, stride, padding)
        self.windows = Windows(size, stride, padding, padding, ceil_mode)

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        pooled = self._greatest(values, mask) if self.greatest else self._mean(values, mask)
        after = self.windows.mask(mask, pooled.shape[1])
        return flow(zeroed(pooled, after), after)

    def _greatest(self, values: Tensor, mask: Tensor | None) -> Tensor:
        signal = zeroed(values, mask, -math.inf).transpose(1, 2)
        size, stride, padding = self.settings
        # as an image of one row: the export of max_pool1d fixes the length
        pooled = functional.max_pool2d(signal.unsqueeze(2), (1, size), (1, stride), (0, padding), ceil_mode=self.windows.ceil_mode)
        return pooled.squeeze(2).transpose(1, 2)

    def _mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """The mean over the real times of a window, as the mean of all over the share that is real."""
        real = torch.ones_like(values[..., :1]) if mask is None else mask.unsqueeze(-1).to(values.dtype)
        together = torch.cat((zeroed(values, mask), real), 2).transpose(1, 2)
        mean = functional.avg_pool1d(together, *self.settings, self.windows.ceil_mode, True).transpose(1, 2)
        return mean[..., :-1] / mean[..., -1:].clamp(min=1e-6)


class BatchNormOverTime(OverTime):
    """Each feature standardised over the batch and over all real times: (batch, time, features) -> the same."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        if mask is None or not self.training:
            return flow(self.norm(values.transpose(1, 2)).transpose(1, 2), mask)
        result = torch.zeros_like(values)
        result[mask] = self.norm(values[mask]).to(values.dtype)
        return Padded(result, mask)


class MeanTime(OverTime):
    """The mean over all real times: (batch, time, features) -> (batch, features)."""

    def forward(self, x: Flow) -> Tensor:
        values, mask = parts(x)
        return values.mean(1) if mask is None else zeroed(values, mask).sum(1) / lengths(mask).unsqueeze(1)


class MaxTime(OverTime):
    """The greatest number over all real times: (batch, time, features) -> (batch, features)."""

    def forward(self, x: Flow) -> Tensor:
        values, mask = parts(x)
        return zeroed(values, mask, -math.inf).amax(1)


class FirstTime(OverTime):
    """The first time: (batch, time, features) -> (batch, features)."""

    def forward(self, x: Flow) -> Tensor:
        return parts(x)[0][:, 0]


class LastTime(OverTime):
    """The last real time: (batch, time, features) -> (batch, features)."""

    def __init__(self, both_ways: bool) -> None:
        super().__init__()
        self.both_ways = both_ways
        """The second half of the features was made backwards, so its last state is at the first time."""

    def forward(self, x: Flow) -> Tensor:
        values, mask = parts(x)
        last = values[:, -1] if mask is None else self._last(values, mask)
        if not self.both_ways:
            return last
        half = values.shape[2] // 2
        return torch.cat((last[:, :half], values[:, 0, half:]), 1)

    def _last(self, values: Tensor, mask: Tensor) -> Tensor:
        place = (lengths(mask) - 1).reshape(-1, 1, 1).expand(-1, 1, values.shape[2])
        return values.gather(1, place).squeeze(1)


class AttentionPool(OverTime):
    """A mean over all real times, weighted by what a small network thinks of each: (batch, time, features) -> (batch, features)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, features)
        self.score = nn.Linear(features, 1, bias=False)

    def forward(self, x: Flow) -> Tensor:
        values, mask = parts(x)
        weights = zeroed(self.score(self.hidden(values).tanh()), mask, -math.inf).softmax(1)
        return (weights.transpose(1, 2) @ values).squeeze(1)


class LearnedPositions(nn.Module):
    """A learned vector for each place added: (batch, time, features) -> the same. Places behind the last known one share its vector.

    They start as `Waves`: small random vectors are lost beside what they are added to, and a short training never finds the order.
    """

    def __init__(self, places: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(waves(places, _rates(features))[:, :features])

    def forward(self, x: Tensor) -> Tensor:
        times = torch.arange(x.shape[1], device=x.device).clamp(max=len(self.weight) - 1)
        return x + self.weight[times]


class Waves(nn.Module):
    """Sines and cosines of many wavelengths added, which tell places apart: (batch, time, features) -> the same."""

    rates: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("rates", _rates(features), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + waves(x.shape[1], self.rates)[:, : x.shape[2]].to(x.dtype)


def waves(places: int, rates: Tensor) -> Tensor:
    """Sine and cosine of each place at each rate: (places, 2 * rates)."""
    angles = torch.arange(places, device=rates.device, dtype=rates.dtype).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), 2).flatten(1)


def _rates(features: int) -> Tensor:
    return 10_000.0 ** -(torch.arange(0, features, 2) / features)


class ClassToken(OverTime):
    """A learned vector in front of all times: (batch, time, features) -> (batch, 1 + time, features)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features) * 0.02)

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        token = self.weight.to(values.dtype).expand(values.shape[0], 1, -1)
        real = None if mask is None else torch.cat((torch.ones_like(mask[:, :1]), mask), 1)
        return flow(torch.cat((token, values), 1), real)


class ScaledTime(OverTime):
    """Each feature scaled by what a small network makes of the means of all of them: (batch, time, features) -> the same."""

    def __init__(self, scales: nn.Module) -> None:
        super().__init__()
        self.mean = MeanTime()
        self.scales = scales

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        return flow(values * self.scales(self.mean(x)).unsqueeze(1), mask)


class Tied(OverTime):
    """The same module several times in a row, with the same weights."""

    def __init__(self, module: nn.Module, times: int) -> None:
        super().__init__()
        self.module = module
        self.times = times

    def forward(self, x: Flow) -> Flow:
        for _ in range(self.times):
            x = through(self.module, x)
        return x
