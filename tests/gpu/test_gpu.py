"""On a GPU: every kind of data trains there, its artifact answers on it as on the CPU, and what only a GPU does differently is looked at.

All of this is skipped where torch sees none. `pytest tests/gpu` on a machine that has one takes about three minutes.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import urllib.request
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from torch import nn

import flambeau as fb
from flambeau.errors import Interrupted, Notice
from flambeau.tasks.losses import ClassLoss
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, describe
from flambeau.training.tuner import tune
from flambeau.types import Batch, Epoch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
ROOT = Path(__file__).parents[2]
WORDS = {"good": ["lovely", "bright", "warm", "kind", "happy", "fresh", "quick"], "bad": ["broken", "slow", "rude", "cold", "dirty", "late", "stale"]}
TRAINING: dict[str, Any] = {"device": "cuda", "epochs": 3, "stop_early": None, "batch_size": 64}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from flambeau.demo import write_digits

    return write_digits(tmp_path_factory.mktemp("gpu") / "photos", classes=5, limit=80)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("gpu") / "texts.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number in range(400):
            label = ("good", "bad")[number % 2]
            said = [*random.choice(WORDS[label], 4), f"order {number}", *random.choice(["room", "staff", "food", "place"], 3)]
            writer.writerow([" ".join(random.permutation(said)), label])
    return file


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wine = load_wine()
    file = tmp_path_factory.mktemp("gpu") / "wine.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*wine.feature_names, "kind"])
        writer.writerows([*row, f"kind {label}"] for row, label in zip(wine.data.tolist(), wine.target.tolist(), strict=True))
    return file


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    digits = load_digits(n_class=4)
    file = tmp_path_factory.mktemp("gpu") / "series.npz"
    np.savez(file, x=np.repeat(digits.images.astype(np.float32), 4, axis=1), y=digits.target)
    return file


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Low and high tones in noise, half a second each, 8 kHz."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("gpu") / "sounds"
    for label, lowest in (("low", 200), ("high", 1_500)):
        (folder / label).mkdir(parents=True)
        for number in range(60):
            tone = np.sin(2 * np.pi * (lowest + random.uniform(0, 200)) * np.arange(4_000) / 8_000) + random.normal(0, 0.3, 4_000)
            with wave.open(str(folder / label / f"{number}.wav"), "wb") as sound:
                sound.setnchannels(1)
                sound.setsampwidth(2)
                sound.setframerate(8_000)
                sound.writeframes((tone * 8_000).astype("<i2").tobytes())
    return folder


def fitted(data: Path, folder: Path, network: str | None, **more: Any) -> fb.Run:
    recipe: dict[str, Any] = {"training": {**TRAINING, **more}}
    if data.name == "series.npz":
        recipe["inputs"] = {"x": {"type": "sequence"}}
    if network:
        recipe["network"] = network
    target = {"texts.csv": "label", "wine.csv": "kind"}.get(data.name)
    return fb.fit(data, recipe=recipe, target=target, run=folder, show=fb.silent)


def raw(data: Path) -> list[object]:
    """A few raw values of a data set, as `predict` takes them."""
    if data.is_dir():
        return list(sorted(data.rglob("*.*"))[:40:2])
    if data.suffix == ".npz":
        with np.load(data) as found:
            return list(found["x"][:20])
    with data.open(encoding="utf-8", newline="") as stream:
        return [dict(row) for row in list(csv.DictReader(stream))[:40:2]]


KINDS = [
    *[("photos", name) for name in (None, "small_resnet", "fast_cnn", "vit")],
    *[("texts", name) for name in (None, "transformer", "gru", "text_cnn")],
    *[("table", name) for name in (None, "ft_transformer", "mlp")],
    *[("series", name) for name in (None, "lstm", "conv1d_resnet")],
    *[("sounds", name) for name in (None, "conv_transformer")],
]


@pytest.mark.parametrize(("kind", "network"), KINDS)
def test_what_was_trained_on_the_gpu_is_tested_and_answers_alike_everywhere(
    kind: str, network: str | None, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data = request.getfixturevalue(kind)
    run = fitted(data, tmp_path / "run", network)
    assert run.path is not None and run.verification is not None and run.verification["passed"]
    values = raw(data)
    on_cpu, on_gpu = fb.load(run.path).predict(values), fb.load(run.path, device="cuda").predict(values)
    for tested, other in zip(on_cpu, on_gpu, strict=True):
        assert other.label == tested.label
        assert list(other.probabilities.values()) == pytest.approx(list(tested.probabilities.values()), abs=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon", "lbfgs", "rmsprop", "adagrad", "schedule_free", "sam"])
def test_every_family_of_optimizers_learns_there(optimizer: str, photos: Path, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    more = {"batch_size": "all", "epochs": 6} if optimizer == "lbfgs" else {"epochs": 6}
    recipe = {"network": "fast_cnn", "training": {**TRAINING, **more, "optimizer": optimizer}}
    fb.fit(photos, recipe=recipe, run=tmp_path / "run", show=lambda event: epochs.append(event) if isinstance(event, Epoch) else None)
    assert epochs[-1].train_loss < epochs[0].train_loss


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # what some versions of torch say when they import their own compiler
@pytest.mark.parametrize("settings", [{"precision": "bf16"}, {"memory_format": "channels_last"}, {"ema": 0.9}, {"accumulate": 2}, {"compile": True}])
def test_every_way_of_a_step(settings: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    run = fitted(photos, tmp_path / "run", "small_resnet", **settings)
    assert run.test["accuracy"]["n"] > 0


def test_a_stopped_training_goes_on(photos: Path, tmp_path: Path) -> None:
    """To the bit on the CPU; a GPU adds up in another order each time, so here the end is the same within its own noise."""
    fixed = {"precision": "fp32", "memory_format": "contiguous"}
    whole = fitted(photos, tmp_path / "whole", "fast_cnn", **fixed)
    with pytest.raises(Interrupted):
        fb.fit(photos, recipe={"network": "fast_cnn", "training": {**TRAINING, **fixed}}, run=tmp_path / "stopped", show=stopping(after=1))
    resumed = fb.fit(resume=tmp_path / "stopped", show=fb.silent)
    ours, theirs = (dict(one) for one in (weights(whole), weights(resumed)))
    apart = max(float((ours[name] - theirs[name]).abs().max() / (1e-3 + ours[name].abs().max())) for name in ours)
    print("largest relative difference of a weight after a resume:", apart)
    assert apart < 1e-2


def stopping(after: int) -> Callable[[object], None]:
    import os
    import signal

    def show(event: object) -> None:
        if isinstance(event, Epoch) and event.number == after:
            os.kill(os.getpid(), signal.SIGTERM)

    return show


def weights(run: fb.Run) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors.torch import load_file

    return ((name, tensor.float()) for name, tensor in load_file(run.artifact / "weights.safetensors").items())


def test_a_batch_that_is_too_large_for_the_memory_goes_through_in_parts(photos: Path, tmp_path: Path) -> None:
    recipe = {
        "inputs": {"image": {"type": "image", "size": 128, "augment": []}},
        "network": [{"conv2d": 64}, "relu", {"conv2d": 64}, "relu", "global_avg_pool"],
        "training": {**TRAINING, "epochs": 1, "batch_size": 256, "precision": "fp32", "memory_format": "contiguous"},
    }
    notices: list[Notice] = []
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 1.5 * 2**30) / total)
    try:
        run = fb.fit(photos, recipe=recipe, run=tmp_path / "run", show=lambda event: notices.append(event) if isinstance(event, Notice) else None)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out-of-memory" in [notice.code for notice in notices]
    assert run.test["accuracy"]["n"] > 0


class _Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        convolutions = (nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())
        self.body = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(64 * 32 * 32, 5))
        self.activation = nn.Softmax(-1)

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        answers: torch.Tensor = self.body(inputs["x"])
        return answers


class _Same:
    num_steps, num_examples = 400, 400 * 256

    def __init__(self) -> None:
        torch.manual_seed(0)
        self._batch = Batch({"x": torch.randn(256, 3, 32, 32, device="cuda")}, torch.randint(5, (256,), device="cuda"))

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        return (self._batch for _ in range(start, self.num_steps))

    def in_order(self) -> Iterator[Batch]:
        return self.epoch(1)


def test_the_step_tuner_finds_a_way_that_is_no_slower(tmp_path: Path) -> None:
    trials = tune(_Small(), ClassLoss([1.0] * 5), _Same(), TrainingConfig(device="cuda", epochs=300), tmp_path)
    [chosen] = [trial for trial in trials if trial.chosen]
    assert {trial.precision for trial in trials} == {"fp32", "bf16"}
    assert chosen.milliseconds <= 1.05 * trials[0].milliseconds
    print([(trial.precision, trial.memory_format, trial.fused, round(trial.milliseconds, 3), trial.chosen) for trial in trials])


def test_a_frozen_backbone_is_computed_once_there(photos: Path, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    torch.save(timm.create_model("resnet10t", num_classes=0, in_chans=1).state_dict(), tmp_path / "weights.pth")
    network = {"timm": {"name": "resnet10t", "weights": str(tmp_path / "weights.pth"), "freeze": True}}
    inputs = {"image": {"type": "image", "size": 32, "augment": []}}
    run = fb.fit(photos, recipe={"inputs": inputs, "network": network, "training": TRAINING}, run=tmp_path / "run", show=fb.silent)
    assert run.verification is not None and run.verification["passed"]


def test_a_server_answers_from_the_gpu(photos: Path, tmp_path: Path) -> None:
    run = fitted(photos, tmp_path / "run", "fast_cnn")
    command = [sys.executable, "-m", "flambeau", "serve", str(run.path), "--port", "0", "--device", "cuda", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            said = json.loads(server.stdout.readline())
            assert "cuda" in said["runtime"]
            picture = raw(photos)[0]
            assert isinstance(picture, Path)
            asked = urllib.request.Request(said["url"] + "/predict", picture.read_bytes(), {"Content-Type": "image/png"})
            with urllib.request.urlopen(asked, timeout=30) as answer:
                [prediction] = json.load(answer)["predictions"]
            assert prediction["label"] == fb.load(run.artifact).predict([picture])[0].label
        finally:
            server.terminate()
    assert server.returncode == 0


def test_the_plan_names_the_gpu() -> None:
    assert torch.cuda.get_device_properties(0).name in describe(choose_device(), 2)


COSTS = """
import torch
from torch import nn

