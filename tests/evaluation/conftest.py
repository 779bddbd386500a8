"""Facts of a run as a pipeline would give them: a real classifier on real digits, and made-up ones of any size."""

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from flambeau.evaluation.curves import curve_points
from flambeau.evaluation.facts import (
    Check,
    ClassCount,
    DataFacts,
    EpochFacts,
    ExportFacts,
    LayerRow,
    Mistake,
    ModelFacts,
    Problem,
    ReportFacts,
    Reproduction,
)
from flambeau.evaluation.mistakes import worst_mistakes
from flambeau.evaluation.scores import baseline, evaluate

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\u202egnp.exe\u202c",
    "🦊 fox & \"friends\" 'x'",
    "two\nlines",
    "=cmd|'/c calc'!A1",
    "</script><script>alert(2)</script>",
    "a" * 400,
    "猫 العربية",
    "\x1b[31mred",
    "\udcff\ufffe{label}",
]


def address(array, side=24):
    buffer = io.BytesIO()
    Image.fromarray(array).resize((side, side), Image.Resampling.NEAREST).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def epochs(num_layers):
    return [
        EpochFacts(
            number,
            1.9 * 0.8**number,
            1.7 * 0.8**number + 0.1,
            {"accuracy": 1 - 0.5 * 0.7**number, "macro_recall": 0.98 - 0.5 * 0.7**number, "log_loss": 0.3},
            lr=0.003 * (1 - number / 12),
            seconds=11.2,
            best=number == 9,
            gradient_norms={f"body.{layer}": 0.1 / (layer + 1) / number for layer in range(num_layers)},
        )
        for number in range(1, 13)
    ]


def report_facts(answers, truths, labels, pictures, name="digits-1"):
    """All sections filled. `pictures` by class index."""
    counts = [int((truths == index).sum()) for index in range(len(labels))]
    wrong = worst_mistakes(answers, truths, 24)
    return ReportFacts(
        run=name,
        created="2026-11-23T08:04:11+00:00",
        labels=labels,
        test=evaluate(answers, truths, labels),
        baseline=baseline(counts, truths, labels),
        curves=curve_points(answers, truths, labels),
        checks=[Check("ONNX answers as PyTorch does", True, "max |dp| 3.1e-06"), Check(labels[0], False)],
        data=DataFacts(
            labels[0],
            [ClassCount(label, 3 * n, n, n, [pictures[i]] * 6) for i, (label, n) in enumerate(zip(labels, counts, strict=True))],
            split="stratified by class",
            problems=[Problem(label, "unreadable", "truncated at byte 40,960") for label in labels[:10]],
            num_problems=len(labels) + 5,
            num_duplicates=7,
            overlap=0,
            notices=["skipped 2 of 1,799 images (0.1%)"],
        ),
        model=ModelFacts(
            "small_resnet",
            1_204_234,
            [LayerRow("conv_block", "channels 32 x height 28 x width 28", 320, 225_792, 100_352), LayerRow(labels[-1], "features 10", 650)],
            why="small pictures: a small residual network",
            input="8x8 grey",
            size_bytes=4_900_000,
        ),
        epochs=epochs(12),
        mistakes=[mistake(one, labels, pictures) for one in wrong],
        num_mistakes=int((answers.argmax(axis=1) != truths).sum()),
        exports=[ExportFacts("onnx", 4_800_000, True, 3.1e-6, 540, 540, 2.1), ExportFacts("int8", 1_300_000, False)],
        reproduction=Reproduction(
            "flambeau fit digits/ --seed 0",
            seed=0,
            recipe="data: {folder: digits}\n",
            versions={"torch": "2.14.1"},
            hashes={"weights": "60303ae2" * 8},
            seconds={"training": 201.0},
        ),
    )


def mistake(one, labels, pictures):
    truth, answer = labels[one.truth], labels[one.answer]
    return Mistake(f"{truth}/{one.row}.png", truth, answer, one.confidence, one.truth_probability, pictures[one.truth], one.suspect)


def made_up(labels, n, name, seed=0):
    generator = np.random.default_rng(seed)
    truths = generator.integers(0, len(labels), n)
    logits = generator.normal(size=(n, len(labels)))
    logits[np.arange(n), truths] += 3
    exponents = np.exp(logits)
    pictures = [address(np.random.default_rng(i).integers(0, 255, (6, 6, 3), dtype=np.uint8)) for i in range(len(labels))]
    return report_facts((exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32), truths, labels, pictures, name)


@pytest.fixture(scope="session")
def digits():
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    train, test = order[:900], order[-540:]
    model = LogisticRegression(max_iter=200).fit(data.data[train] / 16, data.target[train])
    pictures = [address((data.images[np.flatnonzero(data.target == digit)[0]] * 15).astype(np.uint8)) for digit in range(10)]
    return report_facts(model.predict_proba(data.data[test] / 16).astype(np.float32), data.target[test], [str(i) for i in range(10)], pictures)


@pytest.fixture(scope="session")
def three():
    return made_up(["cat", "dog", "fox"], 182, "photos-1")


@pytest.fixture(scope="session")
def many():
    return made_up([f"species {i:03d}" for i in range(120)], 3000, "birds-4")


@pytest.fixture(scope="session")
def hostile():
    return made_up(HOSTILE, 300, HOSTILE[0])


@pytest.fixture(scope="session")
def bare():
    return ReportFacts("untested", "2026-11-23", ["a", "b"])


@pytest.fixture
def diverged(three):
    nan = float("nan")
    lost = [dataclasses.replace(epoch, train_loss=nan, valid_loss=float("inf"), gradient_norms={"head": 0.0}) for epoch in three.epochs[:1]]
    return dataclasses.replace(three, epochs=[*lost, EpochFacts(2, 0.5, 0.6, {}, gradient_norms={"head": 0.2})])
