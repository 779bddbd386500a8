"""Addresses of nodes, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau.document import Path, Tree, address, flatten, get, replaced, spell

TREE: Tree = {"network": [{"conv2d": {"channels": 32}}, "relu"], "inputs": {"my photo.jpg": {"size": [64, 64]}, "空": {}}, "classes": []}


def test_every_leaf_has_an_address() -> None:
    leaves = flatten(TREE)
    assert leaves == {
        "network[0].conv2d.channels": 32,
        "network[1]": "relu",
        'inputs."my photo.jpg".size[0]': 64,
        'inputs."my photo.jpg".size[1]': 64,
        "inputs.空": {},
        "classes": [],
    }
    assert all(get(TREE, address(name)) == leaf for name, leaf in leaves.items())


@given(st.lists(st.text(min_size=1) | st.integers(0, 10**9 - 1), min_size=1).map(tuple).filter(lambda path: isinstance(path[0], str)))
def test_an_address_is_read_back(path: Path) -> None:
    assert address(spell(path)) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "[0]", "a[", "a[x]", "a[-1]", "a..b", 'a."b', "a]b", "a[0]b", "a=b", 'a"b"'])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".?"):
        address(text)


def test_a_tree_is_changed_in_a_copy() -> None:
    changed = replaced(TREE, ("network", 0, "conv2d", "channels"), 64)
    assert get(changed, ("network", 0, "conv2d", "channels")) == 64
    assert get(TREE, ("network", 0, "conv2d", "channels")) == 32
    assert get(replaced(TREE, ("inputs", "new"), 1), ("inputs", "new")) == 1
    assert replaced(TREE, (), 5) == 5


@pytest.mark.parametrize("path", [("network", 5), ("network", "x"), ("inputs", "no", "no"), ("network", 1, "x"), ("inputs", 0)])
def test_a_place_that_is_not_there(path: Path) -> None:
    with pytest.raises(LookupError):
        replaced(TREE, path, 1)
    with pytest.raises(LookupError):
        get(TREE, path)
