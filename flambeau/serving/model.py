"""What is served, and what the server says about itself when it is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flambeau.predictor import Predictor


@dataclass(frozen=True)
class ServedModel:
    """A loaded model whose goldens have been checked."""

    predictor: Predictor
    name: str
    """Its name in /v2/models/{name}."""
    signature: Mapping[str, object]
    """JSON: ``{"inputs": {name: {"type": "image", ...}}, "labels": [...], "versions": {...}, "test": {"accuracy": {...}, ...}}``;
    all but the type of each input may be missing."""
    runtime: str
    """"onnxruntime 1.32.0"."""

    def input_type(self, name: str) -> str:
        """The modality of one input: "image"."""
        inputs = self.signature["inputs"]
        assert isinstance(inputs, Mapping)
        return str(inputs[name]["type"])


@dataclass(frozen=True)
class Ready:
    """The server listens and answers."""

    url: str
    """"http://127.0.0.1:8000", with the port that was really taken."""
    host: str
    port: int
    name: str
    runtime: str
    seconds: float
    """From the call of `serve` to the first request that could be answered."""
    max_batch: int
    """Examples that are answered together at most: where the model's throughput flattens on this machine."""
