"""From a trained network to a tested artifact: exported, proven on the raw test files, scored once, packed with its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flambeau import artifact, events, messages
from flambeau.card import model_card
from flambeau.errors import CheckFailed, Notice
from flambeau.evaluation import numerals
from flambeau.evaluation.answering import answer_all, answer_by_each
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.kinds import EVALUATIONS, evaluation_of
from flambeau.evaluation.scores import headlines, require
from flambeau.events import Progress, Show
from flambeau.exporting.onnx import Onnx
from flambeau.exporting.torch import TorchRunner
from flambeau.exporting.verify import Verification, demand, verify
from flambeau.goldens import size_of, write_goldens
from flambeau.inputs.input import collate
from flambeau.members import to_json
from flambeau.predictor import Predictor
from flambeau.preparation import Prepared
from flambeau.recipe import Recipe
from flambeau.run import Run
from flambeau.runfolder import RunFolder
from flambeau.types import Array, Example

if TYPE_CHECKING:
    from flambeau.network.build import Network

NUM_GOLDENS = 8
GOLDEN_BYTES = 1_000_000
"""Files larger than this do not become goldens: an artifact is copied around and checked on every start."""


@dataclass(frozen=True)
class Shipped:
    """What ships, before it is packed: the predictor of the artifact, and the proof that it answers as the network."""

    predictor: Predictor
    model: bytes | None = None
    """The ONNX file; None where no graph can hold the network and PyTorch is the runner."""
    answers: npt.NDArray[np.float32] | None = None
    """(examples, answers): what the file answered to the raw files of the test split when it was proven."""
    verification: Verification | None = None


@dataclass(frozen=True)
class Tested:
    """What was answered to each example of the test, and the scores."""

    task: str
    answers: npt.NDArray[np.float32]
    truths: Array
    scores: Mapping[str, Any]
    baseline: Mapping[str, Any]

    @property
    def headlines(self) -> dict[str, Any]:
        """The single scores by name."""
        return headlines(self.scores)

    @property
    def weakest(self) -> Mapping[str, Any] | None:
        """Where the model is worst."""
        return EVALUATIONS[self.task].weakest(self.scores)

    @property
    def verdict(self) -> str:
        """Whether the test shows more than an answer that looks at nothing would: "better", "undecided" or "worse"."""
        return EVALUATIONS[self.task].beside(self.scores, self.baseline)

    @property
    def notices(self) -> list[Notice]:
        """What has to be known beside the scores."""
        kind = EVALUATIONS[self.task]
        if self.verdict == "better":
            return []
        told = {"label": self.baseline["label"], "metric": kind.main, "baseline": numerals.score(kind.main, self.baseline[kind.main])}
        facts = {**told, "ends": numerals.ends(kind.main, self.scores[kind.main]), "remedy": messages.text(kind.remedy)}
        return [Notice("worse-than-baseline" if self.verdict == "worse" else "not-shown-better", facts)]

    @property
    def event(self) -> events.Tested:
        """The same for people."""
        return events.Tested(self.headlines, self.baseline, self.weakest, self.task)


def ship(network: Network, data: Prepared, recipe: Recipe, run: RunFolder, show: Show) -> Shipped:
    """Exports the network and proves the export on every raw file of the test split.

    Raises:
        CheckFailed: the export answers differently.
    """
    import torch

    reference = TorchRunner(network)
    inner = Predictor(data.preprocessors, reference, data.target)
    file = run.path / f".{artifact.MODEL}"
    sample = collate(data.preprocessors, {name: [rows[int(row)] for row in data.split.train[:2]] for name, rows in data.rows.items()})
    metadata = {"flambeau": to_json({"labels": data.target.answers, "recipe": recipe.hash, "preprocessing": _preprocessing(data)}).decode()}
    try:
        Onnx().export(network, sample, file, metadata)
        runner = Onnx().load(file)
        network.to(memory_format=torch.channels_last)  # the same weights; convolutions are quicker that way
        answers, wanted = answer_by_each(inner, (runner, reference), data.examples(data.split.test), counting(show))
        verification = verify("onnx", answers, wanted, data.target)
        demand(verification, str(file))
        return Shipped(Predictor(data.preprocessors, runner, data.target), file.read_bytes(), answers, verification)
    except CheckFailed as error:
        if error.code != "export-impossible" or not recipe.names_code:
            raise
        show(Notice("runs-in-torch", {"reason": error.facts["reason"]}))
        return Shipped(inner)
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def test(
    predictor: Predictor, examples: list[Example], truths: Array, config: TestConfig, show: Show, answers: npt.NDArray[np.float32] | None = None
) -> Tested:
    """Scores a predictor on raw examples.

    Args:
        answers: what it answered to them, if it has been asked already.
    """
    answers = answer_all(predictor, examples, counting(show)) if answers is None else answers
    target = predictor.target
    kind = evaluation_of(target)
    scores = kind.evaluate(answers, truths, target.inner, config)
    return Tested(target.judged_as, answers, truths, scores, kind.baseline(truths, target.inner, config.confidence))


def tell(tested: Tested, show: Show) -> None:
    """Shows the scores, and what has to be known beside them."""
    for event in (tested.event, *tested.notices):
        show(event)


def held(run: Run, tested: Tested, bounds: TestConfig) -> Run:
    """A run, whose test is held to what its recipe asks for.

    Raises:
        CheckFailed: a score is below its minimum, or an error above its maximum; programs are told all the others even so.
    """
    try:
        require(tested.scores, {**bounds.min, **bounds.max})
    except CheckFailed as error:
        error.beside = run.to_json()
        raise
    return run


def counting(show: Show) -> Callable[[int, int], None]:
    """Tells how many examples have been answered."""
    return lambda done, total: show(Progress("stage-testing", done, total))


def pack(run: RunFolder, shipped: Shipped, tested: Tested, data: Prepared, recipe: Recipe, network: Network) -> None:
    """Writes the artifact into the run folder, in one step, with the report that lies there."""
    import safetensors.torch

    signature = {
        "name": data.source.name,
        "inputs": {column: {"type": recipe.inputs[column].type, "spec": asdict(chosen.spec)} for column, chosen in data.preprocessors.items()},
        "task": data.target.judged_as,
        "labels": list(data.target.labels),
        "answers": list(data.target.answers),
        "versions": versions(),
        "recipe": recipe.hash,
        "test": tested.headlines,
        "baseline": tested.baseline,
    }
    weights = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    members = {
        "recipe.yaml": recipe.without_places().to_yaml().encode("utf-8", "surrogateescape"),
        "signature.json": to_json(signature),
        "preprocessing.json": to_json(_preprocessing(data)),
        "target.json": to_json(data.target.model_dump(mode="json")),
        "weights.safetensors": safetensors.torch.save(weights),
        "README.md": model_card(signature, tested.scores).encode("utf-8", "backslashreplace"),
        "report.json": run.report.with_suffix(".json").read_bytes(),
        "report.html": run.report.read_bytes(),
        **_goldens(shipped.predictor, data),
    }
    if shipped.model is not None:
        members[artifact.MODEL] = shipped.model
    if shipped.verification is not None:
        members["verification.json"] = to_json({"onnx": shipped.verification.to_json()})
    artifact.write(run.artifact, members, versions())


def versions() -> dict[str, str]:
    """What made the model, by package."""
    import platform
    from importlib.metadata import version

    packages = ("flambeau", "torch", "onnx", "onnxruntime", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _preprocessing(data: Prepared) -> dict[str, Any]:
    return {column: chosen.model_dump(mode="json") for column, chosen in data.preprocessors.items()}


def _goldens(predictor: Predictor, data: Prepared) -> dict[str, bytes]:
    """A few raw test examples, of different classes first, and the answers of the runner that ships."""
    rows = data.split.test
    seen: dict[tuple[str, ...], int] = {}
    rank = [_count(seen, groups) for groups in data.groups(rows)]
    order = [rows[place] for place in sorted(range(len(rows)), key=lambda place: (rank[place], place))]
    names = predictor.fields
    examples = [example for example in data.examples(np.asarray(order)) if size_of(example, names) <= GOLDEN_BYTES][:NUM_GOLDENS]
    answers = (
        predictor.answer([predictor.encode(example) for example in examples]) if examples else np.zeros((0, len(data.target.answers)), np.float32)
    )
    return write_goldens(examples, answers, names)


def _count(seen: dict[tuple[str, ...], int], groups: tuple[str, ...]) -> int:
    """How often these groups came before; counts them."""
    seen[groups] = seen.get(groups, 0) + 1
    return seen[groups] - 1
