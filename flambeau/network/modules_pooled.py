"""A max-pool with the relu behind it, in one go where that is quicker: in training, in bfloat16 on a CPU."""

# ruff: noqa: D102  # forward and backward: as the classes say
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

FEWEST = 1 << 17
"""Numbers that have to come, for its dozen calls to cost less than they save."""
LEAST_NAN = -127
"""The bits of negative NaNs, what a processor makes of 0 / 0, are -127 to -1 as a whole number: above those of all negative numbers."""


class PooledReLU(nn.Sequential):
    """A max-pool, then a relu: (batch, channels, height, width) -> (batch, channels, new height, new width)."""

    def __init__(self, pool: nn.MaxPool2d, relu: nn.ReLU) -> None:
        super().__init__(pool, relu)
        settings = (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
        self._is_two_by_two = all(value in (fit, (fit, fit)) for value, fit in zip(settings, (2, 2, 0, 1), strict=True))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self._is_two_by_two and x.requires_grad and _fits(x):
            return _ByBits.apply(x)  # type: ignore[no-any-return]
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


def _fits(x: Tensor) -> bool:
    is_sized = x.numel() >= FEWEST and x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
    lies_well = x.dtype == torch.bfloat16 and x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    return is_sized and lies_well and not torch.compiler.is_compiling()


class _ByBits(torch.autograd.Function):
    """relu(max_pool2d(x, 2)): outputs and gradients to the bit those of torch, in about half of its time.

    Of two positive numbers the greater one has the greater bits, read as a whole number, and all negative ones are below: whole numbers
    are compared three times as fast as torch compares bfloat16, and no place of a maximum has to be written down in 64 bits. The order of
    negative numbers is wrong, but relu makes 0 of them all. Of equal numbers the first gets the gradient: left before right, upper before
    lower. Truth values are kept as 0 and 1 in the type of the bits, whose product with the bits of a gradient is those bits or nothing.
    A NaN beside negative numbers alone gives a NaN; one of negative sign beside 0 or more is passed over, which torch does not do.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        bits = x.permute(0, 2, 3, 1).view(torch.int16)
        batch, height, width, channels = ctx.sizes = bits.shape
        left, right = bits.view(batch, height, width // 2, 2, channels).unbind(3)
        wider = torch.maximum(left, right, out=bits.new_empty(batch, height, width // 2, channels))
        is_right = torch.lt(left, right, out=torch.empty_like(wider))
        upper, lower = wider.view(batch, height // 2, 2, -1).unbind(2)
        outputs = torch.empty_like(x[:, :, ::2, ::2], memory_format=torch.channels_last)  # no view, which nobody could change in place
        greatest = outputs.permute(0, 2, 3, 1).view(torch.int16).view(upper.shape)
        torch.maximum(upper, lower, out=greatest)
        is_lower = torch.lt(upper, lower, out=torch.empty_like(greatest))
        greatest *= torch.ge(greatest, LEAST_NAN, out=torch.empty_like(greatest))
        ctx.save_for_backward(is_right, is_lower, greatest)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        is_right, is_lower, greatest = ctx.saved_tensors
        batch, height, width, channels = ctx.sizes
        arrived = torch.gt(greatest, 0, out=torch.empty_like(greatest))
        arrived *= gradient.permute(0, 2, 3, 1).contiguous().view(torch.int16).view(arrived.shape)
        rows = torch.empty_like(is_right)
        _deal(arrived, is_lower, *rows.view(batch, height // 2, 2, -1).unbind(2))
        pixels = rows.new_empty(batch, height, width, channels)
        _deal(rows, is_right, *pixels.view(batch, height, width // 2, 2, channels).unbind(3))
        return pixels.view(gradient.dtype).permute(0, 3, 1, 2)


def _deal(bits: Tensor, is_second: Tensor, first: Tensor, second: Tensor) -> None:
    """Writes the bits into the second place where that is said, else into the first, and 0 into the other one."""
    torch.mul(bits, is_second, out=second)
    torch.bitwise_xor(bits, second, out=first)
