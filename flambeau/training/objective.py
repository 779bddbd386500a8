"""From a batch to its loss and the gradients: in parts, in the wanted precision, with randomness that nothing else can touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from flambeau import randomness
from flambeau.errors import DeviceError, Notice, RecipeError
from flambeau.training.config import TrainingConfig
from flambeau.training.layout import ends, kept_behind, uses_channels_last
from flambeau.training.parameters import trainable
from flambeau.types import Batch

Result = TypeVar("Result")
ALONE = "Expected more than 1 value per channel"
"""How torch's batch norm refuses a single example."""


class GivesLogits(Protocol):
    """A network, as training sees it."""

    @property
    def activation(self) -> nn.Module:
        """Training space -> answer space."""

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Inputs by name, each (batch, ...) -> (batch, out_features) in training space."""


class Objective:
    """What is minimised. `parts` is how many pieces a batch is computed in; it grows when the memory does not suffice."""

    def __init__(self, network: nn.Module, loss: nn.Module, config: TrainingConfig, device: torch.device, notify: Callable[[Notice], None]) -> None:
        self.parts = config.accumulate
        self.answers: Tensor | None = None
        """(batch, out_features) logits of the last batch, where they were asked for."""
        self._network = network
        self._loss = loss
        self._config = config
        self._device = device
        self._notify = notify
        self._parameters = trainable(network)
        self._channels_last = uses_channels_last(config)
        self._ends = ends(network) if self._channels_last and not config.compile else []
        plain = cast(GivesLogits, network).logits
        self._logits = cast(Callable[[Mapping[str, Tensor]], Tensor], torch.compile(plain)) if config.compile else plain

    def backward(self, batch: Batch, step: int, keep: bool = False) -> Tensor:
        """The batch's loss, (), detached: the mean over its examples and the L1 penalty. The gradients lie in the parameters.

        Raises:
            RecipeError: a batch norm sees one number for each channel, of which nothing can be told.

        Args:
            step: number of the step, from 0; the randomness of dropout depends on it.
            keep: leave the logits in `answers`.
        """
        try:
            return self._in_parts(batch, lambda pieces: self._backward(batch, pieces, step, keep))
        except ValueError as error:
            if ALONE not in str(error):
                raise
            raise RecipeError("batch-norm-alone", path=("training", "batch_size")) from error

    def evaluate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """A batch -> answers (batch, out_features) in answer space, and the loss of each example (batch,)."""
        activation = cast(GivesLogits, self._network).activation

        def work(pieces: list[Batch]) -> tuple[Tensor, Tensor]:
            logits = torch.cat([self.logits(piece.inputs) for piece in pieces])
            return activation(logits), self._loss(logits, batch.targets)

        return self._in_parts(batch, work)

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Inputs by name -> (batch, out_features) in float32, computed in the precision of the recipe."""
        if self._channels_last:
            inputs = {name: x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for name, x in inputs.items()}
        with self._precision():
            logits = self._logits(inputs)
        return logits.float()

    @contextmanager
    def own_randomness(self) -> Iterator[None]:
        """Leaves the state of torch's generators as it was."""
        devices = [self._device] if self._device.type in ("cuda", "xpu") else []
        with torch.random.fork_rng(devices, device_type=self._device.type if devices else "cuda"):
            yield

    def _backward(self, batch: Batch, pieces: list[Batch], step: int, keep: bool) -> Tensor:
        for parameter in self._parameters:
            parameter.grad = None
        total = _num_examples(batch) if batch.weights is None else batch.weights.sum().clamp(min=torch.finfo(torch.float32).tiny)
        losses: list[Tensor] = []
        kept: list[Tensor] = []
        for place, piece in enumerate(pieces):
            _seed(self._device, randomness.seed(self._config.seed, step, place))
            with kept_behind(self._ends):
                logits = self.logits(piece.inputs)
            each = self._loss(logits, piece.targets)
            loss = (each if piece.weights is None else each * piece.weights).sum() / total
            loss.backward()
            losses.append(loss.detach())
            kept += [logits.detach()] if keep else []
        self.answers = torch.cat(kept) if keep else None
        penalties = [self._penalise()] if self._config.l1 else []
        return torch.stack([*losses, *penalties]).sum() if len(losses) + len(penalties) > 1 else losses[0]

    @torch.no_grad()
    def _penalise(self) -> Tensor:
        """Adds the gradient of the L1 penalty, and returns the penalty, ()."""
        weights = [parameter for parameter in self._parameters if parameter.ndim > 1]
        for weight in weights:
            if weight.grad is not None:
                weight.grad.add_(weight.sign(), alpha=self._config.l1)
        return self._config.l1 * torch.stack([weight.abs().sum() for weight in weights]).sum()

    def _precision(self) -> AbstractContextManager[object]:
        if self._config.precision != "bf16":
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)

    def _in_parts(self, batch: Batch, work: Callable[[list[Batch]], Result]) -> Result:
        """What `work` makes of the pieces of a batch; smaller pieces for as long as the memory does not suffice."""
        while True:
            try:
                return work(split(batch, self.parts))
            except torch.OutOfMemoryError:
                pass  # what the failed attempt holds is only given back outside of this block
            self._halve(_num_examples(batch))

    def _halve(self, num_examples: int) -> None:
        if self.parts >= num_examples:
            raise DeviceError("out-of-memory-alone", where=str(self._device), device=self._device)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        before, self.parts = ceil(num_examples / self.parts), self.parts * 2
        facts = {"device": str(self._device), "batch": before, "part": ceil(num_examples / self.parts), "parts": self.parts}
        self._notify(Notice("out-of-memory", facts))


def split(batch: Batch, parts: int) -> list[Batch]:
    """A batch -> at most `parts` batches of almost equal size, in order. No part is empty; equal sizes keep batch norm from a part of one."""
    if parts == 1:
        return [batch]
    parts = min(parts, _num_examples(batch))
    inputs = {name: tensor.tensor_split(parts) for name, tensor in batch.inputs.items()}
    targets = (None,) * parts if batch.targets is None else batch.targets.tensor_split(parts)
    weights = (None,) * parts if batch.weights is None else batch.weights.tensor_split(parts)
    return [Batch({name: pieces[i] for name, pieces in inputs.items()}, targets[i], weights[i]) for i in range(parts)]


def learning_mode(network: nn.Module) -> None:
    """Sets the network to training, but for modules whose parameters are all frozen: their batch norm stays as it was learnt."""
    network.train()
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _seed(device: torch.device, seed: int) -> None:
    """Seeds the generators that a network on `device` draws from, and only those: torch.manual_seed also notes the seed for every
    GPU that is not in use yet, with a stack trace each time, which costs more than a small step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index].manual_seed(seed)
    elif device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def _num_examples(batch: Batch) -> int:
    return next(iter(batch.inputs.values())).shape[0]
