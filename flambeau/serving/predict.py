"""POST /predict: raw values in (one as the body, several as a form or as JSON), predictions out, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import orjson

from flambeau.errors import DataError, FlambeauError, UsageError
from flambeau.predictor import plain
from flambeau.serving import strict_json
from flambeau.serving.charset import UTF_8, charset_of, decoded
from flambeau.serving.config import Limits
from flambeau.serving.exchange import Asked, Door, Reply, Request
from flambeau.serving.form import FormFiles
from flambeau.serving.forward import Answer, Result
from flambeau.serving.model import ServedModel
from flambeau.serving.problems import abroad
from flambeau.serving.wire import OCTETS, TEXT, Wire, wires_of
from flambeau.types import Example

JSON = "application/json"
FORM = "multipart/form-data"


class Predict:
    """The simple door: what a person would try first."""

    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self._encode = model.predictor.encode
        self._inputs = model.predictor.inputs
        self._wires = wires_of(model.predictor.inputs)
        self._only = next(iter(self._wires.items())) if len(self._wires) == 1 else None
        self._max_items = limits.max_items
        example = JSON if self._only is None else self._only[1].example
        self._of_json = Door(limits.max_json_bytes, self._json, example)
        self._of_form = Door(limits.max_body_bytes, self._form, example)
        self._of_value = Door(limits.max_body_bytes, self._value, example, is_quick=True)

    def door(self, request: Request) -> Door:
        """How the body of a request is understood.

        Raises:
            UsageError: it is of no kind that this model takes, or a text in no charset that Python knows.
            DataError: the model takes several fields, so a bare value means nothing.
        """
        media = request.media_type()
        if media == JSON:
            return self._of_json
        _, wire = self._only_input()
        if wire.media is not None and media == FORM:
            return self._of_form
        if wire.media is None or (not media.startswith(wire.media) and media != OCTETS):
            known = JSON if wire.media is None else f"{wire.media}*, {OCTETS}, {FORM}, {JSON}"
            raise UsageError("media-type-unknown", media=media[:80] or "no Content-Type", known=known, example=wire.example)
        if wire.media == TEXT and (charset := charset_of(request.header(b"content-type"))) != UTF_8:
            return Door(self._of_value.max_bytes, partial(self._text, charset), wire.example)
        return self._of_value

    def _value(self, request: Request, body: bytes) -> Asked:
        name, _ = self._only_input()
        return self._asked(request, [{name: body}])

    def _text(self, charset: str, request: Request, body: bytes) -> Asked:
        name, _ = self._only_input()
        return self._asked(request, [{name: decoded(body, charset)}])

    def _form(self, request: Request, body: bytes) -> Asked:
        name, _ = self._only_input()
        form = FormFiles(request.header(b"content-type"), self._max_items)
        form.feed(body)
        return self._asked(request, [{name: value} for value in form.files()])

    def _json(self, request: Request, body: bytes) -> Asked:
        return self._asked(request, self._examples_of(body))

    def _asked(self, request: Request, examples: Sequence[Example]) -> Asked:
        reads = [partial(self._encode, example) for example in examples]
        return Asked(reads, self._reply_with_seen, is_slow=True) if request.asks("preview") else Asked(reads, self._reply)

    def _reply(self, results: Sequence[Result], seconds: float, seen: Sequence[Mapping[str, object]] | None = None) -> Reply:
        """A bad example among several is an error in its place; a single bad one is the answer's status.

        Raises:
            FlambeauError: that of the only example.
        """
        for result in results:
            if isinstance(result, FlambeauError) and (len(results) == 1 or result.code == "queue-expired"):
                raise result
        predictions: list[dict[str, object]] = [{"input": place, **_shown(result)} for place, result in enumerate(results)]
        for prediction, extra in zip(predictions, seen or (), strict=False):
            prediction.update(extra)
        return Reply(orjson.dumps({"predictions": predictions}), headers=((b"server-timing", _timing(results, seconds)),))

    def _reply_with_seen(self, results: Sequence[Result], seconds: float) -> Reply:
        return self._reply(results, seconds, self._seen(results))

    def _examples_of(self, body: bytes) -> list[Example]:
        document = strict_json.an_object(strict_json.parse(body), "", ["inputs"])
        rows = strict_json.a_list(document["inputs"], "inputs", self._max_items)
        return [self._example(row, f"inputs[{place}]") for place, row in enumerate(rows)]

    def _example(self, row: object, where: str) -> Example:
        fields = strict_json.an_object(row, where, list(self._wires))
        return {name: wire.from_json(fields[name], f"{where}.{name}") for name, wire in self._wires.items()}

    def _only_input(self) -> tuple[str, Wire]:
        """The field that a bare value is for.

        Raises:
            DataError: the model takes several, so a bare value means nothing.
        """
        if self._only is None:
            raise DataError("fields-needed", fields=", ".join(self._wires))
        return self._only

    def _seen(self, results: Sequence[Result]) -> list[dict[str, object]]:
        """What the model was given, as something that a browser shows (a data: URL, or words): one object by input name for each result."""
        answers = (result if isinstance(result, Answer) else None for result in results)
        return [
            {"seen": {name: chosen.picture(answer.encoded[name]) or chosen.excerpt(answer.encoded[name]) for name, chosen in self._inputs.items()}}
            if answer
            else {}
            for answer in answers
        ]


def _shown(result: Result) -> dict[str, object]:
    return {"error": abroad(result).to_json()} if isinstance(result, FlambeauError) else plain(result.prediction)


def _timing(results: Sequence[Result], seconds: float) -> bytes:
    """A Server-Timing header: milliseconds of decoding, waiting and the model."""
    decode = model = 0.0
    for result in results:
        if isinstance(result, Answer):
            decode += result.decode_seconds
            model = max(model, result.model_seconds)
    wait = max(0.0, seconds - decode - model)
    return b"decode;dur=%.3f, queue;dur=%.3f, model;dur=%.3f" % (decode * 1e3, wait * 1e3, model * 1e3)
