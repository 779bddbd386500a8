"""A finished run: what `flambeau.fit` gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from flambeau.members import read_json
from flambeau.model import Model, load
from flambeau.runfolder import RunFolder
from flambeau.types import Prediction


@dataclass(frozen=True)
class Run:
    """A tested model and where everything about it lies."""

    path: Path | None
    """The run folder; None where an artifact was tested away from its run."""
    artifact: Path
    test: Mapping[str, Any] = field(repr=False)
    """Each score of the test by name: ``{"value", "low", "high", "n"}``, 0 to 1, 95 % interval."""
    baseline: Mapping[str, Any] = field(repr=False)
    """Scores of always answering the most frequent class."""
    seconds: Mapping[str, float]
    """By stage: total, data, train, test, export."""
    verification: Mapping[str, Any] | None = None
    """How the shipped runner compares with the trained network on the raw test files; None where PyTorch itself ships."""
    allow_code: bool = False
    verdict: str | None = None
    """Whether the interval of the main score is "better" than the baseline, "worse", or "undecided"; None where that was not recorded."""

    @cached_property
    def model(self) -> Model:
        """The model, loaded from the artifact at the first use."""
        return load(self.artifact, allow_code=self.allow_code)

    def predict(self, inputs: Sequence[object]) -> list[Prediction]:
        """Raw values (paths, bytes, arrays) -> one prediction each, as `Model.predict`."""
        return self.model.predict(inputs)

    def to_json(self) -> dict[str, Any]:
        """What ``flambeau fit --json`` prints."""
        return {
            "run": None if self.path is None else str(self.path),
            "artifact": str(self.artifact),
            "test": dict(self.test),
            "baseline": dict(self.baseline),
            "verdict": self.verdict,
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
        }


def read_run(folder: RunFolder, allow_code: bool = False) -> Run:
    """A finished run folder -> its run, from what is on the disk."""
    record = folder.read()
    proof = folder.artifact / "verification.json"
    verification = read_json(proof, missing={}).get("onnx")
    return Run(folder.path, folder.artifact, record["test"], record["baseline"], record["seconds"], verification, allow_code, record.get("verdict"))
