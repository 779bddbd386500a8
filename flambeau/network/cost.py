"""What a network costs: parameters, work and memory, found by running it on tensors that have a shape but no memory ("meta")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from flambeau.network.layer import IDS, Shape


@dataclass(frozen=True)
class Cost:
    """The cost of one example on its way forward."""

    parameters: int
    flops: int
    """Floating-point operations of convolutions and matrix products, 2 for each multiply-add; the rest is small beside them."""
    memory_bytes: int
    """What the modules inside give, in their own types: about what training keeps for the way back."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.parameters + other.parameters, self.flops + other.flops, self.memory_bytes + other.memory_bytes)


def measure(module: nn.Module, *examples: Tensor) -> tuple[Cost, Tensor]:
    """A module and an example of each of its inputs (1, *shape) on the device it runs on, "meta" included -> its cost, and what it gives.

    A module whose weights lie elsewhere is run on "meta" without being moved. Nothing in the module changes.
    """
    state = {name: _on(examples[0], tensor) for name, tensor in (*module.named_parameters(), *module.named_buffers())}
    with evaluating(module), _outputs(module) as sizes, torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = torch.func.functional_call(module, state, examples)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Cost(parameters, counter.get_total_flops(), sum(sizes)), result


def example(shape: Shape, batch: int = 1, device: torch.device | str = "meta") -> Tensor:
    """Zeros of this shape, (batch, *shape): ids where it is about ids, else numbers. On "meta" they take no memory."""
    return torch.zeros(batch, *shape.concrete, dtype=torch.int64 if shape.axes == IDS else torch.float32, device=device)


def _on(one: Tensor, tensor: Tensor) -> Tensor:
    return tensor.to("meta") if one.is_meta else tensor


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode, each part put back into its own mode at the end."""
    was = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in was:
            part.training = training


@contextmanager
def _outputs(module: nn.Module) -> Iterator[list[int]]:
    """Bytes that each innermost module gives while this is open."""
    sizes: list[int] = []

    def note(_module: nn.Module, _inputs: object, output: object) -> None:
        sizes.extend(
            tensor.numel() * tensor.element_size() for tensor in (output if isinstance(output, tuple) else (output,)) if isinstance(tensor, Tensor)
        )

    hooks = [part.register_forward_hook(note) for part in module.modules() if not list(part.children())]
    try:
        yield sizes
    finally:
        for hook in hooks:
            hook.remove()
