"""Noise filters against scipy and against their formula; the graph part through ONNX Runtime."""

from __future__ import annotations

import math
import warnings

import numpy as np
import onnxruntime
import pytest
import scipy.ndimage
import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from torch import nn

from flambeau.inputs.denoise import Bilateral, Denoise, Gaussian, Median, Median5
from flambeau.inputs.graph import denoise as graph
from flambeau.inputs.graph.image import Grayscale, PrepareImage, Standardise

SIZES = [(1, 1), (1, 7), (2, 3), (5, 5), (17, 23)]


def pictures(batch: int, channels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (batch, channels, height, width), np.uint8)


def run(module: nn.Module, x: np.ndarray) -> np.ndarray:
    return module(torch.from_numpy(x).float()).numpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("module", "side"), [(graph.Median3(), 3), (graph.Median5(), 5)])
def test_medians_are_scipys(module, side, size):
    x = pictures(3, 2, *size)
    assert np.array_equal(run(module, x), scipy.ndimage.median_filter(x, (1, 1, side, side), mode="nearest"))


def test_the_median_of_5_by_5_for_every_sorted_table_of_zeros_and_ones():
    """The 0-1 principle: a network of compare-exchanges is right if it is right for zeros and ones."""
    counts = np.indices((6,) * 5).reshape(5, -1).T  # ones in each column; the columns' order of values is sorted by the network
    tables = (np.arange(5)[None, :, None] < counts[:, None, :]).astype(np.uint8)
    got = run(graph.Median5(), tables[:, None])[:, 0, 2, 2]
    assert np.array_equal(got, np.median(tables.reshape(len(tables), -1), 1))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("size", SIZES)
def test_gaussian_is_scipys(sigma, size):
    x = pictures(2, 3, *size)
    wanted = scipy.ndimage.gaussian_filter(x.astype(np.float64), (0, 0, sigma, sigma), mode="nearest", truncate=4.0)
    assert np.abs(run(graph.Gaussian(sigma), x) - wanted).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_bilateral_is_its_formula(channels):
    x = pictures(2, channels, 6, 7).astype(np.float64)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), "edge")
    total, weights = np.zeros_like(x), np.zeros_like(x[:, :1])
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            if dx * dx + dy * dy <= 4:
                near = padded[:, :, 2 + dy : 8 + dy, 2 + dx : 9 + dx]
                likeness = np.exp(-0.5 * (np.abs(near - x).sum(1, keepdims=True) / 40) ** 2)
                weight = likeness * math.exp(-0.5 * (dx * dx + dy * dy) / 1.5**2)
                total, weights = total + weight * near, weights + weight
    assert np.abs(run(graph.Bilateral(40, 1.5), x) - total / weights).max() < 1e-3


def test_filters_remove_noise_and_keep_the_size(photo):
    clean = np.asarray(photo.convert("L").resize((64, 64), Image.Resampling.BICUBIC).resize((128, 128)))[None, None]
    dice = np.random.default_rng(0)
    specks = np.where(dice.random(clean.shape) < 0.05, dice.choice([0, 255], clean.shape), clean)
    fine = np.clip(clean + dice.normal(0, 12, clean.shape), 0, 255)
    for module, noisy in ((Median().module(), specks), (Median5().module(), specks), (Gaussian().module(), fine), (Bilateral().module(), fine)):
        got = run(module, noisy.astype(np.float32))
        assert got.shape == clean.shape
        assert np.abs(got - clean).mean() < 0.8 * np.abs(noisy - clean).mean()


def test_grayscale_and_standardise_against_numpy():
    x = pictures(2, 3, 4, 5)
    grey = run(Grayscale(), x)
    assert np.abs(grey[:, 0] - np.tensordot(x.astype(float), [0.299, 0.587, 0.114], (1, 0))).max() < 1e-4
    level = np.asarray(Image.fromarray(x[0].transpose(1, 2, 0)).convert("L"))
    assert np.abs(grey[0, 0] - level).max() <= 1
    got = run(Standardise((0.1, 0.5, 0.9), (0.2, 0.3, 0.4)), x)
    wanted = (x / 255 - np.reshape((0.1, 0.5, 0.9), (3, 1, 1))) / np.reshape((0.2, 0.3, 0.4), (3, 1, 1))
    assert np.abs(got - wanted).max() < 1e-5


class Everything(nn.Module):
    """All filters beside each other, so that one export checks them all."""

    def __init__(self) -> None:
        super().__init__()
        filters = (Median(), Median5(), Gaussian(sigma=1.3), Bilateral())
        self.ways = nn.ModuleList(PrepareImage(Grayscale(), each.module(), Standardise((0.5,), (0.25,))) for each in filters)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(way(x) for way in self.ways)


def test_the_exported_filters_answer_the_same_for_any_batch():
    module, x = Everything().eval(), pictures(4, 3, 12, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        free = ({0: torch.export.Dim("batch", min=1)},)
        program = torch.onnx.export(module, (torch.from_numpy(x),), input_names=["x"], dynamic_shapes=free, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for rows in (x, x[:1]):
        got, wanted = session.run(None, {"x": rows}), module(torch.from_numpy(rows))
        for answer, ours in zip(got, wanted, strict=True):
            assert answer.dtype == np.float32 and answer.shape == (len(rows), 1, 12, 9)
            assert np.abs(answer - ours.numpy()).max() < 1e-5
        assert np.array_equal(got[0], wanted[0].numpy()) and np.array_equal(got[1], wanted[1].numpy())


PARSED = TypeAdapter(Denoise)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("none", "none"),
        ("median", Median()),
        ("median5", Median5()),
        ({"median": 5}, Median(size=5)),
        ({"gaussian": 1.5}, Gaussian(sigma=1.5)),
        ({"gaussian": {"sigma": 2}}, Gaussian(sigma=2)),
        ({"gaussian": None}, Gaussian()),
        ({"bilateral": {"space": 2}}, Bilateral(space=2)),
        (Median(), Median()),
    ],
)
def test_the_words_of_a_recipe(written, meant):
    parsed = PARSED.validate_python(written)
    assert parsed == meant
    assert PARSED.validate_python(PARSED.dump_python(parsed, mode="json")) == parsed


@pytest.mark.parametrize(
    ("written", "where", "kind"),
    [
        ("mediann", (), "filter-unknown"),
        ({"gausian": 1}, ("gausian",), "filter-unknown"),
        ({"median": 4}, ("median",), "literal_error"),
        ({"gaussian": {"sigma": 0}}, ("gaussian", "sigma"), "greater_than"),
        ({"gaussian": {"sigmma": 1}}, ("gaussian", "sigmma"), "extra_forbidden"),
        ({"median": 3, "gaussian": 1}, (), "filter-form"),
        (3, (), "filter-form"),
        ([], (), "filter-form"),
    ],
)
def test_mistakes_are_addressed(written, where, kind):
    with pytest.raises(ValidationError) as raised:
        PARSED.validate_python(written)
    (error,) = raised.value.errors()
    assert (error["loc"], error["type"]) == (where, kind)
    if kind == "filter-unknown":
        assert error["ctx"]["guess"] in {"median", "gaussian"} and error["ctx"]["guess"] in error["msg"]