from flambeau.plugins import Classification, ClassTarget


class Costly(Classification):
    def fit(self, values):
        return CostTarget(**super().fit(values).model_dump())


class CostTarget(ClassTarget):
    def loss(self, allow_code=False):
        return ExpectedCost(len(self.labels))


class ExpectedCost(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.register_buffer("costs", 1 - torch.eye(classes))

    def forward(self, logits, targets):
        shares = nn.functional.one_hot(targets, logits.shape[-1]).float() if targets.ndim == 1 else targets
        return ((shares @ self.costs) * logits.softmax(-1)).sum(-1)
"""


def test_a_task_of_the_user_keeps_its_numbers_there(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpu_costs.py").write_text(COSTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = {"task": {"type": "custom", "target": "kind", "code": "gpu_costs:Costly"}, "training": TRAINING}
    run = fb.fit(table, recipe=recipe, run=tmp_path / "run", allow_code=True, show=fb.silent)
    assert run.verification is not None and run.verification["passed"]
    assert run.test["accuracy"]["value"] > 0.5


def test_an_encoder_of_transformers_is_tuned_there(texts: Path, tmp_path: Path) -> None:
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS["good"], *WORDS["bad"]]
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32}
    encoder = tmp_path / "tiny-bert"
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **sizes)).save_pretrained(encoder)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(encoder / "tokenizer.json"))
    recipe = {"network": {"transformers": str(encoder)}, "training": {**TRAINING, "epochs": 10, "optimizer": {"adamw": 0.001}}}
    run = fb.fit(texts, recipe=recipe, target="label", run=tmp_path / "run", show=fb.silent)
    assert run.verification is not None and run.verification["passed"]
    assert run.test["accuracy"]["value"] > 0.9
