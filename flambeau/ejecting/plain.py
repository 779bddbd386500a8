"""What ejected files have in place of parts that only this package needs: the same mathematics and the same names of weights."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from flambeau.network.modules import FromTap, Tap
from flambeau.network.padding import Flow, OverTime, entering, flow, parts, through


class Network(nn.Module):
    """Encoded inputs -> answers: what prepares each input, the body, the head and the activation."""

    def __init__(self, tensors: Mapping[str, str], prepare: Sequence[nn.Module], body: nn.Module, head: nn.Module, activation: nn.Module) -> None:
        """
        Args:
            tensors: the tensors of a batch, in order -> the input that each belongs to.
            prepare: one module for each input.
            body: what the inputs were made to -> (batch, features).
            head: features -> logits.
            activation: logits -> answers.
        """
        super().__init__()
        self.tensors = dict(tensors)
        self.prepare = nn.ModuleList(prepare)
        self.body = body
        self.head = head
        self.activation = activation

    def logits(self, *tensors: Tensor) -> Tensor:
        """The inputs in the order of `tensors` -> (batch, answers), before the activation; losses take these."""
        prepared = [prepare(x) for prepare, x in zip(self.prepare, tensors, strict=True)]
        return self.head(self.body(*prepared))  # type: ignore[no-any-return]

    def forward(self, *tensors: Tensor) -> Tensor:
        """The inputs in the order of `tensors` -> (batch, answers)."""
        return self.activation(self.logits(*tensors))  # type: ignore[no-any-return]


class MaskedNetwork(nn.Module):
    """Encoded inputs -> answers: what prepares each input, the body, the head and the activation. Lengths differ."""

    def __init__(self, tensors: Mapping[str, str], prepare: Sequence[nn.Module], body: nn.Module, head: nn.Module, activation: nn.Module) -> None:
        """
        Args:
            tensors: the tensors of a batch, in order -> the input that each belongs to; NAME.mask says which times of NAME are real.
            prepare: one module for each input.
            body: what the inputs were made to -> (batch, features).
            head: features -> logits.
            activation: logits -> answers.
        """
        super().__init__()
        self.tensors = dict(tensors)
        self.prepare = nn.ModuleList(prepare)
        self.body = body
        self.head = head
        self.activation = activation

    def logits(self, *tensors: Tensor) -> Tensor:
        """The inputs in the order of `tensors` -> (batch, answers), before the activation; losses take these."""
        given = dict(zip(self.tensors, tensors, strict=True))
        prepared = []
        for name, prepare in zip(dict.fromkeys(self.tensors.values()), self.prepare, strict=True):
            x = prepare(*(given[tensor] for tensor, owner in self.tensors.items() if owner == name))
            prepared.append(entering(*x) if isinstance(x, tuple) else x)
        return self.head(self.body(*prepared))  # type: ignore[no-any-return]

    def forward(self, *tensors: Tensor) -> Tensor:
        """The inputs in the order of `tensors` -> (batch, answers)."""
        return self.activation(self.logits(*tensors))  # type: ignore[no-any-return]


class Chain(OverTime):
    """Modules in a row, by name. What goes through a `Tap` is kept for the `FromTap` of its name."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Flow) -> Flow:
        kept: dict[str, Flow] = {}
        for module in self.children():
            if isinstance(module, Tap):
                kept[module.key] = x
            x = through(module, x, kept[module.key]) if isinstance(module, FromTap) else through(module, x)
        return x


class Recurrent(OverTime):
    """One of torch's recurrent modules, forward in time: what is behind the end of a sequence comes after all that is real."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        return flow(self.rnn(values)[0], mask)


class Preprocessor:
    """From a raw value to the array that the network takes."""

    def fields(self, name: str) -> tuple[str, ...]:
        """The columns that the input reads."""
        return (name,)

    def take(self, example: Mapping[str, object], name: str) -> object:
        """The raw value of an example."""
        return example[name]

    def finish(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """What was read -> what the network takes."""
        return array


class DataError(ValueError):
    """A value that cannot be read."""

    def __init__(self, code: str, *, where: str | None = None, **facts: object) -> None:
        super().__init__(f"{where or ''} {code} {facts or ''}".strip())
        self.code = code
        self.where = where
        self.facts = facts


def need(extra: str, verb: str) -> None:
    """Nothing: the import behind it says what is missing."""
