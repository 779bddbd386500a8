"""What every layer promises, as a check that runs: for ours in the tests, and for layers of others."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import yaml
from pydantic import TypeAdapter
from torch import Tensor, nn

from flambeau.code import reason_of
from flambeau.errors import CheckFailed
from flambeau.machine import import_onnxruntime
from flambeau.network.body import drawing
from flambeau.network.catalogue import layer_doc
from flambeau.network.cost import evaluating, example, measure
from flambeau.network.custom import permitted
from flambeau.network.layer import Layer, Shape
from flambeau.network.padding import Padded, entering, parts, through, zeroed

TOLERANCE = 1e-5
"""Greatest difference between torch and ONNX Runtime, beside numbers of the size of 1."""
LayerT = TypeVar("LayerT", bound=Layer)


def check_layer(layer: Layer, shape: Shape, *, allow_code: bool = False) -> None:
    """Nothing, if a layer keeps its promises for examples of this shape.

    It gives the axes and the shape that it says; each field is documented; it is the same after YAML; the same seed gives the same
    weights, whatever was drawn before; in ONNX Runtime it gives the same numbers at any batch size and any length; what pads a sequence
    changes nothing.

    Args:
        allow_code: whether a class of the user (`Custom`) may be loaded.

    Raises:
        CheckFailed: with the promise that is broken.
        RecipeError: the layer does not suit such examples, or is code of the user and that is not allowed.
    """
    [layer] = permitted((layer,)) if allow_code else (layer,)
    check_documentation(layer)
    check_round_trip(layer)
    check_shape(layer, shape)
    check_seed(layer, shape)
    check_export(layer, shape)
    check_padding(layer, shape)


def check_documentation(layer: Layer) -> None:
    """The class and each field say what they are."""
    doc = layer_doc(type(layer))
    silent = [field.name for field in doc.fields if not field.description]
    if silent or not doc.summary:
        raise CheckFailed("contract-fields", layer=layer.name, fields=", ".join(silent) or type(layer).__name__)


def check_round_trip(layer: LayerT) -> None:
    """Written as YAML and read again, it is equal and hashes equally."""
    adapter: TypeAdapter[LayerT] = TypeAdapter(type(layer))
    read = adapter.validate_python(yaml.safe_load(yaml.safe_dump(adapter.dump_python(layer, mode="json"))))
    if read != layer or hash(read) != hash(layer):
        raise CheckFailed("contract-yaml", layer=layer.name, got=str(read))


def check_shape(layer: Layer, shape: Shape) -> None:
    """The axes are as `makes` says, and the module gives what `gives` says; of a length that varies, what it says for one."""
    layer.gives(shape)
    after = layer.gives(Shape(shape.axes, shape.concrete, shape.categories))
    if layer.makes != () and after.axes != (shape.axes if layer.makes is None else layer.makes):
        raise CheckFailed("contract-axes", layer=layer.name, want=str(layer.makes or shape.axes), got=str(after.axes))
    module = layer.build(shape)
    with evaluating(module), torch.no_grad():
        result = module(example(shape, 3, "cpu"))
    with torch.device("meta"):
        draft = layer.build(shape)
    _, without_memory = measure(draft, example(shape, 3))
    for size in (result.shape, without_memory.shape):
        if tuple(size) != (3, *after.concrete):
            raise CheckFailed("contract-shape", layer=layer.name, want=str(after), got=str(tuple(size[1:])))


def check_seed(layer: Layer, shape: Shape) -> None:
    """The first weights are a function of the seed, and torch's own generator goes on as if nothing had been drawn."""
    was = torch.get_rng_state()
    first = _weights(layer, shape)
    torch.rand(7)
    second = _weights(layer, shape)
    torch.set_rng_state(was)
    for name, weight in first.items():
        if not torch.equal(weight, second[name]):
            raise CheckFailed("contract-seed", layer=layer.name, weight=name)


def check_padding(layer: Layer, shape: Shape) -> None:
    """Where lengths vary: what stands in the padding changes no bit, and its length nothing that matters."""
    if varies(shape):
        check_module_padding(layer.name, layer.build(shape).eval(), shape)


