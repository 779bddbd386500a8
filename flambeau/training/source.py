"""What training needs of the room that holds the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from flambeau.types import Batch


class BatchSource(Protocol):
    """One split, ready to iterate."""

    @property
    def num_steps(self) -> int:
        """Batches in one epoch."""

    @property
    def num_examples(self) -> int:
        """Examples in one epoch."""

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The training batches of an epoch, from batch `start` on: what they are depends on the two numbers alone."""

    def in_order(self) -> Iterator[Batch]:
        """Every example once, as it is: for validation."""
