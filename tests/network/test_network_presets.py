"""Every preset, for everything that it takes: it trains, its padding does not matter, it exports with any batch size and any length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn

from flambeau.exporting.onnx import Onnx
from flambeau.network.build import Network, build
from flambeau.network.contract import examples as random_examples
from flambeau.network.contract import padded_examples, varies
from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, SEQUENCE, Axes, Shape
from flambeau.network.spec import PRESETS, PresetName, read_preset
from flambeau.network.table import layer_table, total
from flambeau.types import TensorSpec

SHAPES: dict[Axes, tuple[TensorSpec, ...]] = {
    FEATURES: (TensorSpec(FEATURES, (12,), "float32"),),
    COLUMNS: (TensorSpec(COLUMNS, (6,), "float32", (0, 5, 0, 0, 3, 2)), TensorSpec(COLUMNS, (3,), "float32")),
    IMAGE: (TensorSpec(IMAGE, (3, 20, 28), "float32"),),
    IDS: (TensorSpec(IDS, (None,), "int64", 50), TensorSpec(IDS, (9,), "int64", 50)),
    SEQUENCE: (TensorSpec(SEQUENCE, (None, 6), "float32"), TensorSpec(SEQUENCE, (11, 6), "float32")),
}
PAIRS = [(name, spec) for name in PRESETS for axes in read_preset(name).takes for spec in SHAPES[axes]]
each_preset = pytest.mark.parametrize(("name", "spec"), PAIRS, ids=[f"{name}-{spec}".replace(" ", "") for name, spec in PAIRS])


class Pair(nn.Module):
    """Values and their mask, handed on."""

    def forward(self, *tensors: torch.Tensor) -> Any:
        return tensors if len(tensors) > 1 else tensors[0]


def made(name: str, spec: TensorSpec, out: int = 4) -> Network:
    return build(name, {"x": spec}, {"x": Pair()}, out, nn.Softmax(-1), 0)


def batch_of(spec: TensorSpec, lengths: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    shape = Shape.of(spec)
    return tuple(padded_examples(shape, lengths)) if varies(shape) else (random_examples(shape, len(lengths)),)


def stirred(network: Network) -> Network:
    """With running statistics that are not those of the start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            assert module.running_mean is not None
            nn.init.normal_(module.running_mean)
    return network.eval()


@each_preset
def test_a_preset_learns_a_few_examples_by_heart(name: str, spec: TensorSpec) -> None:
    torch.manual_seed(0)
    network = made(name, spec)
    inputs = dict(zip(network.tensor_names, batch_of(spec, (7, 2, 9, 5, 1, 8)), strict=True))
    answers = torch.tensor([0, 1, 2, 3, 0, 1])
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network.logits(inputs), answers)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] * 0.8
    assert all(parameter.grad is not None and bool(torch.isfinite(parameter.grad).all()) for parameter in network.parameters())


