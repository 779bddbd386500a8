"""Every layer keeps the contract; shapes agree with torch on many sizes; special cases of single layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from flambeau.errors import CheckFailed, RecipeError, ShapeError
from flambeau.network import contract
from flambeau.network.activation import ACTIVATIONS, ActivationName, activation
from flambeau.network.attention import Attention, TransformerBlock
from flambeau.network.catalogue import layer_catalogue
from flambeau.network.chain import build_chain, last_shape, shapes_through
from flambeau.network.columns import ColumnEmbedding, ColumnTokens
from flambeau.network.combine import LAYERS, DenseConnection, Gated, Highway, Parallel, Repeat, Residual, Sequential, num_layers
from flambeau.network.convolution import Conv2d, ConvBlock, DepthwiseConv2d, Upsample
from flambeau.network.custom import Custom
from flambeau.network.dense import Dropout, Flatten, Linear
from flambeau.network.joining import FromTap, Tap
from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, SEQUENCE, Layer, Shape, both, layer
from flambeau.network.norm import BatchNorm, Dropout2d, GroupNorm, InstanceNorm, LayerNorm, NormName, norm
from flambeau.network.padding import Flow, OverTime, Padded, parts, through
from flambeau.network.pooling import AttentionPool, AvgPool, FirstState, GlobalAvgPool, GlobalMaxPool, LastState, MaxPool
from flambeau.network.recurrent import Gru, Lstm, Rnn
from flambeau.network.scaling import LayerScale, SqueezeExcitation, StochasticDepth
from flambeau.network.sequence import AsImage, AsSequence, ClassToken, Conv1d, Conv1dBlock, Embedding, PatchEmbedding, PositionalEncoding
from flambeau.types import TensorSpec

SMALL = Shape(IMAGE, (4, 9, 7))
ROW = Shape(FEATURES, (6,))
TIMES = Shape(SEQUENCE, (11, 6))
VARYING = Shape(SEQUENCE, (None, 6))
WORDS = Shape(IDS, (None,), 20)
TABLE = Shape(COLUMNS, (5,), (0, 4, 0, 0, 7))

OVER_TIME: tuple[Layer, ...] = (
    Linear(3),
    LayerNorm(),
    BatchNorm(),
    MaxPool(),
    MaxPool(3, stride=2, padding=1),
    AvgPool(),
    AvgPool(3, stride=2, padding=1),
    AvgPool(3, stride=1, padding="half"),
    GlobalAvgPool(),
    GlobalMaxPool(),
    LastState(),
    LastState(both_ways=True),
    FirstState(),
    AttentionPool(),
    Conv1d(4),
    Conv1d(4, kernel=4, stride=3, initialise="kaiming"),
    Conv1d(6, kernel=3, padding=3, dilation=2, groups=2, bias=False),
    Conv1dBlock(4, stride=2),
    Conv1dBlock(4, norm="layer", activation="gelu"),
    PositionalEncoding(),
    PositionalEncoding("learned", 7),
    ClassToken(),
    Rnn(5),
    Rnn(5, layers=2, bidirectional=True, activation="relu"),
    Lstm(5),
    Lstm(4, layers=2, bidirectional=True),
    Gru(5, layers=2, dropout=0.2),
    Gru(5, layers=2, bidirectional=True, dropout=0.2),
    Attention(2),
    Attention(3, rotary=True, initialise="xavier"),
    TransformerBlock(2),
    TransformerBlock(3, dropout=0.1, rotary=True, layer_scale=0.5, stochastic_depth=0.1),
    LayerScale(),
    StochasticDepth(),
    SqueezeExcitation(),
    Repeat(3, (Linear(6),), tied=True),
    DenseConnection((Conv1dBlock(2),), 3),
    Gated((Conv1d(4, stride=2),)),
    Highway((Conv1d(6),)),
    Sequential((Tap("a"), Conv1d(3), FromTap("a"), Tap("a"), Conv1d(9), FromTap("a", join="sum"))),
    Residual((Linear(2),)),
    Residual((Conv1dBlock(6, stride=2), Conv1d(5))),
    Residual((Conv1d(6), BatchNorm()), zero_init=True),
    Parallel(((), (Linear(2),))),
    Parallel(((Conv1d(2, stride=2),), (AvgPool(),))),
    ACTIVATIONS[2](each=True),
)

CASES: dict[Shape, tuple[Layer, ...]] = {
    SMALL: (
        Flatten(),
        Dropout(),
        *(cls() for cls in ACTIVATIONS),
        Conv2d(5),
        Conv2d(6, kernel=(1, 4), stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=2, bias=False, initialise="orthogonal"),
        DepthwiseConv2d(5, stride=2, multiplier=2, initialise="xavier"),
        ConvBlock(8, norm="group", activation="gelu", initialise="kaiming"),
        ConvBlock(3, norm="none", activation="none", initialise="normal"),
        ConvBlock(4, norm="instance"),
        ConvBlock(4, norm="layer"),
        MaxPool(),
        MaxPool(3, stride=2, padding=1),
        MaxPool(2, ceil_mode=False),
        AvgPool(),
        AvgPool((2, 3), stride=2, padding=(1, 1)),
        GlobalAvgPool(),
        GlobalMaxPool(),
        Upsample(),
        Upsample(3, "bilinear"),
        BatchNorm(),
        LayerNorm(),
        GroupNorm(2),
        InstanceNorm(),
        InstanceNorm(affine=False),
        Dropout2d(),
        Sequential((Conv2d(3), ACTIVATIONS[0]())),
        Repeat(2, (ConvBlock(4),)),
        Residual((Conv2d(4),), zero_init=True),
        Residual((ConvBlock(6, stride=2), ConvBlock(6, activation="none")), activation="relu", zero_init=True, initialise="kaiming"),
        Residual((MaxPool((2, 1)),)),
        Parallel(((), (Conv2d(2),), (MaxPool(3, stride=1, padding=1),))),
        Parallel(((Conv2d(4),), ()), join="sum"),
        PatchEmbedding(6),
        PatchEmbedding(5, 4, initialise="normal"),
        AsSequence(),
        LayerScale(0.5),
        StochasticDepth(),
        SqueezeExcitation(),
        Repeat(2, (Conv2d(4),), tied=True),
        DenseConnection((ConvBlock(2),), 2),
        Gated((Conv2d(3),)),
        Highway((Conv2d(4),)),
        Sequential((Tap("in"), MaxPool(), Upsample(), Conv2d(2, 2, padding=0), FromTap("in"))),
    ),
    ROW: (
        Linear(3),
        Linear(2, bias=False, initialise="xavier"),
        Flatten(),
        BatchNorm(),
        LayerNorm(),
        GroupNorm(3),
        ACTIVATIONS[2](each=True),
        Residual((Linear(6),)),
        Residual((Linear(4), ACTIVATIONS[0]())),
        Parallel(((), (Linear(2),))),
        LayerScale(),
        StochasticDepth(),
        DenseConnection((Linear(2),)),
        Gated((Linear(3),)),
        Highway((Linear(6),)),
    ),
    TIMES: (Flatten(), AsImage(), *OVER_TIME),
    VARYING: OVER_TIME,
    WORDS: (Embedding(5), Embedding(3, freeze=True)),
    TABLE: (ColumnEmbedding(), ColumnEmbedding(3), ColumnTokens(4)),
}
PAIRS = [(one, shape) for shape, layers in CASES.items() for one in layers]


def test_the_cases_hold_every_layer() -> None:
    assert {*(type(one) for one, _ in PAIRS), Tap, FromTap, Custom} == set(LAYERS)  # Custom: test_network_custom
    assert len({cls.name for cls in LAYERS}) == len(LAYERS)


@pytest.mark.parametrize(("one", "shape"), PAIRS, ids=lambda value: getattr(value, "name", ""))
def test_contract(one: Layer, shape: Shape) -> None:
    contract.check_documentation(one)
    contract.check_round_trip(one)
    contract.check_shape(one, shape)
    contract.check_seed(one, shape)
    contract.check_padding(one, shape)


@pytest.mark.parametrize("shape", CASES, ids=["image", "features", "sequence", "varying", "ids", "columns"])
def test_all_layers_export_in_one_graph(shape: Shape) -> None:
    """As check_layer does for one layer, for all of a shape at once: an export costs most of a second.

    What works over a fixed time is exported over a varying one, the harder case.
    """
    layers = [one for one in CASES[shape] if shape != TIMES or one not in OVER_TIME]
    ends = [(one, *(() if one.gives(shape).axes == FEATURES else (GlobalAvgPool() if contract.varies(shape) else Flatten(),))) for one in layers]
    branches = [build_chain(branch, shape) for branch in ends]
    contract.check_module_export("all", SideBySide(branches).eval(), shape)


class SideBySide(OverTime):
    """All branches from one tensor, whatever its axes."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Flow) -> torch.Tensor:
        return torch.cat([parts(through(branch, x))[0] for branch in self.branches], 1)


