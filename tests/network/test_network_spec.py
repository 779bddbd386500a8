"""Specs: YAML equal to Python, exact places of problems, the resolved form, the JSON Schema."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from flambeau import network
from flambeau.messages import catalogue
from flambeau.network import (
    Conv2d,
    ConvBlock,
    CustomNetwork,
    Dropout,
    GlobalAvgPool,
    Initialise,
    LayerList,
    Linear,
    MaxPool,
    NetworkSpec,
    Parallel,
    Relu,
    Residual,
    TimmNetwork,
)
from flambeau.network.combine import LAYERS
from flambeau.network.spec import PRESETS, as_written, read_preset

SPEC: TypeAdapter[Any] = TypeAdapter(NetworkSpec)


def read(text: str) -> Any:
    return SPEC.validate_python(yaml.safe_load(text))


def faults(tree: object) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        SPEC.validate_python(tree)
    return [(details["loc"], details["type"]) for details in caught.value.errors(include_url=False)]


def test_yaml_is_equal_to_python() -> None:
    text = """
    - conv2d: 32
    - conv2d: {channels: 32, kernel: [1, 5]}
    - relu
    - residual:
      - conv_block: 32
      - conv2d: {channels: 32}
    - parallel: {branches: [[], [max_pool: {size: 3, stride: 1, padding: half}]], join: sum}
    - max_pool:
    - global_avg_pool
    - linear: 10
    """
    python = [
        Conv2d(32),
        Conv2d(32, kernel=(1, 5)),
        Relu(),
        Residual((ConvBlock(32), Conv2d(32))),
        Parallel(((), (MaxPool(3, 1, "half"),)), "sum"),
        MaxPool(),
        GlobalAvgPool(),
        Linear(10),
    ]
    assert read(text) == SPEC.validate_python(python) == LayerList(layers=tuple(python))
    assert Residual([Conv2d(32)]) == Residual((Conv2d(32),))  # type: ignore[arg-type]  # a list is as good as a tuple


def test_the_resolved_form_says_everything_and_reads_back_equal() -> None:
    spec = read("[conv2d: 32, relu, {residual: [{conv2d: 32}]}]")
    tree = SPEC.dump_python(spec)
    assert tree[:2] == [
        {"conv2d": {"channels": 32, "kernel": 3, "stride": 1, "padding": "half", "dilation": 1, "groups": 1, "bias": True, "initialise": None}},
        "relu",
    ]
    assert tree[2]["residual"]["layers"] == tree[:1]
    assert read(yaml.safe_dump(tree)) == spec
    with_start = read("{layers: [relu], initialise: {weights: kaiming}}")
    written = {"layers": ["relu"], "initialise": {"weights": "kaiming", "zero_residual": False}, "weights": None, "rename": {}}
    assert SPEC.dump_python(with_start) == written
    for other in ("small_resnet", "{timm: resnet18}", "{custom: {target: 'a.b:C', arguments: {width: 3}}}"):
        assert read(yaml.safe_dump(SPEC.dump_python(read(other)))) == read(other)
    assert SPEC.dump_python(TimmNetwork(name="x"))["timm"] == {
        "name": "x",
        "weights": None,
        "rename": {},
        "freeze": False,
        "levels": None,
        "lr_scale": 1.0,
    }
    assert read("{custom: 'a:B'}") == CustomNetwork(target="a:B")


def test_all_problems_come_at_once_with_the_path_in_the_file() -> None:
    tree = yaml.safe_load("""
    - relu
    - maxpol: 2
    - residual: [{conv2d: 0}, {conv2d: {chanels: 3}}, {residual: {layers: [linaer]}}]
    - conv2d: {channels: 3, kernel: -1, stride: 1.5}
    - parallel: [[rel], [{linear: "3"}]]
    - repeat: {times: 2, layers: [{sequential: [{dropout: 1.0}]}]}
    - {conv2d: 3, kernel: 3}
    -
    - relu: 3
    - conv2d
    - [relu]
    """)
    assert faults(tree) == [
        ((1,), "layer-unknown"),
        ((2, "residual", 0, "conv2d"), "greater_than_equal"),
        ((2, "residual", 1, "conv2d", "channels"), "missing"),
        ((2, "residual", 1, "conv2d", "chanels"), "layer-field-unknown"),
        ((2, "residual", 2, "residual", "layers", 0), "layer-unknown"),
        ((3, "conv2d", "kernel"), "extent-invalid"),
        ((3, "conv2d", "stride"), "extent-invalid"),
        ((4, "parallel", 0, 0), "layer-unknown"),
        ((4, "parallel", 1, 0, "linear"), "int_type"),
        ((5, "repeat", "layers", 0, "sequential", 0, "dropout"), "less_than"),
        ((6,), "layer-malformed"),
        ((7,), "layer-malformed"),
        ((8, "relu"), "layer-without-fields"),
        ((9, "conv2d", "channels"), "missing"),
        ((10,), "layer-malformed"),
    ]


@pytest.mark.parametrize(
    ("tree", "want"),
    [
        ("small_resnt", [((), "network-unknown")]),
        (3, [((), "network-malformed")]),
        (
            {"layers": [{"conv2d": 0}], "initialise": {"weights": "x"}},
            [(("layers", 0, "conv2d"), "greater_than_equal"), (("initialise", "weights"), "literal_error")],
        ),
        ({"layers": [], "initialize": {}}, [(("initialize",), "layer-field-unknown")]),
        (
            {"timm": {"name": "resnet18", "wieghts": "hub", "lr_scale": 2.0}},
            [(("timm", "lr_scale"), "less_than_equal"), (("timm", "wieghts"), "layer-field-unknown")],
        ),
        ({"timm": 3}, [(("timm",), "string_type")]),
        ({"custom": "no colon"}, [(("custom",), "string_pattern_mismatch")]),
        ({"custom": {"target": "os:system; rm"}}, [(("custom", "target"), "string_pattern_mismatch")]),
        ({"timm": "a", "custom": "b:C"}, [((), "network-malformed")]),
        ([{"residual": []}, {"parallel": []}], [((0, "residual"), "layers-empty"), ((1, "parallel"), "layers-empty")]),
        (["relu"] * 10_001, [((), "too_long")]),
    ],
)
def test_problems_of_other_forms(tree: object, want: list[tuple[tuple[str | int, ...], str]]) -> None:
    assert faults(tree) == want


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("maxpol", "max_pool"),
        ("MaxPool2d", "max_pool"),
        ("Conv-2D", "conv2d"),
        ("batchnorm", "batch_norm"),
        ("zzz", ""),
        ("\x1b[31mrelu\n", ""),
        ("\x1brelu\n", "relu"),
        (7, ""),
    ],
)
def test_an_unknown_layer_brings_the_closest_name(word: object, guess: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SPEC.validate_python([{word: 3}])
    [details] = caught.value.errors()
    assert details["ctx"]["guess"] == guess
    assert "\x1b" not in details["msg"] and "\n" not in details["msg"]


def test_hostile_specs_end_soon() -> None:
    deep: object = "relu"
    for _ in range(5_000):
        deep = {"sequential": [deep]}
    assert faults([deep])[0][1] == "recursion_depth_exceeded"
    [(_, kind)] = faults([{"x" * 10_000_000: 1}])
    assert kind == "layer-unknown"
    [(_, kind)] = faults([{str(key): 1 for key in range(100_000)}])
    assert kind == "layer-malformed"


def test_every_custom_problem_is_a_message_in_both_languages() -> None:
    own = {
        "layer-unknown",
        "layer-malformed",
        "layer-without-fields",
        "layer-field-unknown",
        "extent-invalid",
        "layers-empty",
        "network-unknown",
        "network-malformed",
    }
    assert own <= catalogue("en").keys() and own <= catalogue("zh").keys()


def test_initialisation_fills_what_is_open_and_leaves_what_is_said() -> None:
    layers = (Residual((Conv2d(3), Conv2d(3, initialise="normal"))), Parallel(((), (Linear(3),))), Residual((Linear(3),), zero_init=False), Relu())
    filled = LayerList(layers=layers, initialise=Initialise(weights="kaiming", zero_residual=True)).filled()
    assert filled == (
        Residual((Conv2d(3, initialise="kaiming"), Conv2d(3, initialise="normal")), zero_init=True, initialise="kaiming"),
        Parallel(((), (Linear(3, initialise="kaiming"),))),
        Residual((Linear(3, initialise="kaiming"),), zero_init=False, initialise="kaiming"),
        Relu(),
    )


def test_paths_are_cut_to_what_a_person_wrote() -> None:
    tree = {"network": ["relu", {"residual": [{"conv2d": 8}]}, {"repeat": {"times": 2, "layers": ["flatten"]}}]}
    assert as_written(("network", 1, "residual", "layers", 0, "conv2d", "groups"), tree) == ("network", 1, "residual", 0, "conv2d")
    assert as_written(("network", 2, "repeat", "layers", 0, "flatten"), tree) == ("network", 2, "repeat", "layers", 0)
    assert as_written(("network", 3, "conv2d"), {"network": "cnn"}) == ("network",)
    assert as_written(("network", 0, "relu"), {"network": {"layers": ["relu"]}}) == ("network",)


def test_presets_are_files_and_all_are_listed() -> None:
    from importlib.resources import files

    folder = files("flambeau.network") / "presets"
    assert {file.name.removesuffix(".yaml") for file in folder.iterdir()} == set(PRESETS)
    for name in PRESETS:
        assert (folder / f"{name}.yaml").read_text(encoding="utf-8").startswith(f"# {name}: ")
        assert read(yaml.safe_dump(SPEC.dump_python(read_preset(name).network))) == read_preset(name).network


def test_the_json_schema_allows_the_three_forms_and_describes_every_field() -> None:
    schema = SPEC.json_schema()
    nodes = schema["$defs"]["Node"]["oneOf"]
    assert len(nodes) == len(LAYERS)
    by_name = {next(iter(node["anyOf"][-1]["properties"])): node["anyOf"] for node in nodes}
    assert by_name["relu"][0]["const"] == "relu"
    assert len(by_name["conv2d"]) == 1  # channels are needed, so the bare name is no spec
    short, long = by_name["conv2d"][0]["properties"]["conv2d"]["anyOf"]
    assert (short["type"], short["minimum"], long["$ref"]) == ("integer", 1, "#/$defs/Conv2d")
    assert by_name["residual"][0]["properties"]["residual"]["anyOf"][0]["items"] == {"$ref": "#/$defs/Node"}
    for cls in LAYERS:
        for field in schema["$defs"][cls.__name__].get("properties", {}).values():
            assert field["description"]


NODES = st.recursive(
    st.one_of(st.just(Relu()), st.tuples(st.integers(1, 9), st.integers(1, 5)).map(lambda pair: Conv2d(*pair)), st.floats(0, 0.99).map(Dropout)),
    lambda inner: st.one_of(st.tuples(inner, inner).map(Residual), st.tuples(st.tuples(inner), st.just(())).map(Parallel)),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NODES, max_size=5))
def test_any_spec_survives_yaml(layers: list[Any]) -> None:
    spec = SPEC.validate_python(layers)
    assert read(yaml.safe_dump(SPEC.dump_python(spec))) == spec


def test_specs_need_no_torch() -> None:
    code = "import sys, flambeau.network, flambeau.network.catalogue as c; c.layer_catalogue(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert all(cls.__name__ in network.__all__ for cls in LAYERS)
