"""Open Inference Protocol V2 over JSON: tensors as the graph takes them, or raw files as base64 (BYTES).

Source: https://github.com/open-inference/open-inference-protocol, "Inference Protocol HTTP/REST".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

import numpy as np
import orjson

from flambeau.errors import FlambeauError, UsageError
from flambeau.inputs.input import Preprocessor
from flambeau.messages import text
from flambeau.serving import strict_json
from flambeau.serving.config import Limits
from flambeau.serving.exchange import Asked, Door, Reply, Request
from flambeau.serving.forward import Encoded, Read, Result
from flambeau.serving.model import ServedModel
from flambeau.serving.wire import TEXT, WIRES, Wire
from flambeau.types import Array
from flambeau.version import __version__

DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
"""numpy's name of a type -> the protocol's."""
RAW = "BYTES"
ANSWERS = "answers"
MAX_DEPTH = 8
"""Nested lists of numbers; a tensor of a model has fewer axes."""


def server_metadata() -> dict[str, object]:
    """What GET /v2 says."""
    return {"name": "flambeau", "version": __version__, "extensions": []}


def model_metadata(model: ServedModel) -> dict[str, object]:
    """What GET /v2/models/{name} says: the tensors of the graph. Its answers stand in the order of `parameters.labels`."""
    specs = {name: preprocessor.spec for name, preprocessor in model.predictor.inputs.items()}
    return {
        "name": model.name,
        "versions": ["1"],
        "platform": model.runtime.replace(" ", "-"),
        "inputs": [
            {"name": name, "datatype": DATATYPES[spec.dtype], "shape": [-1, *(-1 if size is None else size for size in spec.shape)]}
            for name, spec in specs.items()
        ],
        "outputs": [{"name": ANSWERS, "datatype": "FP32", "shape": [-1, len(model.predictor.target.answers)]}],
        "parameters": {"labels": model.signature.get("labels"), **_raw(model)},
    }


class Infer:
    """POST /v2/models/{name}/infer."""

    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self._model = model
        self._limits = limits
        self._door = Door(limits.max_json_bytes, self._understood)

    def door(self, _: Request) -> Door:
        """How the body of a request is understood."""
        return self._door

    def _understood(self, _: Request, body: bytes) -> Asked:
        document = strict_json.an_object(strict_json.parse(body), "", ["inputs"], ["id", "parameters", "outputs"])
        request_id = strict_json.a_text(document.get("id", ""), "id")
        reads = self._reads(strict_json.a_list(document["inputs"], "inputs", len(self._model.predictor.inputs)))
        return Asked(reads, partial(self._reply, request_id))

    def _reply(self, request_id: str, results: Sequence[Result], _: float) -> Reply:
        """All examples, or the first error."""
        rows = []
        for result in results:
            if isinstance(result, FlambeauError):
                raise result
            rows.append(result.row)
        answers = np.stack(rows)
        output = {"name": ANSWERS, "datatype": "FP32", "shape": answers.shape, "data": np.ascontiguousarray(answers, np.float32).ravel()}
        document = {"model_name": self._model.name, "model_version": "1", **({"id": request_id} if request_id else {}), "outputs": [output]}
        return Reply(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))

    def _reads(self, tensors: Sequence[object]) -> list[Read]:
        """The input tensors -> what reads each example."""
        columns: dict[str, Sequence[object]] = {}
        known = self._model.predictor.inputs
        for place, value in enumerate(tensors):
            where = f"inputs[{place}]"
            tensor = strict_json.an_object(value, where, ["name", "shape", "datatype", "data"], ["parameters"])
            name = strict_json.a_text(tensor["name"], f"{where}.name")
            if name in columns or name not in known:
                raise UsageError("tensor-names", where=f"{where}.name", names=", ".join(known))
            columns[name] = self._column(name, known[name], tensor, where)
        lengths = {len(column) for column in columns.values()}
        if len(columns) != len(known) or len(lengths) != 1:
            raise UsageError("tensor-names", where="inputs", names=", ".join(known))
        return [partial(self._example, {name: column[row] for name, column in columns.items()}) for row in range(lengths.pop())]

    def _column(self, name: str, preprocessor: Preprocessor, tensor: Mapping[str, object], where: str) -> Sequence[object]:
        """One tensor -> one value for each example: an array as the graph takes it, or a raw value."""
        spec = preprocessor.spec
        datatype = strict_json.a_text(tensor["datatype"], f"{where}.datatype")
        shape = self._shape(tensor["shape"], f"{where}.shape")
        wire = _raw_wire(self._model, name)
        if datatype == RAW and wire is not None:
            data = _flat(tensor["data"], f"{where}.data")
            if shape != (len(data),):
                raise UsageError("tensor-shape", where=f"{where}.shape", shape=list(shape), expected=f"[{len(data)}]")
            return [wire.from_json(value, f"{where}.data[{place}]") for place, value in enumerate(data)]
        if datatype != DATATYPES[spec.dtype]:
            expected = DATATYPES[spec.dtype] if wire is None else text("kind-or", one=DATATYPES[spec.dtype], other=RAW)
            raise UsageError("tensor-type", where=f"{where}.datatype", datatype=datatype[:20], expected=expected)
        if len(shape) != len(spec.shape) + 1 or any(size not in (None, got) for size, got in zip(spec.shape, shape[1:], strict=True)):
            expected = ", ".join(["n", *("any" if size is None else str(size) for size in spec.shape)])
            raise UsageError("tensor-shape", where=f"{where}.shape", shape=list(shape), expected=f"[{expected}]")
        arrays = list(_numbers(_flat(tensor["data"], f"{where}.data"), shape, spec.dtype, f"{where}.data"))
        if not all(map(preprocessor.accepts, arrays)):
            raise UsageError("tensor-values", where=f"{where}.data", longest=preprocessor.longest)
        return list(arrays)

    def _shape(self, value: object, where: str) -> tuple[int, ...]:
        """A shape whose first axis counts examples; its product fits into the body that it came with."""
        sizes = strict_json.a_list(value, where, MAX_DEPTH)
        if not all(type(size) is int and 0 < size <= self._limits.max_json_bytes for size in sizes):
            raise UsageError("tensor-shape", where=where, shape="", expected=text("kind-sizes"))
        shape = tuple(size for size in sizes if isinstance(size, int))
        if shape[0] > self._limits.max_items:
            raise UsageError("items-too-many", where=where, limit=self._limits.max_items)
        return shape

    def _example(self, values: Mapping[str, object]) -> Encoded:
        """Raw values go the whole road; arrays have been encoded by the client."""
        inputs = self._model.predictor.inputs
        return {name: value if isinstance(value, np.ndarray) else inputs[name].encode(value) for name, value in values.items()}


def _raw_wire(model: ServedModel, name: str) -> Wire | None:
    """How the raw values of an input travel; None where it takes tensors alone."""
    wire = WIRES.get(model.input_type(name))
    return wire if wire is not None and wire.media is not None else None


def _raw(model: ServedModel) -> dict[str, str]:
    """What the metadata say of raw values, if any input takes them."""
    wires = {name: _raw_wire(model, name) for name in model.predictor.inputs}
    kinds = {name: "texts" if wire.media == TEXT else "files as base64" for name, wire in wires.items() if wire is not None}
    return {"raw": "; ".join(f"{name}: datatype {RAW} and shape [n] takes raw {kind}" for name, kind in kinds.items())} if kinds else {}


def _flat(value: object, where: str) -> list[object]:
    """Numbers in nested lists or in one list -> one list."""
    values = strict_json.a_list(value, where, 1 << 30)
    for _ in range(MAX_DEPTH):
        kinds = set(map(type, values))
        if kinds != {list}:
            break
        values = list(chain.from_iterable(values))  # type: ignore[arg-type]
    if list in kinds:
        raise UsageError("request-value-type", where=where, expected=text("kind-numbers-even"), got=text("kind-list"))
    return values


def _numbers(values: Sequence[object], shape: tuple[int, ...], dtype: str, where: str) -> Array:
    """A list of numbers -> an array of `shape` and `dtype`, if they fit."""
    kinds = set(map(type, values))
    whole = not np.issubdtype(dtype, np.floating)
    if not kinds <= ({int} if whole else {int, float}):
        got = next(value for value in values if type(value) not in ((int,) if whole else (int, float)))
        raise UsageError(
            "request-value-type", where=where, expected=text("kind-numbers-whole" if whole else "kind-numbers"), got=strict_json.name_of(got)
        )
    if len(values) != math.prod(shape):
        raise UsageError("tensor-shape", where=where, shape=list(shape), expected=text("kind-count", n=math.prod(shape)))
    lowest, highest = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (np.finfo(dtype).min, np.finfo(dtype).max)
    try:
        exact = np.array(values, np.int64 if whole else np.float64)  # an array finds its ends ten times as fast as a list does
    except OverflowError:  # a whole number of more than 64 bits
        raise UsageError("number-invalid", where=where) from None
    if exact.min() < lowest or exact.max() > highest:
        raise UsageError("number-invalid", where=where)
    return exact.astype(dtype, copy=False).reshape(shape)
