"""Layers in a row: the shape after each, and the module of them all. What does not fit is told with the table so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flambeau import messages
from flambeau.errors import RecipeError, ShapeError
from flambeau.network.joining import FromTap, Tap
from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, SEQUENCE, Axes, Layer, Shape

if TYPE_CHECKING:
    from torch import nn

    from flambeau.network.modules import Chain

MAX_NUMEL = 2**30
"""Numbers in one example between two layers, 4 GiB. More is refused before anything is allocated."""

_CURES: Mapping[tuple[Axes, Axes], tuple[str, ...]] = {
    (IMAGE, FEATURES): ("global_avg_pool", "flatten"),
    (SEQUENCE, FEATURES): ("global_avg_pool", "flatten"),
    (IMAGE, SEQUENCE): ("as_sequence", "patch_embedding"),
    (SEQUENCE, IMAGE): ("as_image",),
    (IDS, SEQUENCE): ("embedding",),
    (COLUMNS, FEATURES): ("column_embedding",),
    (COLUMNS, SEQUENCE): ("column_tokens",),
}
"""What to put between two layers: (has, needs) -> layers that do it."""
_ROWS = 8
"""Rows of the table that an error shows: the last ones."""


def shapes_through(layers: Sequence[Layer], shape: Shape) -> list[Shape]:
    """The shape in front of the first layer -> the shape after each layer.

    Raises:
        ShapeError: with `path` (index, layer name, ...) relative to this list.
    """
    return list(_through(layers, shape))


def last_shape(layers: Sequence[Layer], shape: Shape) -> Shape:
    """The shape in front of the first layer -> after the last."""
    return [shape, *_through(layers, shape)][-1]


def build_chain(layers: Sequence[Layer], shape: Shape) -> Chain:
    """Layers -> their modules in a row, named "0_conv2d", "1_relu": (batch, *shape) -> (batch, *last shape)."""
    from flambeau.network.modules import Chain

    after = shapes_through(layers, shape)
    modules = {f"{index}_{one.name}": _module(index, one, before) for index, (one, before) in enumerate(zip(layers, [shape, *after], strict=False))}
    return Chain(modules, after)


def inside(error: RecipeError, *path: str | int, **facts: object) -> RecipeError:
    """The same problem, seen from further outside: `path` in front of its path, and facts that it did not have."""
    together: dict[str, Any] = {**facts, **error.facts}
    return type(error)(error.code, path=(*path, *error.path), where=error.where, **together)


def takes(layer: type[Layer] | Layer) -> str:
    """What a layer accepts, for people: "features or time x features"."""
    return messages.text("or").join(" x ".join(axes) for axes in layer.takes or (IMAGE, SEQUENCE, FEATURES))


def _through(layers: Sequence[Layer], shape: Shape) -> Iterator[Shape]:
    if None in shape.sizes and any(isinstance(one, FromTap) for one in layers):
        list(_through(layers, shape.settled))  # two lengths that vary look alike, also where layers between them changed one
    trail = [shape]
    kept: dict[str, Shape] = {}
    for index, one in enumerate(layers):
        try:
            shape = _step(one, shape, kept)
        except RecipeError as error:
            raise inside(error, index, one.name, number=index + 1, layer=one.name, gets=str(shape), table=_table(layers, trail)) from None
        trail.append(shape)
        yield shape


def _module(index: int, one: Layer, shape: Shape) -> nn.Module:
    try:
        return one.build(shape)
    except RecipeError as error:
        raise inside(error, index, one.name, number=index + 1, layer=one.name) from None


def _step(one: Layer, shape: Shape, kept: dict[str, Shape]) -> Shape:
    """The shape after one layer; a tap puts what it has into `kept`."""
    fits = shape.axes in one.takes if one.takes else shape.axes not in (IDS, COLUMNS)
    if not fits:
        cure = next((_CURES[shape.axes, axes] for axes in one.takes or (SEQUENCE, FEATURES) if (shape.axes, axes) in _CURES), ())
        raise ShapeError("shape-mismatch" if cure else "shape-lost", takes=takes(one), cure=messages.text("or").join(cure))
    after = one.joined(shape, kept) if isinstance(one, FromTap) else one.gives(shape)
    if isinstance(one, Tap):
        kept[one.label] = after
    if after.numel > MAX_NUMEL:
        raise ShapeError("activation-too-large", numel=after.numel, limit=MAX_NUMEL)
    return after


def _table(layers: Sequence[Layer], trail: Sequence[Shape]) -> str:
    names = ["input", *(layer.name for layer in layers)]
    rows = [(str(number), names[number], str(shape)) for number, shape in enumerate(trail)][-_ROWS:]
    failed = str(len(trail))
    width = max(len(name) for _, name, _ in (*rows, ("", names[len(trail)], "")))
    lines = [f"  {number:>4}  {name:<{width}}  {shape}" for number, name, shape in rows]
    return "\n".join([*lines, f"->{failed:>4}  {names[len(trail)]:<{width}}  ?"])