class Together(nn.Module):
    """The answers of several networks for the same input, side by side: one export for all of them."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.tensor_names = networks[0].tensor_names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return torch.cat([network(*tensors) for network in self.networks], 1)


SAME_BEHIND_AN_EMBEDDING = ("rnn", "gru", "lstm")
"""Exported from values over time; ids over time would only put the embedding before them that `transformer` has too."""


@pytest.mark.parametrize("spec", [specs[0] for specs in SHAPES.values()], ids=str)
def test_every_preset_is_the_same_in_onnx(spec: TensorSpec, tmp_path: Path) -> None:
    names_of = [name for name in PRESETS if spec.axes in read_preset(name).takes and not (spec.axes == IDS and name in SAME_BEHIND_AN_EMBEDDING)]
    networks = Together([stirred(made(name, spec)) for name in names_of])
    names = networks.tensor_names
    sample = dict(zip(names, (tensor.numpy() for tensor in batch_of(spec, (1, 1))), strict=True))
    Onnx().export(networks, sample, tmp_path / "model.onnx", {})  # type: ignore[arg-type]  # it has what an export asks for
    runner = Onnx().load(tmp_path / "model.onnx", threads=1)
    for lengths in ((5,), (3, 30, 12), (1, 1)):
        tensors = batch_of(spec, lengths)
        with torch.inference_mode():
            want = networks(*tensors).numpy()
        got = runner(dict(zip(names, (tensor.numpy() for tensor in tensors), strict=True)))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "spec"), [pair for pair in PAIRS if pair[1].shape[0] is None], ids=lambda value: str(value).replace(" ", ""))
def test_padding_is_no_part_of_the_answer(name: str, spec: TensorSpec) -> None:
    network = stirred(made(name, spec))
    generator = np.random.default_rng(1)
    for _ in range(5):
        lengths = tuple(int(length) for length in generator.integers(1, 40, 4))
        values, mask = batch_of(spec, lengths)
        with torch.inference_mode():
            want = network.logits({"x": values, "x.mask": mask})
            over = mask.reshape(*mask.shape, *[1] * (values.ndim - 2))
            filled = torch.where(over, values, 3) if spec.dtype == "int64" else torch.where(over, values, float("nan"))
            assert torch.equal(network.logits({"x": filled, "x.mask": mask}), want)
            longer = nn.functional.pad(values, (0, 0, 0, 13) if values.ndim == 3 else (0, 13))
            got = network.logits({"x": longer, "x.mask": nn.functional.pad(mask, (0, 13))})
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
            for row, length in enumerate(lengths):
                alone = network.logits({"x": values[row : row + 1, :length], "x.mask": mask[row : row + 1, :length]})
                torch.testing.assert_close(alone[0], want[row], rtol=1e-5, atol=1e-5)


def test_an_example_without_any_time_has_an_answer() -> None:
    for name in ("gru", "transformer", "conv1d_resnet"):
        network = stirred(made(name, SHAPES[SEQUENCE][0]))
        answer = network(torch.full((2, 3, 6), float("nan")), torch.zeros(2, 3, dtype=torch.bool))
        assert bool(torch.isfinite(answer).all())


@pytest.mark.parametrize("name", [name for name in PRESETS if IMAGE in read_preset(name).takes])
@pytest.mark.parametrize("size", [(1, 8, 8), (3, 8, 31), (1, 1, 1), (4, 17, 16)])
def test_image_presets_work_at_any_size(name: str, size: tuple[int, int, int]) -> None:
    network = made(name, TensorSpec(IMAGE, size, "float32"), out=3)
    network.train()(torch.rand(2, *size)).sum().backward()
    assert network.eval()(torch.rand(1, *size)).shape == (1, 3)


LEARNERS = [("cnn", 2), ("fast_cnn", 2), ("small_resnet", 3), ("vit", 10), ("conv_gru", 4), ("conv_transformer", 4)]
LEARNERS += [
    ("mlp", 6),
    ("tabular_resnet", 3),
    ("rnn", 6),
    ("gru", 4),
    ("lstm", 6),
    ("conv1d_resnet", 2),
    ("text_cnn", 6),
    ("transformer", 8),
]


@pytest.mark.parametrize(("name", "epochs"), LEARNERS)
def test_presets_learn_the_digits(name: PresetName, epochs: int) -> None:
    digits = load_digits()
    rows = torch.from_numpy(digits.images.astype(np.float32) / 8 - 1)
    pictures = rows[:, None] if name != "vit" else nn.functional.avg_pool2d(rows[:, None], 2)  # each of so few pixels is a patch
    forms = {IMAGE: pictures, FEATURES: rows.flatten(1), SEQUENCE: rows}
    axes = next(axes for axes in forms if axes in read_preset(name).takes)
    x, y = forms[axes], torch.from_numpy(digits.target)
    network = made(name, TensorSpec(axes, tuple(x.shape[1:]), "float32"), 10)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs * 28)
    torch.manual_seed(0)
    for chosen in (chosen for _ in range(epochs) for chosen in torch.randperm(1400).split(50)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network.logits({"x": x[chosen]}), y[chosen]).backward()
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        assert float((network.eval()(x[1400:]).argmax(1) == y[1400:]).float().mean()) > 0.8


def test_ft_transformer_learns_a_table() -> None:
    data = load_breast_cancer()
    x = torch.from_numpy(((data.data - data.data.mean(0)) / data.data.std(0)).astype(np.float32))
    y = torch.from_numpy(data.target).long()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
    network = made("ft_transformer", TensorSpec(COLUMNS, (30,), "float32"), 2)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    torch.manual_seed(0)
    for chosen in (chosen for _ in range(4) for chosen in order[:400].split(32)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network.logits({"x": x[chosen]}), y[chosen]).backward()
        optimizer.step()
    with torch.inference_mode():
        test = order[400:]
        assert float((network.eval()(x[test]).argmax(1) == y[test]).float().mean()) > 0.92


def test_small_resnet_is_as_large_as_it_says() -> None:
    specs = {size: {"x": TensorSpec(IMAGE, (3, size, size), "float32")} for size in (64, 96)}
    sums = {size: total(layer_table(made("small_resnet", spec["x"], 10), spec)) for size, spec in specs.items()}
    assert 0.3e6 < sums[64].parameters < 1.2e6
    assert 30e6 < sums[64].flops / 2 < 60e6


def test_the_pool_in_front_of_the_relu_changes_nothing() -> None:
    x = torch.randn(2, 3, 9, 9)
    assert torch.equal(nn.functional.max_pool2d(x, 2).relu(), nn.functional.max_pool2d(x.relu(), 2))
