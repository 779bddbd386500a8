"""Objects in memory as the expressions that make them again: modules with the arguments of their constructors, fitted settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flambeau.config import Config
from flambeau.ejecting.code import Code, Group, call, listing, literal, mapping
from flambeau.ejecting.homes import PACKAGE
from flambeau.ejecting.recorder import Recorder
from flambeau.ejecting.shaking import Shaker
from flambeau.errors import CheckFailed
from flambeau.network.modules import Chain
from flambeau.network.modules_pooled import PooledReLU

LONG = 300
"""Characters of a list that stands in the code; a longer one goes into a file of its own."""


class Expressions:
    """Writes objects; their classes are taken into the file by the shaker."""

    def __init__(self, shaker: Shaker, recorder: Recorder, in_rows: bool = False) -> None:
        """
        Args:
            in_rows: torch's own Sequential does for our chains: nothing is kept for later, and no lengths differ.
        """
        self._in_rows = in_rows
        self._shaker = shaker
        self._recorder = recorder
        self.words: dict[str, Any] = {}
        """Long lists, by the name under which the expressions look them up."""

    def module(self, module: nn.Module) -> Code:
        """A module -> the expression that constructs one like it. Children that were put in later count."""
        whole = self._recorder.created(module)
        if whole is not None:
            self._shaker.imports["import timm"] = False
            given = {name: value for name, value in whole.named.items() if value is not None and name != "pretrained"}
            return call("timm.create_model", [], [(name, self.value(value)) for name, value in {**given, "pretrained": False}.items()])
        children = dict(module.named_children())
        if type(module) is Chain:
            named = mapping((name, self.module(child)) for name, child in children.items())
            if not self._in_rows:
                return call(self._name(Chain), [named], [])
            self._shaker.imports["from collections import OrderedDict"] = False
            return call("nn.Sequential", [call("OrderedDict", [named], [])], [])
        if type(module) is nn.ModuleList:
            return call("nn.ModuleList", [listing(map(self.module, children.values()))], [])
        if type(module) in (nn.Sequential, PooledReLU) and list(children) == [str(place) for place in range(len(children))]:
            return call("nn.Sequential", map(self.module, children.values()), [])
        return self.constructed(module, type(module), self._name(type(module)))

    def constructed(self, thing: object, kind: type, name: str) -> Code:
        """An object -> the call of its constructor, what is as by default left out."""
        made = self._recorder.constructed(thing)
        if made is None:
            raise CheckFailed("eject-impossible", where=name, reason="nobody saw it being constructed")
        defaults = {key: parameter.default for key, parameter in inspect.signature(kind).parameters.items()}
        named = {key: value for key, value in made.named.items() if not _same(value, defaults.get(key, inspect.Parameter.empty))}
        return call(name, map(self.value, made.positional), [(key, self.value(value)) for key, value in named.items()])

    def value(self, value: object) -> Code:
        """An argument -> its expression."""
        if isinstance(value, nn.Module):
            return self.module(value)
        if isinstance(value, torch.dtype | torch.device):
            self._shaker.imports["import torch"] = False
            return repr(value) if isinstance(value, torch.dtype) else f'torch.device("{value}")'
        if isinstance(value, Path):
            return repr(str(value))
        plain = literal(value)
        if plain is not None:
            return plain
        if isinstance(value, Mapping):
            return mapping((str(key), self.value(one)) for key, one in value.items())
        if isinstance(value, list | tuple | nn.ModuleList):
            items = [self.value(one) for one in value]
            return listing(items) if not isinstance(value, tuple) else Group("(", tuple(("", one) for one in items), ",)" if len(items) == 1 else ")")
        raise CheckFailed("eject-impossible", where=type(value).__name__, reason=str(value)[:200])

    def settings(self, config: Config, place: str) -> Callable[[], Code]:
        """A fitted object -> what writes it, once it is known which of its settings are used."""
        self._shaker.add_settings(config)
        return lambda: self._settings(config, place)

    def _settings(self, config: Config, place: str) -> Code:
        name = self._shaker.add((type(config).__module__, type(config).__name__))
        return call(name, [], [(key, self._setting(value, f"{place}.{key}")) for key, value in self._shaker.kept_settings(config).items()])

    def _setting(self, value: object, place: str) -> Code:
        if isinstance(value, Config):
            return self._settings(value, place)
        if isinstance(value, dict):
            return mapping((key, self._setting(one, f"{place}.{key}")) for key, one in value.items())
        plain = literal(value)
        if plain is None and isinstance(value, tuple | list):
            return Group("(", tuple(("", self._setting(one, f"{place}.{number}")) for number, one in enumerate(value)), ",)")
        if isinstance(value, str | tuple) and len(str(value)) > LONG and _is_words(value):
            self.words[place] = value
            return f'tuple(WORDS["{place}"])' if isinstance(value, tuple) else f'WORDS["{place}"]'
        return self.value(value)

    def _name(self, kind: type) -> str:
        home = kind.__module__.partition(".")[0]
        if getattr(nn, kind.__name__, None) is kind:
            self._shaker.imports["from torch import nn"] = False
            return f"nn.{kind.__name__}"
        if home == PACKAGE:
            return self._shaker.add((kind.__module__, kind.__name__))
        self._shaker.imports[f"from {kind.__module__} import {kind.__name__}"] = False
        return kind.__name__


def _is_words(value: str | tuple[object, ...]) -> bool:
    return isinstance(value, str) or all(isinstance(one, str | None) for one in _flat(value))


def _flat(value: tuple[object, ...]) -> Iterator[object]:
    for one in value:
        if isinstance(one, tuple):
            yield from _flat(one)
        else:
            yield one


def _same(value: object, default: object) -> bool:
    return value is default or (type(value) is type(default) and isinstance(value, bool | int | float | str | tuple) and value == default)
