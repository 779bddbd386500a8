"""The only road from a raw value to an answer: preprocessors, a runner and the target. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from flambeau.errors import DataError, FlambeauError
from flambeau.inputs.input import Preprocessor, collate
from flambeau.tasks.task import Target
from flambeau.types import Array, Example, Prediction, Runner

BATCH = 32
"""Examples that are answered together; bounds the memory of a long list."""


def plain(prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON has it; what was not asked for (the bounds of a regression) is left out."""
    return {name: value for name, value in vars(prediction).items() if value is not None}


@dataclass(frozen=True)
class Predictor:
    """A fitted model in use. `runner` may be any target's: ONNX Runtime, OpenVINO, PyTorch."""

    inputs: Mapping[str, Preprocessor]
    runner: Runner
    target: Target

    def encode(self, example: Example) -> dict[str, Array]:
        """One raw example -> one array for each input, by name.

        Raises:
            DataError: a field is missing or cannot be read.
        """
        for field in self.fields:
            if field not in example:
                raise DataError("field-missing", where=field, field=field, fields=", ".join(self.fields))
        return {name: preprocessor.encode(preprocessor.take(example, name)) for name, preprocessor in self.inputs.items()}

    def answer(self, encoded: Sequence[Mapping[str, Array]]) -> npt.NDArray[np.float32]:
        """Encoded examples -> (examples, answers) in answer space."""
        columns = {name: [example[name] for example in encoded] for name in self.inputs}
        return self.runner(collate(self.inputs, columns))

    def try_predict(self, examples: Sequence[Example]) -> list[Prediction | FlambeauError]:
        """One prediction for each example, in order; what cannot be read is an error in its place."""
        return [result for start in range(0, len(examples), BATCH) for result in self._batch(examples[start : start + BATCH])]

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """One prediction for each example, in order.

        Raises:
            DataError: for the first example that cannot be read.
        """
        predictions: list[Prediction] = []
        for result in self.try_predict(examples):
            if isinstance(result, FlambeauError):
                raise result
            predictions.append(result)
        return predictions

    def as_examples(self, values: Sequence[object]) -> list[Example]:
        """Values as a person gives them (a path, bytes, an array, or a mapping of fields) -> examples.

        Raises:
            DataError: a bare value for a model with several inputs.
        """
        return [value if isinstance(value, Mapping) else {self._only_field(): value} for value in values]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The columns that an example needs, each once."""
        return tuple(dict.fromkeys(field for name, chosen in self.inputs.items() for field in chosen.fields(name)))

    def _only_field(self) -> str:
        if len(self.fields) != 1:
            raise DataError("fields-needed", fields=", ".join(self.fields))
        return self.fields[0]

    def _batch(self, examples: Sequence[Example]) -> list[Prediction | FlambeauError]:
        results: list[Prediction | FlambeauError | None] = [None] * len(examples)
        encoded: dict[int, Mapping[str, Array]] = {}
        for place, example in enumerate(examples):
            try:
                encoded[place] = self.encode(example)
            except FlambeauError as error:
                results[place] = error
        if encoded:
            answers = self.answer(list(encoded.values()))
            for place, prediction in zip(encoded, self.target.decode(answers), strict=True):
                results[place] = prediction
        return [result for result in results if result is not None]
