"""Every member of every union keeps the contract of its protocol. A new member is found here without being asked for.

(Layers are walked in tests/network, all of one shape in one graph, as an export of each costs most of a second.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from flambeau import fitted
from flambeau.errors import CheckFailed
from flambeau.exporting.contract import check_exporter
from flambeau.exporting.exporter import Exporter
from flambeau.exporting.onnx import Onnx
from flambeau.exporting.union import EXPORTERS
from flambeau.inputs.contract import check_input
from flambeau.inputs.union import INPUTS, AnyInput, AnyPreprocessor
from flambeau.network.build import Network, build
from flambeau.network.spec import LayerList
from flambeau.predictor import Predictor
from flambeau.tasks.classification import Classification, ClassTarget
from flambeau.tasks.contract import check_task
from flambeau.tasks.task import Task
from flambeau.tasks.union import TASKS, AnyTarget, AnyTask
from flambeau.types import Array, Runner

Settings = dict[str, Any]
PICTURES = [(picture * 15.9).astype(np.uint8) for picture in load_digits().images[:5]]
ROWS: list[object] = [
    {"size": "1.5", "kind": "red", "day": "2026-11-25", "sold": "yes"},
    {"size": "", "kind": "blue", "day": "2026-11-26T12:30", "sold": "no"},
    {"size": 30, "kind": None, "day": None, "sold": True},
]
SOUNDS: list[object] = [(np.sin(np.arange(time) * (pitch / time)) * 0.5, 8000) for time, pitch in ((900, 300), (1200, 700), (1000, 150), (950, 420))]
SERIES: list[object] = [np.sin(np.arange(2 * time).reshape(time, 2) / time) for time in (7, 5, 9)]
GAPPY: list[object] = [[[1.0, None], [2.0, 5.0], [None, 4.5]], [[0.5, 3.0], [0.25, 2.0]], [[3.5, 3.0], [0.75, 1.0], [0.1, 1.2], [0.0, None]]]
LABELS = ["cat", "dog", "cat", "fox", "img10", "img2", "dog", "cat"]

TEXTS = ["A good book!", "", "not a good film, not at all", "good &amp; cheap", "好"]

INPUT_CASES: list[tuple[str, Settings, list[object]]] = [
    ("image", {"size": 12, "grayscale": True, "denoise": "gaussian", "channels": 3}, list(PICTURES)),
    ("table", {"columns": {"size": "number", "kind": {"category": {"min_count": 1}}, "day": "date", "sold": "boolean"}}, list(ROWS)),
    ("text", {}, list(TEXTS)),
    ("text", {"segment": "words", "ngrams": 2, "buckets": 8, "min_count": 1, "stop_words": ["a"], "truncate": "both", "max_length": 3}, list(TEXTS)),
    ("text", {"segment": "subwords", "vocabulary": 60}, list(TEXTS)),
    ("text", {"segment": "chinese", "dictionary": ["好书"], "min_count": 1}, ["这是一本好书", "不好", "", "很好 good"]),
    ("audio", {}, list(SOUNDS)),
    ("audio", {"features": {"mfcc": {"coefficients": 12, "mels": 24}}, "rate": 4000, "seconds": 0.2, "align": "start", "level": False}, list(SOUNDS)),
    ("sequence", {}, list(SERIES)),
    ("sequence", {"max_length": 4, "keep": "start"}, list(SERIES)),
    ("sequence", {}, list(GAPPY)),
    ("sequence", {"standardise": "none"}, [series[:5] for series in SERIES]),
]
TASK_CASES: list[tuple[str, Settings, list[object]]] = [
    ("classification", {}, list(LABELS)),
    ("classification", {"loss": "focal", "label_smoothing": 0.1, "class_weights": "balanced"}, list(LABELS)),
    ("classification", {"class_weights": {"fox": 3.0}}, [0, 1, 0, "fox", 1.5]),
    ("classification", {"loss": "hinge", "margin": 0.5}, list(LABELS)),
    ("classification", {"loss": "bce", "label_smoothing": 0.1}, list(LABELS)),
    ("ordinal", {"order": ["small", "medium", "large"], "class_weights": "balanced"}, ["large", "small", "medium", "small"]),
    ("ordinal", {"loss": "cross_entropy"}, [10, 9, 2, 1, 9]),
    ("multi_label", {"class_weights": "balanced", "label_smoothing": 0.1}, ["red; round", "red", "", "round;blue"]),
    ("multi_label", {"loss": "focal"}, [["a", "b"], ["b"], ("c",), []]),
    ("multi_label", {"loss": "hinge", "names": ["x", "y"]}, [[0, 1], [1, 1], [0, 0], [1, 0]]),
    *(("regression", {"loss": loss}, [1.5, "2", -3, 10.25, 4]) for loss in ("l2", "l1", "smooth_l1", "huber", "quantile")),
    ("regression", {"loss": "poisson"}, [0, 3, 1, 7]),
    ("regression", {"log": True, "scale": "robust"}, [0.0, 1e6, 300.0, 2.5]),
    ("regression", {"scale": "none", "loss": "quantile", "quantiles": [0.25, 0.75], "names": ["a", "b"]}, [[1, 2e5], [2, 3e5], [4, -1e5]]),
]


def by_type(members: tuple[type[Any], ...]) -> Mapping[str, type[Any]]:
    return {member.model_fields["type"].default: member for member in members}


def test_the_cases_hold_every_member() -> None:
    assert {name for name, _, _ in INPUT_CASES} == set(by_type(INPUTS))
    assert {name for name, _, _ in TASK_CASES} == set(by_type(TASKS))


@pytest.mark.parametrize(("name", "settings", "values"), INPUT_CASES)
def test_inputs(name: str, settings: Settings, values: list[object]) -> None:
    check_input(by_type(INPUTS)[name].model_validate(settings), values)


@pytest.mark.parametrize(("name", "settings", "values"), TASK_CASES)
def test_tasks(name: str, settings: Settings, values: list[object]) -> None:
    check_task(by_type(TASKS)[name].model_validate({"target": "label", **settings}), values)


class Careless(ClassTarget):
    """Guesses where it should refuse."""

    def encode(self, value: object) -> npt.NDArray[np.int64]:
        return np.asarray(self.labels.index(str(value)), np.int64)


class Uphill(ClassTarget):
    def loss(self, allow_code: bool = False) -> Any:
        inner = super().loss()
        return lambda logits, targets: -inner(logits, targets)


class Summed(ClassTarget):
    def loss(self, allow_code: bool = False) -> Any:
        inner = super().loss()
        return lambda logits, targets: inner(logits, targets).sum()


class Stubborn(ClassTarget):
    def agrees(self, answers: Any, reference: Any, tolerance: float) -> Any:
        return np.zeros(len(answers), bool)


class Forgetful(ClassTarget):
    def decode(self, answers: Any) -> Any:
        return super().decode(answers)[1:]


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        (Careless, "ValueError instead of DataError"),
        (Uphill, "answers with the truth"),
        (Summed, "one number for each example"),
        (Stubborn, "agrees with itself"),
        (Forgetful, "one prediction for each answer"),
    ],
)
def test_a_task_that_breaks_its_word_is_found(target: type[ClassTarget], rule: str) -> None:
    class Broken(Classification):
        def fit(self, values: Any) -> ClassTarget:
            return target(**super().fit(values).model_dump())

    with pytest.raises(CheckFailed, match=rule):
        check_task(Broken(target="label"), list(LABELS))


@pytest.fixture(scope="module")
def network() -> tuple[Network, dict[str, Array]]:
    image = by_type(INPUTS)["image"].model_validate({}).resolve(list(PICTURES))
    fitted = image.fit([image.read(picture) for picture in PICTURES])
    target = Classification(target="label").fit(LABELS)
    layers = LayerList.model_validate({"layers": [{"conv2d": 4}, {"batch_norm": {}}, "relu", {"dropout": 0.5}, "flatten"]})
    built = build(layers, {"x": fitted.gives}, {"x": fitted.module()}, target.out_features, target.activation(), 0)
    encoded = [fitted.encode(picture) for picture in PICTURES]
    assert Predictor({"x": fitted}, lambda inputs: np.zeros((1, 5), np.float32), target).inputs
    return built.eval(), {"x": np.stack(encoded)}


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
def test_exporters(exporter: Exporter, network: tuple[Network, dict[str, Array]], tmp_path: Path) -> None:
    check_exporter(exporter, *network, tmp_path)


class Littering(Onnx):
    def export(self, network: Any, sample: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"")
        path.with_suffix(".data").write_bytes(b"")


class Rounding(Onnx):
    def load(self, path: Path, threads: int | None = None) -> Runner:
        runner = super().load(path, threads)
        return lambda inputs: runner(inputs).round(2)


class Trusting(Onnx):
    def load(self, path: Path, threads: int | None = None) -> Runner:
        return super().load(path, threads) if path.stat().st_size > 100 else lambda inputs: np.zeros((1, 5), np.float32)


@pytest.mark.parametrize(("exporter", "rule"), [(Littering(), "nothing else"), (Rounding(), "PyTorch's"), (Trusting(), "damaged file is refused")])
def test_an_exporter_that_breaks_its_word_is_found(exporter: Exporter, rule: str, network: tuple[Network, dict[str, Array]], tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=rule):
        check_exporter(exporter, *network, tmp_path)


def test_a_task_is_a_task() -> None:
    assert all(issubclass(member, Task) for member in TASKS)
    assert len({exporter.name for exporter in EXPORTERS}) == len({exporter.file for exporter in EXPORTERS}) == len(EXPORTERS)


def members_of(union: Any) -> set[tuple[str, str]]:
    """The word of each member of a union of pydantic, and where its class is."""
    members = get_args(get_args(union)[0])
    classes = [get_args(member)[0] if get_origin(member) is Annotated else member for member in members]
    return {(member.model_fields["type"].default, f"{member.__module__}:{member.__name__}") for member in classes}


def test_what_an_artifact_stores_are_the_members_of_the_unions() -> None:
    assert set(fitted.PREPROCESSORS.items()) == members_of(AnyPreprocessor)
    assert set(fitted.TARGETS.items()) == members_of(AnyTarget)
    assert {word for word, _ in members_of(AnyInput)} == set(fitted.PREPROCESSORS) == {kind.kind() for kind in INPUTS} | {"custom"}
    assert {word for word, _ in members_of(AnyTask)} == set(fitted.TARGETS) | {"auto"}
    assert {kind.model_fields["type"].default for kind in TASKS} | {"custom"} == set(fitted.TARGETS)
