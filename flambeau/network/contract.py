"""What every layer promises, as a check that runs: for ours in the tests, and for layers of others."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
import yaml
from pydantic import TypeAdapter
from torch import Tensor, nn

from flambeau.errors import CheckFailed
from flambeau.network.body import drawing
from flambeau.network.catalogue import layer_doc
from flambeau.network.cost import evaluating, measure
from flambeau.network.layer import Layer, Shape

TOLERANCE = 1e-5
"""Greatest difference between torch and ONNX Runtime, beside numbers of the size of 1."""
LayerT = TypeVar("LayerT", bound=Layer)


def check_layer(layer: Layer, shape: Shape) -> None:
    """Nothing, if a layer keeps its promises for examples of this shape.

    It gives the axes and the shape that it says; each field is documented; it is the same after YAML; the same seed gives the same
    weights, whatever was drawn before; in ONNX Runtime it gives the same numbers at any batch size.

    Raises:
        CheckFailed: with the promise that is broken.
    """
    check_documentation(layer)
    check_round_trip(layer)
    check_shape(layer, shape)
    check_seed(layer, shape)
    check_export(layer, shape)


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
    """The axes are as `makes` says, and the module gives what `gives` says."""
    after = layer.gives(shape)
    if after.axes != (shape.axes if layer.makes is None else layer.makes):
        raise CheckFailed("contract-axes", layer=layer.name, want=str(layer.makes or shape.axes), got=str(after.axes))
    module = layer.build(shape)
    with evaluating(module), torch.no_grad():
        result = module(torch.zeros(3, *shape.concrete))
    _, without_memory = measure(module, torch.empty(3, *shape.concrete, device="meta"))
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


def check_export(layer: Layer, shape: Shape) -> None:
    """ONNX Runtime gives the same numbers for one example and for three."""
    check_module_export(layer.name, layer.build(shape).eval(), shape)


def check_module_export(name: str, module: nn.Module, shape: Shape) -> None:
    """A module in evaluation mode -> nothing, if ONNX Runtime gives the same numbers for one example and for three.

    Raises:
        CheckFailed: it does not.
    """
    import onnxruntime

    model = _onnx(module, torch.randn(2, *shape.concrete))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    [tensor] = session.get_inputs()
    for batch in (1, 3):
        examples = torch.randn(batch, *shape.concrete)
        with torch.no_grad():
            want = module(examples).numpy()
        [got] = session.run(None, {tensor.name: examples.numpy()})
        difference = float(np.max(np.abs(got - want) / np.maximum(1, np.abs(want)))) if got.shape == want.shape else float("inf")
        if not difference <= TOLERANCE:
            raise CheckFailed("contract-export", layer=name, batch=batch, difference=difference)


def _onnx(module: nn.Module, examples: Tensor) -> bytes:
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(module, (examples,), dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
    assert program is not None
    proto: bytes = program.model_proto.SerializeToString()
    return proto


def _weights(layer: Layer, shape: Shape) -> dict[str, Tensor]:
    with drawing(0):
        return dict(layer.build(shape).state_dict())
