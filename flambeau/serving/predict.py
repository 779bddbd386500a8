"""POST /predict: raw values in (one as the body, several as a form or as JSON), predictions out, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import orjson

from flambeau.errors import DataError, FlambeauError, UsageError
from flambeau.predictor import plain
from flambeau.serving import strict_json
from flambeau.serving.batcher import Batcher
from flambeau.serving.config import Limits
from flambeau.serving.exchange import Intake, Reply, Request, beside_the_loop, unless_gone
from flambeau.serving.form import FormFiles
from flambeau.serving.forward import Answer, Result
from flambeau.serving.model import ServedModel
from flambeau.serving.problems import abroad
from flambeau.serving.wire import OCTETS, Wire, wires_of
from flambeau.types import Example

JSON = "application/json"
FORM = "multipart/form-data"


class Predict:
    """The simple door: what a person would try first."""

    def __init__(self, model: ServedModel, batcher: Batcher, intake: Intake, limits: Limits) -> None:
        self._encode = model.predictor.encode
        self._inputs = model.predictor.inputs
        self._wires = wires_of(model.predictor.inputs)
        self._batcher = batcher
        self._intake = intake
        self._limits = limits

    async def __call__(self, request: Request) -> Reply:
        """Answer one request. A bad example among several is an error in its place; a single bad one is the answer's status.

        Raises:
            FlambeauError: the request cannot be understood, or its only example cannot be read.
        """
        examples = await self._examples(request)
        begin = time.perf_counter()
        futures = self._batcher.submit([partial(self._encode, example) for example in examples], request.num_bytes)
        results = await unless_gone(request, futures)
        for result in results:
            if isinstance(result, FlambeauError) and (len(results) == 1 or result.code == "queue-expired"):
                raise result
        timing = _timing(results, time.perf_counter() - begin)
        seen = await asyncio.to_thread(self._seen, results) if request.asks("preview") else [{} for _ in results]
        predictions = [{"input": place, **_shown(result), **extra} for place, (result, extra) in enumerate(zip(results, seen, strict=True))]
        return Reply(orjson.dumps({"predictions": predictions}), headers=[(b"server-timing", timing)])

    async def _examples(self, request: Request) -> list[Example]:
        media = request.media_type()
        if media == JSON:
            return await self._from_json(request)
        if media == FORM:
            name, wire = self._only_input()
            if wire.media is None:
                raise UsageError("media-type-unknown", media=media, known=JSON, example=JSON)
            form = FormFiles(request.header(b"content-type"), self._limits.max_items)
            await self._intake.read(request, self._limits.max_body_bytes, form.feed)
            return [{name: value} for value in form.files()]
        name, wire = self._only_input()
        if wire.media is None or (not media.startswith(wire.media) and media != OCTETS):
            known = JSON if wire.media is None else f"{wire.media}*, {OCTETS}, {FORM}, {JSON}"
            raise UsageError("media-type-unknown", media=media[:80] or "no Content-Type", known=known, example=wire.example)
        pieces: list[bytes] = []
        await self._intake.read(request, self._limits.max_body_bytes, pieces.append)
        return [{name: pieces[0] if len(pieces) == 1 else b"".join(pieces)}]

    async def _from_json(self, request: Request) -> list[Example]:
        pieces: list[bytes] = []
        await self._intake.read(request, self._limits.max_json_bytes, pieces.append)
        return await beside_the_loop(request, partial(self._examples_of, b"".join(pieces)))

    def _examples_of(self, body: bytes) -> list[Example]:
        document = strict_json.an_object(strict_json.parse(body), "", ["inputs"])
        rows = strict_json.a_list(document["inputs"], "inputs", self._limits.max_items)
        return [self._example(row, f"inputs[{place}]") for place, row in enumerate(rows)]

    def _example(self, row: object, where: str) -> Example:
        fields = strict_json.an_object(row, where, list(self._wires))
        return {name: wire.from_json(fields[name], f"{where}.{name}") for name, wire in self._wires.items()}

    def _only_input(self) -> tuple[str, Wire]:
        """The field that a bare value is for.

        Raises:
            DataError: the model takes several, so a bare value means nothing.
        """
        if len(self._wires) != 1:
            raise DataError("fields-needed", fields=", ".join(self._wires))
        return next(iter(self._wires.items()))

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
    answers = [result for result in results if isinstance(result, Answer)]
    decode = sum(answer.decode_seconds for answer in answers)
    model = max((answer.model_seconds for answer in answers), default=0.0)
    wait = max(0.0, seconds - decode - model)
    return f"decode;dur={decode * 1e3:.3f}, queue;dur={wait * 1e3:.3f}, model;dur={model * 1e3:.3f}".encode()
