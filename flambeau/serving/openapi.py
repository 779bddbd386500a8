"""The OpenAPI 3.1 description of the API, made from the signature of the model that is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

from flambeau.serving.config import Limits
from flambeau.serving.inference import model_metadata
from flambeau.serving.model import ServedModel
from flambeau.serving.wire import OCTETS, wires_of
from flambeau.version import __version__

Json: TypeAlias = dict[str, Any]

PROBLEM = "application/problem+json"


def document(model: ServedModel, limits: Limits) -> Json:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": model.name, "version": __version__, "summary": f"A model behind HTTP, {model.runtime}"},
        "servers": [{"url": ".", "description": "where this document lies, whatever a proxy has put before it"}],
        "paths": {
            "/predict": {"post": _predict(model)},
            "/model": {"get": _get("model", "What the model takes and gives, and how good it was in the test", _object({}))},
            **_inference(model),
            "/metrics": {"get": _get("metrics", "Prometheus metrics", {"type": "string"}, "text/plain")},
        },
        "components": {"schemas": _schemas(model, limits), "responses": {"Problem": _problem()}},
    }


def _predict(model: ServedModel) -> Json:
    wires = wires_of(model.predictor.inputs)
    wire = next(iter(wires.values()))
    content: Json = {"application/json": {"schema": _ref("Examples")}}
    if len(wires) == 1 and wire.media is not None:
        raw = {"schema": {"type": "string", "format": "binary"}}
        content = {f"{wire.media}*": raw, OCTETS: raw, "multipart/form-data": {"schema": _ref("Files")}, **content}
    return {
        "operationId": "predict",
        "summary": "Raw values in, predictions out, in order",
        "description": "One value as the body, several as the field 'file' of a form or as base64 in JSON. "
        "A bad one among several is an error in its place; a single bad one is the status of the answer.",
        "parameters": [
            {
                "name": "preview",
                "in": "query",
                "description": "1: also return what the model was given, as data: URLs or words",
                "schema": {"enum": ["0", "1"]},
            }
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {
                "description": "One prediction for each value",
                "headers": {"Server-Timing": {"description": "milliseconds of decode, queue and model", "schema": {"type": "string"}}},
                "content": {"application/json": {"schema": _ref("Predictions")}},
            },
            **_problems(400, 403, 408, 413, 415, 417, 422, 431, 500, 501, 503),
        },
    }


def _inference(model: ServedModel) -> Json:
    path = f"/v2/models/{quote(model.name, safe='')}"
    metadata = model_metadata(model)
    return {
        "/v2/health/live": {"get": _get("live", "Whether the process answers", _object({}))},
        "/v2/health/ready": {"get": {**_get("ready", "Whether the model answers", _object({})), "responses": _answers(_object({}), 503)}},
        "/v2": {"get": _get("server", "Open Inference Protocol V2: the server", _object({}))},
        path: {"get": _get("metadata", "Open Inference Protocol V2: the tensors of the model", {"type": "object", "examples": [metadata]})},
        f"{path}/ready": {"get": _get("model_ready", "Open Inference Protocol V2: whether the model answers", _object({}))},
        f"{path}/infer": {
            "post": {
                "operationId": "infer",
                "summary": "Open Inference Protocol V2: tensors in, tensors out",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("InferRequest")}}},
                "responses": _answers(_ref("InferResponse"), 400, 403, 408, 413, 415, 417, 422, 431, 500, 501, 503),
            }
        },
    }


def _schemas(model: ServedModel, limits: Limits) -> Json:
    fields = {name: dict(wire.schema) for name, wire in wires_of(model.predictor.inputs).items()}
    labels = model.signature.get("labels")
    label = {"type": "string", "enum": list(labels)} if isinstance(labels, list | tuple) and labels else {"type": "string"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    probabilities: Json = {"type": "object", "additionalProperties": share, "description": "by label, most probable first"}
    value: Json = {
        "anyOf": [{"type": "number"}, {"type": "object", "additionalProperties": {"type": "number"}}],
        "description": "in the unit of the data",
    }
    bound: Json = {"anyOf": [*value["anyOf"], {"type": "null"}], "description": "of the quantiles that were asked for in training"}
    answer: Json = {"label": label, "confidence": share, "probabilities": probabilities}
    if model.predictor.target.judged_as == "multi_label":
        answer = {"labels": {"type": "array", "items": label}, "probabilities": probabilities}
    elif not model.predictor.target.labels:
        answer = {"value": value, "low": bound, "high": bound}
    prediction: Json = {
        "input": {"type": "integer", "minimum": 0, "description": "index of the value in the request"},
        **answer,
        "seen": {"type": "object", "description": "with preview=1: what the model was given, by input"},
    }
    error: Json = {name: {"type": ["string", "null"]} for name in ("code", "message", "where", "fix")}
    text: Json = {"type": "string"}
    tensor: Json = {"name": text, "shape": {"type": "array", "items": {"type": "integer"}}, "datatype": text, "data": {"type": "array"}}
    one_or_more = {"type": "array", "minItems": 1, "maxItems": limits.max_items}
    return {
        "Examples": _object({"inputs": {**one_or_more, "items": {**_object(fields), "additionalProperties": False}}}),
        "Files": _object({"file": {**one_or_more, "items": {"type": "string", "format": "binary"}}}),
        "Prediction": _object(prediction, optional=("seen", "low", "high")),
        "Failure": _object({"input": {"type": "integer", "minimum": 0}, "error": _object(error)}),
        "Predictions": _object({"predictions": {"type": "array", "items": {"anyOf": [_ref("Prediction"), _ref("Failure")]}}}),
        "Tensor": _object(tensor),
        "InferRequest": _object({"id": {"type": "string"}, "inputs": {"type": "array", "minItems": 1, "items": _ref("Tensor")}}, optional=("id",)),
        "InferResponse": _object({"model_name": {"type": "string"}, "outputs": {"type": "array", "items": _ref("Tensor")}}),
        "Problem": _object(
            {name: {"type": "string"} for name in ("type", "title", "detail", "code")}
            | {"status": {"type": "integer"}, "where": {"type": ["string", "null"]}, "fix": {"type": ["string", "null"]}}
        ),
    }


def _object(properties: Mapping[str, Json], optional: tuple[str, ...] = ()) -> Json:
    return {"type": "object", "properties": dict(properties), "required": [name for name in properties if name not in optional]}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _get(operation: str, summary: str, schema: Json, media: str = "application/json") -> Json:
    return {"operationId": operation, "summary": summary, "responses": _answers(schema, media=media)}


def _answers(schema: Json, *statuses: int, media: str = "application/json") -> Json:
    return {"200": {"description": "The answer", "content": {media: {"schema": schema}}}, **_problems(*statuses)}


def _problems(*statuses: int) -> Json:
    return {str(status): {"$ref": "#/components/responses/Problem"} for status in statuses}


def _problem() -> Json:
    return {"description": "What went wrong (RFC 9457), with a stable code and what to do", "content": {PROBLEM: {"schema": _ref("Problem")}}}