def test_check_layer_runs_every_check() -> None:
    contract.check_layer(ConvBlock(3), SMALL)


# Layers that break one promise each.


@layer
class Liar(Layer):
    """Says one shape and gives another."""

    name: ClassVar[str] = "liar"

    def gives(self, shape: Shape) -> Shape:
        return Shape(shape.axes, (*shape.sizes[:-1], 99))

    def build(self, shape: Shape) -> nn.Module:
        return nn.Identity()


@layer
class Shifty(Layer):
    """Says other axes than it makes."""

    name: ClassVar[str] = "shifty"

    def gives(self, shape: Shape) -> Shape:
        return Shape(("time",), shape.sizes)

    def build(self, shape: Shape) -> nn.Module:
        return nn.Identity()


@layer
class Silent(Layer):
    """Does not say what its field is."""

    name: ClassVar[str] = "silent"
    size: int = 3

    def gives(self, shape: Shape) -> Shape:
        return shape

    def build(self, shape: Shape) -> nn.Module:
        return nn.Identity()


@layer
class Fickle(Layer):
    """Draws from a generator of its own, and runs in another way when exported."""

    name: ClassVar[str] = "fickle"

    def gives(self, shape: Shape) -> Shape:
        return shape

    def build(self, shape: Shape) -> nn.Module:
        return FickleModule()


