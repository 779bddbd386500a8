"""What can go wrong, as a tree. Each branch has one exit code; each leaf is a `code` in the message catalogue.

    FlambeauError                     70  a bug of ours, unless a branch below says otherwise
    |- CheckFailed                     1  an export differs, a score is below what was asked for
    |- UsageError                      2  a command or an argument
    |  `- RecipeError                  2  the recipe, with file:line:col; may carry several problems
    |     `- ShapeError                2  the layers do not fit together
    |- DataError                       3  a file, a folder, a table, a value
    |- DeviceError                     4  device, memory, disk, environment
    |- ExtraMissing                    5  an optional dependency is not installed
    |- Interrupted                   130  SIGINT (143 for SIGTERM)

Errors are for users: what happened, where, and what to do. What we ourselves guarantee is an `assert`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from flambeau import messages


class FlambeauError(Exception):
    """Any failure that a user can act on."""

    exit_code = 70

    def __init__(self, code: str, /, *, where: str | None = None, **facts: object) -> None:
        """
        Args:
            code: the key in the message catalogue, stable: scripts match on it.
            where: the file, "file:line:col", field or option that is at fault.
            facts: fill the placeholders of the message.
        """
        self.code = code
        self.where = where
        self.facts = facts
        self.beside: Mapping[str, object] = {}
        """What a program is told even so, beside the error."""
        super().__init__(code)

    @property
    def what(self) -> str:
        """What happened, in the user's language."""
        return messages.text(self.code, "what", **self.facts)

    @property
    def why(self) -> str:
        """More about it; "" where there is nothing to add."""
        return messages.text(self.code, "why", **self.facts)

    @property
    def fix(self) -> str:
        """What to do; "" where nothing can be said."""
        return messages.text(self.code, "fix", **self.facts)

    def __str__(self) -> str:
        place = f"{self.where}  " if self.where else ""
        lines = [f"[{self.code}] {place}{self.what}", self.why, self.fix and f"fix: {self.fix}"]
        return "\n    ".join(line for line in lines if line)

    def to_json(self) -> dict[str, object]:
        """The error as a plain object: code, message, where, fix."""
        return {"code": self.code, "message": self.what, "where": self.where, "fix": self.fix or None}

    def alone(self) -> FlambeauError:
        """The same without its traceback and the errors before it: their frames hold what a server has long answered, and this error too,
        a ring of references that would wait for the garbage collector.
        """
        self.__context__ = self.__cause__ = None
        return self.with_traceback(None)


class CheckFailed(FlambeauError):
    """Something was proven wrong: an export, a score."""

    exit_code = 1


class UsageError(FlambeauError):
    """A command or an argument."""

    exit_code = 2


class RecipeError(UsageError):
    """A problem in a recipe. `path` addresses the node: ("network", 2, "conv2d", "channels")."""

    def __init__(
        self,
        code: str,
        /,
        *,
        path: Sequence[str | int] = (),
        where: str | None = None,
        snippet: str = "",
        problems: Sequence[RecipeError] = (),
        **facts: object,
    ) -> None:
        super().__init__(code, where=where, **facts)
        self.path = tuple(path)
        self.snippet = snippet
        """The line of the file with a marker under the fault; set when the place is known."""
        self.problems = tuple(problems)
        """All problems that were found at once, this one first; empty when it is alone."""

    def to_json(self) -> dict[str, object]:
        """As every error, and all problems under "problems" if there are several."""
        alone = super().to_json()
        return {**alone, "problems": [problem.to_json() for problem in self.problems]} if self.problems else alone


class ShapeError(RecipeError):
    """Layers that do not fit together."""


class DataError(FlambeauError):
    """A file, a folder, a table or a value."""

    exit_code = 3


class DeviceError(FlambeauError):
    """Device, memory, disk or environment."""

    exit_code = 4


class ExtraMissing(FlambeauError):
    """An optional dependency is not installed."""

    exit_code = 5


class Interrupted(FlambeauError):
    """A signal asked for the end; what was done is saved."""

    exit_code = 130

    def __init__(self, code: str, /, *, signal: int = 2, where: str | None = None, **facts: object) -> None:
        super().__init__(code, where=where, **facts)
        self.exit_code = 128 + signal


@dataclass(frozen=True)
class Notice:
    """A warning: something was wrong, and the work goes on. Shown as ``warning[code] ...``, kept in the run."""

    code: str
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """What happened, in the user's language."""
        return messages.text(self.code, "what", **self.facts)

    @property
    def fix(self) -> str:
        """What to do; "" where nothing can be said."""
        return messages.text(self.code, "fix", **self.facts)


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """A library in Rust raises what is no Exception when it panics, of a class that it does not show. Within, that is a RuntimeError."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(str(error).splitlines()[0] if str(error) else "panic") from error
