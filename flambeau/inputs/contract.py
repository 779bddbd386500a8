"""The contract of a modality, executable: for our own members and for everybody else's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from flambeau.code import reason_of
from flambeau.errors import CheckFailed, DataError
from flambeau.inputs.input import Input, Preprocessor, fits
from flambeau.machine import import_onnxruntime
from flambeau.types import MASK, Array

if TYPE_CHECKING:
    from torch import nn

HOSTILE: tuple[object, ...] = (
    None, "", "\0", "\ud800", "no such file", "x" * 5000, "http://localhost/x.png", "data:image/png;base64,AAAA", b"", b"\0", b"text" * 100,
    bytes(range(256)), math.nan, -1, True, (), {}, object(), np.empty((0, 0)), np.full((4, 4), np.nan), np.zeros((2, 3, 4, 5)), np.array("x"),
    np.array([object()]), bytearray(b"\xff\xd8\xff"), memoryview(b"GIF89a"), "/", "/dev/null",
)  # fmt: skip
"""Values that nobody should give, and somebody will."""

Numbers: TypeAlias = npt.NDArray[np.float32]

TOLERANCE = 1e-4
"""Greatest relative difference between a module and its ONNX export."""


def check_input(given: Input, values: Sequence[object], hostile: Sequence[object] = HOSTILE) -> None:
    """Walks a modality from the recipe to the exported graph, with these raw values.

    A modality of others may raise any exception where a value cannot be read: it is told as a DataError.

    Raises:
        CheckFailed: a promise of `Input` or `Preprocessor` is broken; the message says which.
    """
    settled = given.resolve(values)
    _promise(settled.resolve(values) == settled, given, "resolving twice changes nothing")
    _promise(type(given).model_validate_json(settled.model_dump_json()) == settled, given, "a resolved input survives JSON")
    _promise(settled.reading_key() == given.resolve(values).reading_key(), given, "the reading key is stable")
    arrays = [settled.read(value) for value in values]
    for array in arrays:
        _promise(fits(array, settled.spec), given, f"read gives {settled.spec}, not {array.shape} {array.dtype}")
    together = settled.read_together(values)
    _promise(together is None or all(map(np.array_equal, together, arrays)), settled, "values read together are as each read alone")
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
    marks = [(settled.is_blank(array), settled.fingerprint(array)) for array in arrays]
    _promise(settled.marks(arrays) == marks, settled, "the marks of many are those of each")
    pairs = [settled.is_alike(array, arrays[0]) for array in arrays]
    _promise(settled.alike(arrays, [arrays[0]] * len(arrays)).tolist() == pairs, settled, "many pairs are alike as each of them is")


def _check_hostile(settled: Input, hostile: Sequence[object]) -> None:
    for value in hostile:
        try:
            array = settled.read(value)
        except DataError as error:
            _promise(bool(str(error)), settled, "an error has a text")
        except Exception as error:
            if _is_ours(settled):
                rule = f"hostile values raise DataError, not {type(error).__name__}"
                raise CheckFailed("contract-broken", member=type(settled).__name__, rule=rule) from error
            _promise(bool(reason_of(error)), settled, "an error has a text")
        else:
            _promise(fits(array, settled.spec), settled, "a hostile value that is read is read as the spec says")


def _check_preprocessor(settled: Input, fitted: Preprocessor, values: Sequence[object], arrays: Sequence[Array]) -> None:
    _promise(TypeAdapter(type(fitted)).validate_json(fitted.model_dump_json()) == fitted, settled, "a preprocessor survives JSON")
    for value, array in zip(values, arrays, strict=True):
        _promise(_is_same(fitted.read(value), array), settled, "the fitted side reads as the recipe side does")
        _promise(_is_same(fitted.encode(value), fitted.finish(array)), settled, "encode is read, then finish")
    _promise(fitted.finishes or all(fitted.finish(array) is array for array in arrays), settled, "what changes an array says that it `finishes`")
    batch = fitted.collate([fitted.finish(array) for array in arrays])
    _promise(tuple(batch) == fitted.suffixes, settled, f"the tensors of a batch are called {fitted.suffixes}")
    _check_module(settled, fitted, batch)


def _check_module(settled: Input, fitted: Preprocessor, batch: Mapping[str, Array]) -> None:
    module = fitted.module().eval()
    given = _answer(module, batch)
    alone = _answer(module, {suffix: tensor[:1] for suffix, tensor in batch.items()})
    _promise(fits(given[0], fitted.gives), settled, f"the module gives {fitted.gives}, not {given.shape[1:]} {given.dtype}")
    _promise(np.allclose(given[:1], alone, atol=1e-5), settled, "an example's answer does not depend on its batch")
    variants = [batch, {suffix: tensor[:1] for suffix, tensor in batch.items()}]
    if MASK in batch:
        variants.append(_with_more_padding(batch))
        longer = _answer(module, variants[-1])
        mask = np.ones(given.shape[:2], np.bool_) if None not in fitted.gives.shape else _answer(module, batch, 1)
        same = np.abs(np.where(_over(mask, given), longer[:, : given.shape[1]] - given, 0)).max()
        _promise(float(same) <= TOLERANCE, settled, f"padding changes nothing (it changes {same:g})")
    for rows in variants:
        expected = _answer(module, rows)
        difference = float(np.abs(_through_onnx(module, batch, rows) - expected).max())
        _promise(
            difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())), settled, f"the exported module agrees (it is off by {difference:g})"
        )


def _with_more_padding(batch: Mapping[str, Array]) -> dict[str, Array]:
    """The same batch, 3 times longer, with ones instead of zeros where nothing is real."""
    values, mask = batch[""], batch[MASK]
    more = np.zeros((len(values), 3, *values.shape[2:]), values.dtype)
    mask = np.concatenate([mask, np.zeros((len(mask), 3), np.bool_)], 1)
    values = np.concatenate([values, more], 1)
    return {"": np.where(_over(mask, values), values, np.ones_like(values)), MASK: mask}


def _over(mask: Array, values: Array) -> Array:
    """A mask (batch, time) with as many axes as the values (batch, time, ...)."""
    return mask.reshape(*mask.shape, *[1] * (values.ndim - 2))


def _answer(module: nn.Module, tensors: Mapping[str, Array], part: int = 0) -> Numbers:
    """What a module gives; of a pair of values and mask, the part that is asked for."""
    import torch

    with torch.no_grad():
        given = module(*(torch.from_numpy(tensor) for tensor in tensors.values()))
    answer: Numbers = (given[part] if isinstance(given, tuple) else given).numpy()
    return answer


def _through_onnx(module: nn.Module, sample: Mapping[str, Array], rows: Mapping[str, Array]) -> Numbers:
    """The module's answer to `rows`, given by ONNX Runtime after an export with a free batch size (and time, where there is a mask)."""
    import torch

    onnxruntime = import_onnxruntime()

    axes = {place: torch.export.Dim(name, min=1) for place, name in enumerate(("batch", "time")[: len(sample)])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces its own deprecations
        tensors, free = tuple(torch.from_numpy(tensor) for tensor in sample.values()), tuple(axes for _ in sample)
        program = torch.onnx.export(module, tensors, input_names=[f"x{suffix}" for suffix in sample], dynamic_shapes=free, dynamo=True, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}  # what a module does not use is no input
    answer: Numbers = session.run(None, {f"x{suffix}": tensor for suffix, tensor in rows.items() if f"x{suffix}" in names})[0]
    return answer


def _is_same(one: Array, other: Array) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def _is_ours(member: Input) -> bool:
    return type(member).__module__.partition(".")[0] == __name__.partition(".")[0]


def _promise(kept: bool, member: Input, rule: str) -> None:
    if not kept:
        raise CheckFailed("contract-broken", member=type(member).__name__, rule=rule)