@dataclass(frozen=True)
class Forgetful(Layer):
    """Is another one after it was written and read.

    (A stdlib dataclass whose field is not kept.)
    """

    name: ClassVar[str] = "forgetful"
    size: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.size + 1)

    def gives(self, shape: Shape) -> Shape:
        return shape

    def build(self, shape: Shape) -> nn.Module:
        return nn.Identity()


class FickleModule(nn.Module):
    generator = torch.Generator().manual_seed(1)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1, generator=self.generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if torch.compiler.is_exporting() else x


@pytest.mark.parametrize(
    ("check", "one", "code"),
    [
        (contract.check_shape, Liar(), "contract-shape"),
        (contract.check_shape, Shifty(), "contract-axes"),
        (contract.check_seed, Fickle(), "contract-seed"),
        (contract.check_export, Fickle(), "contract-export"),
    ],
)
def test_contract_finds_what_is_broken(check: object, one: Layer, code: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        check(one, ROW)  # type: ignore[operator]
    assert caught.value.code == code
    assert one.name in caught.value.what


@pytest.mark.parametrize(
    ("check", "one", "code"), [(contract.check_documentation, Silent(), "contract-fields"), (contract.check_round_trip, Forgetful(), "contract-yaml")]
)
def test_contract_finds_bad_fields(check: object, one: Layer, code: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        check(one)  # type: ignore[operator]
    assert caught.value.code == code


def test_names_of_activations_and_norms_are_those_of_the_layers() -> None:
    assert get_args(ActivationName) == ("none", *(cls.name for cls in ACTIVATIONS))
    assert [len(activation(name)) for name in get_args(ActivationName)] == [0, *[1] * len(ACTIVATIONS)]
    assert {name: [one.name for one in norm(name, 12)] for name in get_args(NormName)} == {
        "none": [], "batch": ["batch_norm"], "layer": ["layer_norm"], "group": ["group_norm"], "instance": ["instance_norm"]
    }  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 5),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
    ceil_mode=st.booleans(),
)
def test_window_formulas_agree_with_torch(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> None:
    shape = Shape(IMAGE, (1, size, size + 3))
    pools = (MaxPool(kernel, stride, padding, ceil_mode), AvgPool(kernel, stride, padding, ceil_mode))
    for one in (Conv2d(1, kernel, stride, padding, dilation), *pools):
        examples = torch.zeros(1, *shape.concrete)
        try:
            want = one.gives(shape)
        except ShapeError as error:
            assert error.code in ("window-too-large", "padding-too-large")
            with pytest.raises(RuntimeError):
                one.build(shape)(examples)
        else:
            assert tuple(one.build(shape)(examples).shape[1:]) == want.sizes


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pools_never_shrink_an_image_to_nothing(size: int) -> None:
    shape = Shape(IMAGE, (2, size, size))
    layers = (MaxPool(), AvgPool(), MaxPool(3, stride=2, padding=1), MaxPool(), Residual((ConvBlock(3, stride=2),)), MaxPool(4))
    assert last_shape(layers, shape).concrete == (3, 1, 1)
    assert build_chain(layers, shape).eval()(torch.zeros(2, *shape.concrete)).shape == (2, 3, 1, 1)


def test_average_ignores_what_lies_outside_the_image() -> None:
    ones = torch.ones(1, 1, 5, 5)
    assert torch.equal(AvgPool(2, padding=1).build(Shape(IMAGE, (1, 5, 5)))(ones).unique(), torch.ones(1))


def test_layer_norm_of_an_image_is_torchs_over_the_channels() -> None:
    x = torch.randn(2, 4, 9, 7)
    want = nn.functional.layer_norm(x.movedim(1, -1), (4,), eps=1e-6).movedim(-1, 1)
    assert torch.allclose(LayerNorm().build(SMALL)(x), want, atol=1e-6)


@pytest.mark.parametrize(("shape", "each"), [(SMALL, True), (SMALL, False), (ROW, True)])
def test_prelu_is_torchs(shape: Shape, each: bool) -> None:
    x = torch.randn(3, *shape.concrete)
    module = ACTIVATIONS[2](each=each, slope=0.3).build(shape)
    [weight] = module.parameters()
    weight.data.mul_(torch.rand_like(weight))
    assert torch.allclose(module(x), nn.functional.prelu(x, weight.detach().flatten()))


def test_residual_adds_its_input() -> None:
    x = torch.randn(2, *SMALL.concrete)
    block = Residual((Conv2d(4),)).build(SMALL)
    assert torch.allclose(block(x), block.branch(x) + x)  # type: ignore[operator]


@pytest.mark.parametrize(
    "branch",
    [
        (ConvBlock(4, activation="none"),),
        (Conv2d(4),),
        (ConvBlock(4), Conv2d(4), GroupNorm(2), Dropout(0.1)),
        (Sequential((Conv2d(4), LayerNorm())),),
    ],
)
def test_zero_init_starts_as_the_shortcut_and_still_learns(branch: tuple[Layer, ...]) -> None:
    x = torch.randn(3, *SMALL.concrete)
    block = Residual(branch, zero_init=True).build(SMALL)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert any(parameter.grad is not None and bool(parameter.grad.abs().sum() > 0) for parameter in block.parameters())


@pytest.mark.parametrize("branch", [(ConvBlock(4),), (InstanceNorm(affine=False),), (ConvBlock(4, activation="prelu"),)])
def test_zero_init_is_refused_where_nothing_would_learn(branch: tuple[Layer, ...]) -> None:
    with pytest.raises(RecipeError) as caught:
        build_chain((Dropout(), Residual(branch, zero_init=True)), SMALL)
    assert caught.value.code == "residual-not-zeroable"
    assert caught.value.path == (1, "residual", "zero_init")
    assert "layer 2 'residual'" in caught.value.what


@pytest.mark.parametrize(
    ("one", "shape", "code", "path"),
    [
        (Conv2d(4, groups=3), SMALL, "groups-do-not-divide", (0, "conv2d", "groups")),
        (GroupNorm(3), SMALL, "groups-do-not-divide", (0, "group_norm", "groups")),
        (Conv2d(4, kernel=8, padding=0), SMALL, "window-too-large", (0, "conv2d")),
        (MaxPool(2, padding=2), SMALL, "padding-too-large", (0, "max_pool", "padding")),
        (InstanceNorm(), Shape(IMAGE, (4, 1, 1)), "one-pixel", (0, "instance_norm")),
        (Residual((Conv2d(4, padding=0),)), SMALL, "residual-shapes", (0, "residual")),
        (Residual((Upsample(),)), SMALL, "residual-shapes", (0, "residual")),
        (Residual((Flatten(),)), SMALL, "residual-shapes", (0, "residual")),
        (Parallel(((), (MaxPool(),))), SMALL, "branches-differ", (0, "parallel", "branches")),
        (Parallel(((), (Conv2d(3),)), join="sum"), SMALL, "branches-differ", (0, "parallel", "branches")),
        (Linear(3), SMALL, "shape-mismatch", (0, "linear")),
        (Conv2d(3), ROW, "shape-lost", (0, "conv2d")),
        (Parallel(((), (ConvBlock(2), Linear(3)))), SMALL, "shape-mismatch", (0, "parallel", "branches", 1, 1, "linear")),
        (Repeat(2, (GlobalAvgPool(),)), SMALL, "shape-lost", (0, "repeat", "layers", 0, "global_avg_pool")),
        (Flatten(), Shape(SEQUENCE, (None, 3)), "size-varies", (0, "flatten")),
        (Conv2d(1_000_000), Shape(IMAGE, (3, 64, 64)), "activation-too-large", (0, "conv2d")),
        (Linear(3), WORDS, "shape-mismatch", (0, "linear")),
        (Dropout(), WORDS, "shape-mismatch", (0, "dropout")),
        (Linear(3), TABLE, "shape-mismatch", (0, "linear")),
        (Gru(3), SMALL, "shape-mismatch", (0, "gru")),
        (MaxPool((1, 2)), TIMES, "one-extent", (0, "max_pool")),
        (MaxPool(3, ceil_mode=False), VARYING, "window-over-varying", (0, "max_pool")),
        (Conv1d(3, padding=0), VARYING, "window-over-varying", (0, "conv1d")),
        (Conv1d(3, kernel=12, padding=0), TIMES, "window-too-large", (0, "conv1d")),
        (Conv1d(3, groups=4), TIMES, "groups-do-not-divide", (0, "conv1d", "groups")),
        (Attention(4), TIMES, "heads-do-not-divide", (0, "attention", "heads")),
        (TransformerBlock(6, rotary=True), TIMES, "heads-do-not-divide", (0, "transformer_block", "heads")),
        (FromTap("a"), TIMES, "tap-unknown", (0, "from_tap", "label")),
        (Repeat(2, (Linear(3),), tied=True), ROW, "tied-shapes", (0, "repeat", "tied")),
        (Highway((Linear(3),)), ROW, "highway-shapes", (0, "highway", "layers")),
        (Highway((MaxPool(),)), VARYING, "highway-shapes", (0, "highway", "layers")),
        (Parallel(((), (MaxPool(),))), VARYING, "branches-differ", (0, "parallel", "branches")),
        (DenseConnection((MaxPool(),)), VARYING, "branches-differ", (0, "dense_connection", "layers")),
        (AsImage(), VARYING, "size-varies", (0, "as_image")),
        (DepthwiseConv2d(multiplier=1024), Shape(IMAGE, (500_000, 2, 2)), "activation-too-large", (0, "depthwise_conv2d")),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(
    one: Layer, shape: Shape, code: str, path: tuple[str | int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ShapeError) as caught:
        shapes_through((one,), shape)
    assert (caught.value.code, caught.value.path) == (code, path)
    for lang in ("en", "zh"):
        monkeypatch.setenv("FLAMBEAU_LANG", lang)
        assert caught.value.what and caught.value.fix


def test_a_mismatch_shows_the_layers_so_far_and_the_cure() -> None:
    layers = (Conv2d(8), MaxPool(), Linear(10))
    with pytest.raises(ShapeError) as caught:
        shapes_through(layers, Shape(IMAGE, (3, 28, 28)))
    error = caught.value
    assert error.path == (2, "linear")
    assert error.what == "layer 3 'linear' takes features or time x features, but gets channels 8 x height 14 x width 14"
    assert error.why.splitlines()[2:] == [
        "     1  conv2d    channels 8 x height 28 x width 28",
        "     2  max_pool  channels 8 x height 14 x width 14",
        "->   3  linear    ?",
    ]
    assert error.fix == "put global_avg_pool or flatten in front of it"


def test_a_length_that_varies_passes_through() -> None:
    shape = Shape(IMAGE, (3, None, 32))
    assert last_shape((Conv2d(4), MaxPool(), Upsample(), DepthwiseConv2d()), shape).sizes == (4, None, 32)
    assert last_shape((GlobalAvgPool(),), Shape(SEQUENCE, (None, 5))) == Shape(FEATURES, (5,))
    assert str(shape) == "channels 3 x height ? x width 32"
    assert Shape.of(TensorSpec(SEQUENCE, (None, 5), "float32")).concrete == (16, 5)


def test_a_layer_refuses_what_is_not_a_number() -> None:
    for bad in (0, -1, "32", True, 1.5, 10**12):
        with pytest.raises(ValidationError):
            Conv2d(bad)  # type: ignore[arg-type]
    for kernel in (0, "3", (1, 2, 3), (0, 1), True, None):
        with pytest.raises(ValidationError):
            Conv2d(3, kernel=kernel)  # type: ignore[arg-type]
    assert Conv2d(3, kernel=(3, 3)) == Conv2d(3)
    assert both(3) == (3, 3)
    with pytest.raises(ValidationError):
        Residual(())
    with pytest.raises(AttributeError):
        Conv2d(3).channels = 4  # type: ignore[misc]


def test_every_repetition_and_branch_counts() -> None:
    inner = Repeat(10, (Dropout(), Sequential((Dropout(), Dropout()))))
    assert num_layers((inner, Parallel(((), (Dropout(),))), Residual((Dropout(),)))) == 1 + 10 * 4 + 2 + 2


def test_the_catalogue_tells_every_field() -> None:
    docs = {doc.name: doc for doc in layer_catalogue()}
    assert list(docs) == [cls.name for cls in LAYERS]
    for cls in LAYERS:
        assert [field.name for field in docs[cls.name].fields] == [field.name for field in fields(cls)]  # type: ignore[arg-type]
    conv = docs["conv2d"]
    assert (conv.takes, conv.gives, conv.fields[0].required, conv.fields[1].default) == ((IMAGE,), None, True, 3)
    assert {field.name: field.type for field in conv.fields}["kernel"] == "integer, 1 to 1,024 or [height, width]"
    assert docs["dropout"].fields[0].type == "number, 0 to 1 (excluded)"
    assert docs["elu"].fields[0].type == "number, 0 (excluded) to 1,000,000"
    assert docs["residual"].fields[0].type == "list of layer"
    assert docs["global_avg_pool"].gives == FEATURES
    assert docs["upsample"].fields[1].type == "nearest, bilinear"
    assert all(field.description for doc in docs.values() for field in doc.fields)


VARIES = Shape(SEQUENCE, (None, 6))


@pytest.mark.parametrize("branch", [(Conv1dBlock(6, stride=2),), (AvgPool(2),), (Conv1d(6), AvgPool(4))])
def test_residual_around_a_stride_over_a_length_that_varies(branch: tuple[Layer, ...]) -> None:
    block = Residual(branch).build(VARIES).eval()
    for length in (16, 32):
        x = Padded(torch.randn(2, length, 6), torch.ones(2, length, dtype=torch.bool))
        values = parts(through(block, x))[0]
        assert values.shape == parts(through(block.branch, x))[0].shape  # type: ignore[arg-type]
        assert values.shape[1] < length


def test_lengths_that_differ_are_not_added_or_joined() -> None:
    for layers, code in (
        ([Residual((ClassToken(),))], "residual-shapes"),
        ([Tap("a"), AvgPool(2), FromTap("a")], "branches-differ"),
        ([Tap("a"), ClassToken(), FromTap("a")], "branches-differ"),
    ):
        with pytest.raises(ShapeError) as caught:
            shapes_through(layers, VARIES)
        assert caught.value.code == code
    assert shapes_through([Tap("a"), Conv1d(6), FromTap("a")], VARIES)[-1].sizes == (None, 12)
