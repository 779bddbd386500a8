"""The contract of an export target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from flambeau.types import Array, Runner

if TYPE_CHECKING:
    from flambeau.network.build import Network


class Exporter(ABC):
    """Turns a trained network into files of one format, and such files into a runner."""

    name: ClassVar[str]
    """The word after --to."""
    runtime: ClassVar[str]
    """What runs such a file."""
    file: ClassVar[str]
    """Name of the file in the artifact's exports/ folder."""
    more: ClassVar[tuple[str, ...]] = ()
    """Names of the files that lie beside it, for formats that take several."""

    @abstractmethod
    def export(self, network: Network, sample: Mapping[str, Array], path: Path, metadata: Mapping[str, str]) -> None:
        """Writes `network` to `path`, and the files of `more` beside it.

        Args:
            sample: one encoded batch of two or more examples, by graph input name.

        Raises:
            CheckFailed: the network cannot be expressed in this format.
        """

    @abstractmethod
    def load(self, path: Path, threads: int | None = None) -> Runner:
        """A runner of the file at `path`, on `threads` cores (None: all that this process may use).

        Raises:
            DataError: the file is damaged or no model of this format.
        """
