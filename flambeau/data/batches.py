"""One split as batches of tensors. The order of an epoch is a function of (seed, epoch), so it can be entered anywhere.

There is no DataLoader: the examples are decoded already and lie in memory-mapped files, so a batch is one gather. Where they
do not fit into the memory, or where the step runs on another device, a thread loads the next batches meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from flambeau import randomness
from flambeau.data.ahead import read_ahead
from flambeau.data.store import Rows, num_bytes, take
from flambeau.inputs.augment import Augmentation, Draw
from flambeau.inputs.input import Preprocessor, collate, tensor_names
from flambeau.machine import memory
from flambeau.types import Array, Batch

Integers = npt.NDArray[np.int64]
_ORDER, _CLASSES, _WITHIN = 1, 2, 3
"""Streams of random numbers: the shuffle, which classes get one example more, which examples of a class come first."""


@dataclass(frozen=True)
class _Part:
    """What one batch holds."""

    places: Integers
    """(batch,) which examples of the split."""
    draws: Integers
    """(batch,) the same, but different for an example that comes twice in an epoch: its random numbers differ then."""


class Batches:
    """The examples of one split, ready to be iterated as often as wanted."""

    def __init__(
        self,
        inputs: Mapping[str, Rows],
        targets: Array | None,
        rows: Integers,
        preprocessors: Mapping[str, Preprocessor],
        batch_size: int | Literal["all"] = 128,
        seed: int = 0,
        augment: Mapping[str, Augmentation] | None = None,
        soft: Callable[[Tensor], Tensor] = lambda targets: targets,
        sampling: Literal["shuffle", "balanced"] = "shuffle",
        device: str | torch.device = "cpu",
        weights: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """
        Args:
            inputs: all examples of the source as encoded arrays, by input (`Prepared.rows`).
            targets: (examples, ...) encoded targets of all examples of the source.
            rows: (num_examples,) which of them belong to this split.
            preprocessors: fitted, by input.
            batch_size: examples of a batch; "all" makes one batch of an epoch.
            seed: of order and augmentation.
            augment: what varies the examples of `epoch`, by input.
            soft: makes targets that can be mixed (`Target.soft`).
            sampling: "balanced" draws equally many examples of each class, so some come several times in an epoch and some in none.
            device: where the tensors go, in the type that they have in the cache.
            weights: (examples,) weight of each example of the source in the loss.
        """
        self._inputs = inputs
        self._targets = targets
        self._rows = np.asarray(rows, np.int64)
        self._preprocessors = preprocessors
        self._batch_size = max(len(self._rows), 1) if batch_size == "all" else batch_size
        self._seed = seed
        self._augment = augment or {}
        self._soft = soft
        self._sampling = sampling
        self._device = torch.device(device)
        self._weights = weights
        self._ahead = self._device.type != "cpu" or sum(map(num_bytes, inputs.values())) > memory() // 2
        assert sampling == "shuffle" or (targets is not None and targets.ndim == 1), "only classes can be balanced"

    @property
    def num_examples(self) -> int:
        """Examples of an epoch."""
        return len(self._rows)

    @property
    def num_steps(self) -> int:
        """Batches of `epoch`."""
        return len(self._edges()) - 1

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The augmented batches of one epoch from step `start` on; the same ones as in an epoch that was not interrupted.

        Nothing is dropped: the last batch is smaller, but if it would be a single example, on which batch normalisation
        cannot be computed, this example joins the batch before.
        """
        order, draws = self._order(number)
        edges = self._edges()
        parts = [_Part(order[low:high], draws[low:high]) for low, high in zip(edges[start:-1], edges[start + 1 :], strict=True)]
        with closing(self._loaded(part.places for part in parts)) as batches:
            for batch, part in zip(batches, parts, strict=True):
                yield self._vary(batch, part, number)

    def in_order(self) -> Iterator[Batch]:
        """Every example once, in the order of `rows`, unvaried."""
        size = len(self._rows)
        with closing(self._loaded(np.arange(low, min(low + self._batch_size, size)) for low in range(0, size, self._batch_size))) as batches:
            yield from batches

    def _loaded(self, parts: Iterable[Integers]) -> Generator[Batch, None, None]:
        """The batches of several parts, loaded ahead where that can pay."""
        batches = (self._load(part) for part in parts)
        return read_ahead(batches) if self._ahead else batches

    def _edges(self) -> list[int]:
        """Where each batch of an epoch begins, and the end."""
        edges = [*range(0, len(self._rows), self._batch_size), len(self._rows)]
        if len(edges) > 2 and edges[-1] - edges[-2] == 1 and self._batch_size > 1:
            del edges[-2]
        return edges

    def _order(self, epoch: int) -> tuple[Integers, Integers]:
        """(num_examples,) which example comes when in an epoch, and the number of its draw."""
        size = len(self._rows)
        places = self._balanced(epoch) if self._sampling == "balanced" else np.arange(size)
        places = places[randomness.permutation(size, self._seed, epoch, _ORDER)]
        return places, places + size * _occurrences(places)

    def _balanced(self, epoch: int) -> Integers:
        """(num_examples,) examples of the split, equally many of each class give or take one; none comes again before all of its class came."""
        assert self._targets is not None
        size = len(self._rows)
        classes, codes = np.unique(self._targets[self._rows], return_inverse=True)
        first = randomness.permutation(len(classes), self._seed, epoch, _CLASSES)
        chosen = []
        for turn, code in enumerate(first.tolist()):
            members = np.flatnonzero(codes == code)
            members = members[randomness.permutation(len(members), self._seed, epoch, _WITHIN, code)]
            chosen.append(np.resize(members, size // len(classes) + (turn < size % len(classes))))
        return np.concatenate(chosen)

    def _load(self, places: Integers) -> Batch:
        """Examples of the split -> their batch, read in the order in which they lie on the disk."""
        rows = self._rows[places]
        encoded = {name: take(self._inputs[name], rows) for name in self._preprocessors}
        tensors = {name: self._tensor(array) for name, array in collate(self._preprocessors, encoded).items()}
        targets = None if self._targets is None else self._tensor(self._targets[rows])
        return Batch(tensors, targets, None if self._weights is None else self._tensor(self._weights[rows]))

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device, non_blocking=True)

    def _vary(self, batch: Batch, part: _Part, epoch: int) -> Batch:
        """The batch after the augmentation of each input, which sees the tensors of this input alone.

        Where several inputs mix examples, each says what its part of an example is a mixture of: the target is their mean. Inputs that
        mix at the same place of their lists draw the same partners and shares.
        """
        draw = Draw(self._seed, epoch, part.draws, self._soft)
        owners = tensor_names(self._preprocessors)
        inputs, mixed = dict(batch.inputs), []
        for name, vary in self._augment.items():
            own = {key: tensor for key, tensor in batch.inputs.items() if owners[key] == name}
            varied = vary(Batch(own, batch.targets, batch.weights), draw)
            inputs |= varied.inputs
            if varied.targets is not None and varied.targets is not batch.targets:
                mixed.append(varied.targets)
        return Batch(inputs, torch.stack(mixed).mean(0) if mixed else batch.targets, batch.weights)


def _occurrences(places: Integers) -> Integers:
    """How often each value came before in the array: [7, 3, 7, 7] -> [0, 0, 1, 2]."""
    order = np.argsort(places, kind="stable")
    sorted_ones = places[order]
    starts = np.flatnonzero(np.r_[True, sorted_ones[1:] != sorted_ones[:-1]]) if len(places) else np.empty(0, np.int64)
    counts = np.empty_like(places)
    counts[order] = np.arange(len(places)) - np.repeat(starts, np.diff(np.r_[starts, len(places)]))
    return counts
