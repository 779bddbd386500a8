"""What is written is read back as the same, by us and by others."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flambeau.document import Tree, read, write

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
MISREAD = """no yes on off y n null ~ true 1e-3 010 0x1F 1_000 1:20 .inf .Inf .nan - --- ... ? : # 2024-01-01 = << * & ! | > % @ ` [ ] { } , a: #b"""
WORDS = st.sampled_from([*MISREAD.split(), "", " ", "a: b", "a #b", " a", "a "])
KEY = TEXT | WORDS
LEAF = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | TEXT | WORDS
TREES = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEY, inner, max_size=5), max_leaves=25)


@given(TREES)
@settings(max_examples=400, deadline=None)
def test_it_is_read_back_as_the_same(tree: Tree) -> None:
    found = read(write(tree)).tree
    assert found == tree
    assert repr(found) == repr(tree)


PORTABLE = st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | TEXT | WORDS


@given(st.recursive(PORTABLE, lambda inner: st.dictionaries(KEY, inner, max_size=4)))
@settings(max_examples=200, deadline=None)
def test_an_older_reader_reads_it_too(tree: Tree) -> None:
    assert yaml.safe_load(write(tree)) == tree


def test_it_reads_well() -> None:
    assert write(read(EXPECTED).tree) == EXPECTED


EXPECTED = """\
data: {folder: garments, split: {train: 0.7, valid: 0.15, test: 0.15, seed: 7}}
inputs: {picture: {type: image, size: [28, 28], grayscale: true, denoise: median, augment: [{rotate: 10}, {scale: 0.1}, flip]}}
task: {type: classification, target: label}
network:
  - conv_block: 32
  - residual: [{conv_block: 32}, {conv_block: 32}]
  - {name: a, size: 2}
  - global_avg_pool
training: {optimizer: {adamw: 1.0e-05}, batch_size: 128, epochs: 20}
export: [onnx]
classes: [cat, "no", "1", "010", 猫, a b, ../photos, "a: b"]
empty:
  - {}
  - []
  - null
  - ""
"""


def test_long_things_stand_in_blocks() -> None:
    tree: Tree = {"room": {f"setting_{n}": [n] * 3 for n in range(12)}, "list": [["x" * 80, "y" * 80]]}
    text = write(tree)
    assert max(map(len, text.splitlines())) <= 140
    assert text.startswith("room:\n  setting_0: [0, 0, 0]\n")
    assert read(text).tree == tree


@pytest.mark.parametrize("tree", [None, 1, "a", [], {}])
def test_a_bare_value(tree: Tree) -> None:
    assert read(write(tree)).tree == tree
