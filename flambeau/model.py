"""A tested model in use: loaded from a run or an artifact, asked in Python or put behind HTTP. No torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flambeau import artifact
from flambeau.errors import FlambeauError, UsageError
from flambeau.inputs.input import collate
from flambeau.messages import text
from flambeau.runfolder import find_artifact
from flambeau.types import Array, Example, Frame, Prediction

if TYPE_CHECKING:
    from flambeau.network.build import Network

log = logging.getLogger("flambeau.serving")


@dataclass(frozen=True)
class Model:
    """A model that gives the answers that were tested."""

    artifact: artifact.Artifact

    def __repr__(self) -> str:
        """With the place alone, not all that lies there."""
        return f"Model({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The artifact's folder."""
        return self.artifact.path

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the answers."""
        return self.artifact.predictor.target.labels

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that an example needs."""
        return self.artifact.predictor.fields

    def rows(self, path: str | Path, *, keep: Sequence[str] = ()) -> list[Example]:
        """A file with rows (CSV, JSON lines, Parquet) -> the examples in it, or the series, as `predict` takes them.

        Args:
            keep: columns that the model does not look at, to have them beside its answers: an id, a name.

        Raises:
            DataError: the file cannot be read, or lacks a column.
        """
        from flambeau.data.config import DataConfig
        from flambeau.data.source import read_examples
        from flambeau.document import get, read_file

        tree = read_file(self.path / "recipe.yaml").tree  # two places of it are wanted: to check the whole would need every layer
        target = get(tree, ("task", "target"))
        config = DataConfig.model_validate(get(tree, ("data",)) or {})
        return read_examples(Path(path), self.fields, config, str(target) if target else None, keep)

    @property
    def test(self) -> Mapping[str, Any]:
        """The scores of the test split, as ``flambeau test --json`` gives them under "test"."""
        scores: Mapping[str, Any] = self.artifact.signature["test"]
        return scores

    def predict(self, inputs: Sequence[object] | Frame) -> list[Prediction]:
        """Raw values (paths, bytes, arrays, or mappings of fields), or a data frame with a row each -> one prediction each, in order.

        Raises:
            DataError: for the first value that cannot be read; `try_predict` gives the error in its place instead.
        """
        predictor = self.artifact.predictor
        return predictor.predict(predictor.as_examples(_listed(inputs)))

    def try_predict(self, inputs: Sequence[object] | Frame) -> list[Prediction | FlambeauError]:
        """As `predict`, but a value that cannot be read becomes an error in its place."""
        predictor = self.artifact.predictor
        return predictor.try_predict(predictor.as_examples(_listed(inputs)))

    def encode(self, inputs: Sequence[object] | Frame) -> dict[str, Array]:
        """Raw values as for `predict` -> what the network is given, by the name of its tensors: (batch, ...) each, in the order of its arguments.

        Raises:
            DataError: for the first value that cannot be read.
        """
        predictor = self.artifact.predictor
        encoded = [predictor.encode(example) for example in predictor.as_examples(_listed(inputs))]
        return collate(predictor.inputs, {name: [one[name] for one in encoded] for name in predictor.inputs})

    def network(self, *, allow_code: bool = False) -> Network:
        """The trained network in torch, in evaluation mode: the tensors of `encode` -> (batch, answers), as `predict` has them. Each call builds
        another one.

        Args:
            allow_code: permits classes of the user to be imported.

        Raises:
            ExtraMissing: torch is not installed.
            RecipeError: it is a class of the user, and `allow_code` is off.
        """
        from flambeau.restoring import restore_network

        predictor = self.artifact.predictor
        return restore_network(self.path, predictor.inputs, predictor.target, allow_code)


def _listed(inputs: Sequence[object] | Frame) -> Sequence[object]:
    """The rows of a data frame as mappings; everything else as it is."""
    if isinstance(inputs, str | bytes | os.PathLike | Mapping):
        raise UsageError("values-single", where="predict")
    if not hasattr(inputs, "columns"):  # a list, an array, whatever gives one value after the other
        return inputs
    from flambeau.data.parquet import columns_of

    columns = columns_of(inputs)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def load(path: str | Path, *, threads: int | None = None, allow_code: bool = False, device: str = "cpu") -> Model:
    """The tested model of a run folder or an artifact.

    Args:
        path: runs/NAME-1, or the model.flambeau in it, or a copy of that anywhere.
        threads: cores to compute on; None takes all that this process may use.
        allow_code: permits classes of the user to be imported: a network, an input, a task.
        device: where it computes: "cpu", "cuda", "cuda:1", "mps" or "xpu".

    Raises:
        DataError: there is no model, a file was altered, or the answers are not the tested ones on this machine.
        DeviceError: the device is not there.
    """
    return Model(artifact.load(find_artifact(Path(path)), threads=threads, allow_code=allow_code, device=device))


def predict(path: str | Path, inputs: Sequence[object] | Frame, *, allow_code: bool = False) -> list[Prediction]:
    """Answers of a run or an artifact to raw values, in order; `load` once and use `Model.predict` for more than one call."""
    return load(path, allow_code=allow_code).predict(inputs)


def serve(
    path: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    threads: int | None = None,
    allow_code: bool = False,
    device: str = "cpu",
    tested: bool = False,
    announce: Callable[[str, float, str], None] = lambda url, seconds, runtime: None,
) -> int:
    """Answers HTTP requests until SIGTERM, SIGINT or SIGHUP; what was accepted by then is still answered.

    Args:
        device: as for `load`.
        tested: takes the runner that was tested, also where an export was found to be quicker and would serve in its place.
        announce: called with the address, the seconds that the start took and the runtime, when the first request can be answered.

    Returns:
        The exit code of the process.
    """
    from flambeau.serving.config import Limits
    from flambeau.serving.model import Ready, ServedModel
    from flambeau.serving.server import serve as run_server

    def loaded() -> ServedModel:
        folder = find_artifact(Path(path))
        if device == "cpu" and not tested:
            model = _for_serving(folder, threads, allow_code)
        else:
            model = artifact.load(folder, threads=threads, allow_code=allow_code, device=device)
        return ServedModel(model.predictor, model.name, model.signature, runtime(model))

    def ready(facts: Ready) -> None:
        announce(facts.url, facts.seconds, facts.runtime)

    return run_server(loaded, host, port, Limits(), ready)


def _for_serving(folder: Path, threads: int | None, allow_code: bool) -> artifact.Artifact:
    """The artifact with the runner that was chosen for serving; with the tested one where that does not run here, or not as it did."""
    try:
        return artifact.load(folder, threads=threads, allow_code=allow_code, serving=True)
    except FlambeauError as error:
        tested = artifact.load(folder, threads=threads, allow_code=allow_code)
        log.warning("%s", text("serving-tested-runner", reason=str(error)))
        return tested


def runtime(loaded: artifact.Artifact) -> str:
    """What computes the answers, with its version."""
    from importlib.metadata import version

    if loaded.runtime:
        return loaded.runtime
    name = "onnxruntime" if artifact.MODEL in loaded.manifest["files"] else "torch"
    return f"{name} {version(name)}"
