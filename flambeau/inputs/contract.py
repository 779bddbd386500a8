"""The contract of a modality, executable: for our own members and for everybody else's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from flambeau.errors import CheckFailed, DataError
from flambeau.inputs.input import Input, Preprocessor
from flambeau.types import Array, TensorSpec

if TYPE_CHECKING:
    from torch import nn

HOSTILE: tuple[object, ...] = (
    None, "", "\0", "\ud800", "no such file", "x" * 5000, "http://localhost/x.png", "data:image/png;base64,AAAA", b"", b"\0", b"text" * 100,
    bytes(range(256)), math.nan, -1, True, (), {}, object(), np.empty((0, 0)), np.full((4, 4), np.nan), np.zeros((2, 3, 4, 5)), np.array("x"),
    np.array([object()]), bytearray(b"\xff\xd8\xff"), memoryview(b"GIF89a"), "/", "/dev/null",
)  # fmt: skip
"""Values that nobody should give, and somebody will."""

TOLERANCE = 1e-4
"""Greatest relative difference between a module and its ONNX export."""


def check_input(given: Input, values: Sequence[object], hostile: Sequence[object] = HOSTILE) -> None:
    """Walks a modality from the recipe to the exported graph, with these raw values.

    Raises:
        CheckFailed: a promise of `Input` or `Preprocessor` is broken; the message says which.
    """
    settled = given.resolve(values)
    _promise(settled.resolve(values) == settled, given, "resolving twice changes nothing")
    _promise(type(given).model_validate_json(settled.model_dump_json()) == settled, given, "a resolved input survives JSON")
    _promise(settled.reading_key() == given.resolve(values).reading_key(), given, "the reading key is stable")
    arrays = [settled.read(value) for value in values]
    for array in arrays:
        _promise(_fits(array, settled.spec), given, f"read gives {settled.spec}, not {array.shape} {array.dtype}")
    _check_likeness(settled, arrays)
    _check_hostile(settled, hostile)
    _check_preprocessor(settled, settled.fit(iter(arrays)), values, arrays)


def _check_likeness(settled: Input, arrays: Sequence[Array]) -> None:
    for array in arrays:
        mark = settled.fingerprint(array)
        _promise(mark == settled.fingerprint(array.copy()), settled, "equal arrays have equal fingerprints")
        _promise(mark is None or 0 <= mark < 2**64, settled, "a fingerprint has 64 bits")
        _promise(settled.is_alike(array, array.copy()), settled, "a value is like itself")
        _promise(isinstance(settled.is_blank(array), bool), settled, "is_blank answers true or false")


def _check_hostile(settled: Input, hostile: Sequence[object]) -> None:
    for value in hostile:
        try:
            array = settled.read(value)
        except DataError as error:
            _promise(bool(str(error)), settled, "an error has a text")
        except Exception as error:
            raise CheckFailed(
                "contract-broken", member=type(settled).__name__, rule=f"hostile values raise DataError, not {type(error).__name__}"
            ) from error
        else:
            _promise(_fits(array, settled.spec), settled, "a hostile value that is read is read as the spec says")


def _check_preprocessor(settled: Input, fitted: Preprocessor, values: Sequence[object], arrays: Sequence[Array]) -> None:
    _promise(TypeAdapter(type(fitted)).validate_json(fitted.model_dump_json()) == fitted, settled, "a preprocessor survives JSON")
    for value, array in zip(values, arrays, strict=True):
        _promise(np.array_equal(fitted.read(value), array), settled, "the fitted side reads as the recipe side does")
        _promise(np.array_equal(fitted.encode(value), fitted.finish(array)), settled, "encode is read, then finish")
    batch = fitted.collate([fitted.finish(array) for array in arrays])
    if list(batch) == [""]:
        _check_module(settled, fitted, batch[""])


def _check_module(settled: Input, fitted: Preprocessor, batch: Array) -> None:
    import torch

    module = fitted.module().eval()
    with torch.no_grad():
        given = module(torch.from_numpy(batch)).numpy()
        alone = module(torch.from_numpy(batch[:1])).numpy()
    _promise(_fits(given[0], fitted.gives), settled, f"the module gives {fitted.gives}, not {given.shape[1:]} {given.dtype}")
    _promise(np.allclose(given[:1], alone, atol=1e-6), settled, "an example's answer does not depend on its batch")
    for rows in (batch, batch[:1]):
        exported = _through_onnx(module, batch, rows)
        difference = float(np.abs(exported - given[: len(rows)]).max())
        _promise(difference <= TOLERANCE * max(1.0, float(np.abs(given).max())), settled, f"the exported module agrees (it is off by {difference:g})")


def _through_onnx(module: nn.Module, sample: Array, rows: Array) -> Array:
    """The module's answer to `rows`, given by ONNX Runtime after an export with a free batch size."""
    import onnxruntime
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces its own deprecations
        tensors, free = (torch.from_numpy(sample),), ({0: torch.export.Dim("batch", min=1)},)
        program = torch.onnx.export(module, tensors, input_names=["x"], dynamic_shapes=free, dynamo=True, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    answer: Array = session.run(None, {"x": rows})[0]
    return answer


def _fits(array: Array, spec: TensorSpec) -> bool:
    same_shape = array.ndim == len(spec.shape) and all(want in (None, size) for want, size in zip(spec.shape, array.shape, strict=True))
    return same_shape and str(array.dtype) == spec.dtype


def _promise(kept: bool, member: Input, rule: str) -> None:
    if not kept:
        raise CheckFailed("contract-broken", member=type(member).__name__, rule=rule)
