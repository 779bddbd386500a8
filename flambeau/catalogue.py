"""All layers and their settings, as data and as text: `flambeau layers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flambeau.errors import UsageError
from flambeau.naming import closest


def layers(name: str | None = None) -> list[dict[str, Any]]:
    """Every layer (or the one called `name`): name, summary, axes taken and given, fields with type, default, meaning.

    Raises:
        UsageError: no layer has that name.
    """
    from flambeau.network.catalogue import layer_catalogue

    found = [asdict(layer) for layer in layer_catalogue()]
    if name is None:
        return found
    names = [layer["name"] for layer in found]
    if name not in names:
        raise UsageError("layer-name-unknown", where=name, name=name, guess=closest(name, names))
    return [layer for layer in found if layer["name"] == name]


def to_text(found: Sequence[dict[str, Any]], full: bool) -> str:
    """One line a layer, or with every field and its meaning."""
    width = max(len(layer["name"]) for layer in found)
    lines = []
    for layer in found:
        lines.append(f"{layer['name']:<{width}}  {layer['summary']}")
        if full:
            lines += [f"    {field['name']}: {field['type']} = {field['default']}\n        {field['description']}" for field in layer["fields"]]
    return "\n".join(lines)
