"""Pillow's warnings, silenced while it decodes.

A warning (a corrupt EXIF block, a palette with transparency) must not decide whether a file can be read: under
``python -W error`` it would become an exception. `warnings.catch_warnings` alone is not enough, because it restores the
process-wide filters in the order of the exits, and decoding runs in several threads at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Quiet:
    """Filters are set when the first thread enters and restored when the last one leaves."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """A block in which the module's warnings are ignored, in this and in other threads."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=self._module)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._saved.__exit__(None, None, None)


without_pillow_warnings = Quiet(r"PIL\.")
