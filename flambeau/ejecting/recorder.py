"""With what every module was constructed: seen while a network is built, as no module keeps it."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any


@dataclass(frozen=True)
class Call:
    """One call that made something."""

    made: object
    """Kept alive, so that no other object gets its id."""
    positional: tuple[object, ...]
    """What came in for ``*args``."""
    named: dict[str, object]


class Recorder:
    """A block in which the arguments of constructors are written down, and of functions that make whole networks."""

    def __init__(self, kinds: tuple[type, ...]) -> None:
        """
        Args:
            kinds: objects of these classes are of interest.
        """
        self._kinds = kinds
        self._calls: dict[int, Call] = {}
        self._whole: dict[int, Call] = {}
        self._open: dict[FrameType, Call] = {}
        self._before: Any = None

    def __enter__(self) -> Recorder:
        self._before = sys.getprofile()
        sys.setprofile(self._see)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.setprofile(self._before)
        self._open.clear()

    def constructed(self, thing: object) -> Call | None:
        """How an object was constructed."""
        return self._calls.get(id(thing))

    @property
    def everything(self) -> list[object]:
        """All whose constructors were seen."""
        return [call.made for call in self._calls.values()]

    def created(self, thing: object) -> Call | None:
        """The call of timm.create_model that made an object."""
        return self._whole.get(id(thing))

    def _see(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == "__init__" and code.co_argcount:
            thing = frame.f_locals[code.co_varnames[0]]
            if id(thing) not in self._calls and isinstance(thing, self._kinds):
                self._calls[id(thing)] = _call(thing, frame, 1)
        elif code.co_name == "create_model" and frame.f_globals.get("__name__") == "timm.models._factory":
            if event == "call":
                self._open[frame] = _call(None, frame, 0)
            elif event == "return" and frame in self._open:
                call = self._open.pop(frame)
                self._whole[id(arg)] = Call(arg, call.positional, call.named)


def _call(thing: object, frame: FrameType, skipped: int) -> Call:
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    named = {name: values[name] for name in code.co_varnames[skipped:count]}
    rest = list(code.co_varnames[count:])
    positional = tuple(values[rest.pop(0)]) if code.co_flags & inspect.CO_VARARGS else ()
    if code.co_flags & inspect.CO_VARKEYWORDS:
        named.update(values[rest.pop(0)])
    return Call(thing, positional, named)