def check_module_padding(name: str, module: nn.Module, shape: Shape) -> None:
    """A module in evaluation mode that is built for sequences of varying length -> nothing, if padding changes nothing.

    Raises:
        CheckFailed: the content of the padding changes an answer, or its length by more than TOLERANCE.
    """
    examples = padded_examples(shape, (9, 1, 6))
    masked = _Masked(module)
    with torch.no_grad():
        want = masked(*examples)
        if not torch.equal(masked(torch.where(_over(examples.mask, examples.values), examples.values, 1), examples.mask), want):
            raise CheckFailed("contract-padding", layer=name, what="content")
        for length, values, given in zip((9, 1, 6), examples.values, want, strict=True):
            alone = masked(values[None, :length], torch.ones(1, length, dtype=torch.bool))[0]
            real = given[: len(alone)] if alone.ndim > 1 else given
            if not _difference(alone.numpy(), real.numpy()) <= TOLERANCE:
                raise CheckFailed("contract-padding", layer=name, what="length")


def check_export(layer: Layer, shape: Shape) -> None:
    """ONNX Runtime gives the same numbers for one example and for three."""
    check_module_export(layer.name, layer.build(shape).eval(), shape)


def check_module_export(name: str, module: nn.Module, shape: Shape) -> None:
    """A module in evaluation mode -> nothing, if ONNX Runtime gives the same numbers for one example and for three, and for any length.

    Raises:
        CheckFailed: it does not, or no graph can hold it.
    """
    onnxruntime = import_onnxruntime()
    batches: list[tuple[Tensor, ...]]
    if varies(shape):
        module = _Masked(module).eval()
        batches = [padded_examples(shape, lengths) for lengths in ((5, 3), (1,), (2, 19, 7))]
    else:
        batches = [(examples(shape, batch),) for batch in (2, 1, 3)]
    try:
        exported = _onnx(module, batches[0])
    except Exception as error:  # code of others may raise anything
        raise CheckFailed("export-impossible", where=name, target="onnx", reason=reason_of(error)) from error
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}  # what a module does not use is no input
    for tensors in batches[1:]:
        with torch.no_grad():
            want = module(*tensors).numpy()
        [got] = session.run(None, {f"x{place}": tensor.numpy() for place, tensor in enumerate(tensors) if f"x{place}" in names})
        difference = _difference(got, want)
        if not difference <= TOLERANCE:
            raise CheckFailed("contract-export", layer=name, batch=len(want), difference=difference)


def varies(shape: Shape) -> bool:
    """Whether examples of this shape have a time that varies."""
    return shape.axes[0] == "time" and shape.sizes[0] is None


def examples(shape: Shape, batch: int, time: int | None = None) -> Tensor:
    """Random examples (batch, *shape), of so many times if they are said."""
    sizes = [batch, *shape.concrete]
    if time is not None:
        sizes[1] = time
    numbers = torch.randn(sizes)
    kinds = shape.categories
    if isinstance(kinds, int):
        return torch.randint(0, kinds, sizes)
    if kinds is None:
        return numbers
    columns = [torch.randint(0, kind, (batch,)) if kind else numbers[:, place] for place, kind in enumerate(kinds)]
    return torch.stack([column.to(numbers.dtype) for column in columns], 1)


def padded_examples(shape: Shape, lengths: Sequence[int]) -> Padded:
    """Random sequences of these lengths in one tensor, with zeros behind the end of each, and their mask."""
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return entering(examples(shape, len(lengths), max(lengths)), mask)


class _Masked(nn.Module):
    """A module as a function of two tensors, values and mask -> what it gives, with zeros where nothing is real."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        result, left = parts(through(self.module, entering(values, mask)))
        return zeroed(result, left)


def _over(mask: Tensor, values: Tensor) -> Tensor:
    return mask.reshape(*mask.shape, *[1] * (values.ndim - 2))


def _difference(got: npt.NDArray[np.float32], want: npt.NDArray[np.float32]) -> float:
    """The greatest difference beside numbers of the size of 1; infinite where the shapes differ."""
    return float(np.max(np.abs(got - want) / np.maximum(1, np.abs(want)))) if got.shape == want.shape else float("inf")


def _onnx(module: nn.Module, tensors: Sequence[Tensor]) -> bytes:
    axes = dict(enumerate(torch.export.Dim(name, min=1) for name in ("batch", "time")[: len(tensors)]))
    names = [f"x{place}" for place in range(len(tensors))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces its own deprecations
        program = torch.onnx.export(
            module, tuple(tensors), input_names=names, dynamo=True, dynamic_shapes=tuple(axes for _ in tensors), verbose=False
        )
    assert program is not None
    proto: bytes = program.model_proto.SerializeToString()
    return proto


def _weights(layer: Layer, shape: Shape) -> dict[str, Tensor]:
    with drawing(0):
        return dict(layer.build(shape).state_dict())
