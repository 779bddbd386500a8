"""From the raw values of several requests to their answers: encode, one batch through the model, decode. Runs in any thread, one at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flambeau.errors import FlambeauError
from flambeau.inputs.input import Preprocessor, collate
from flambeau.predictor import Predictor
from flambeau.types import Array, Prediction

Encoded: TypeAlias = Mapping[str, Array]
Read: TypeAlias = Callable[[], Encoded]
"""Gives one encoded example by input name, or raises a FlambeauError."""

log = logging.getLogger("flambeau.serving")


@dataclass(slots=True)
class Answer:
    """The model's answer to one example."""

    prediction: Prediction
    row: npt.NDArray[np.float32]
    """(answers,) in answer space."""
    encoded: Encoded
    """What the model was given."""
    decode_seconds: float
    model_seconds: float
    """Of the whole batch that the example was in."""


Result: TypeAlias = Answer | FlambeauError


@dataclass(frozen=True, slots=True)
class Ran:
    """One batch that has run."""

    results: list[Result]
    """One for each example, in order."""
    decode_seconds: float
    """Processor time for reading all of them, also those that could not be read: what it costs, whatever else the machine does."""
    model_seconds: float


class Forward:
    """The model with buffers for batches of up to `max_batch` examples."""

    def __init__(self, predictor: Predictor, max_batch: int) -> None:
        self._predictor = predictor
        self._buffers: dict[str, Array] | None = None
        if _is_fixed(predictor):
            self._buffers = {name: np.empty((max_batch, *_sizes(one)), one.spec.dtype) for name, one in predictor.inputs.items()}

    @property
    def is_fixed(self) -> bool:
        """Whether all examples have the same size."""
        return self._buffers is not None

    def __call__(self, reads: Sequence[Read]) -> Ran:
        """Answer examples together. One that cannot be read, or that breaks the model, fails alone; nothing is ever raised."""
        begin = time.thread_time()
        tries = [_try(read) for read in reads]
        decode_seconds = time.thread_time() - begin
        ready = time.perf_counter()
        answers = iter(self._answers([encoded for encoded, _ in tries if not isinstance(encoded, FlambeauError)]))
        model_seconds = time.perf_counter() - ready
        results: list[Result] = []
        for encoded, seconds in tries:
            if isinstance(encoded, FlambeauError):
                results.append(encoded)
            else:
                answer = next(answers)
                results.append(answer if isinstance(answer, FlambeauError) else Answer(*answer, encoded, seconds, model_seconds))
        return Ran(results, decode_seconds, model_seconds)

    def run(self, encoded: Sequence[Encoded]) -> npt.NDArray[np.float32]:
        """Encoded examples -> (examples, answers)."""
        if self._buffers is None:
            return self._predictor.runner(collate(self._predictor.inputs, {name: [one[name] for one in encoded] for name in self._predictor.inputs}))
        for name, buffer in self._buffers.items():
            for place, one in enumerate(encoded):
                assert one[name].shape == buffer.shape[1:]
                buffer[place] = one[name]
        return self._predictor.runner({name: buffer[: len(encoded)] for name, buffer in self._buffers.items()})

    def _answers(self, encoded: Sequence[Encoded]) -> list[tuple[Prediction, npt.NDArray[np.float32]] | FlambeauError]:
        if not encoded:
            return []
        try:
            rows = self.run(encoded)
            sound: npt.NDArray[np.bool_] = np.all(np.isfinite(rows), axis=1)
            predictions = self._predictor.target.decode(rows)
        except BaseException:  # a runner may raise anything, a library in Rust even this; the others of the batch still get their answer
            if len(encoded) > 1:
                return [answer for one in encoded for answer in self._answers([one])]
            log.exception("the model failed on an example")
            return [FlambeauError("server-bug")]
        return [(p, row) if fine else FlambeauError("answer-invalid") for p, row, fine in zip(predictions, rows, sound, strict=True)]


def _try(read: Read) -> tuple[Encoded | FlambeauError, float]:
    """The encoded example or why there is none, and the seconds that it took."""
    begin = time.perf_counter()
    try:
        encoded: Encoded | FlambeauError = read()
    except FlambeauError as error:
        encoded = error.alone()
    except BaseException:  # a decoder's bug on hostile bytes must not take the others of the batch with it, nor the thread of the model
        log.exception("an example could not be read")
        encoded = FlambeauError("server-bug")
    return encoded, time.perf_counter() - begin


def blank(predictor: Predictor) -> Encoded:
    """An example of zeros with the sizes that the model takes, to time it."""
    return {name: np.zeros(_sizes(preprocessor), preprocessor.spec.dtype) for name, preprocessor in predictor.inputs.items()}


def _sizes(preprocessor: Preprocessor) -> tuple[int, ...]:
    return tuple(16 if size is None else size for size in preprocessor.spec.shape)


def _is_fixed(predictor: Predictor) -> bool:
    """Whether batches can be written in place: every value has the same sizes and stacking is all that collating does."""
    return all(None not in p.spec.shape and type(p).collate is Preprocessor.collate for p in predictor.inputs.values())
