"""Networks as readable lists of layers: ``[Conv2d(32), Residual([Conv2d(32)]), GlobalAvgPool()]`` is the YAML of the same names."""

from flambeau.network.activation import Elu, Gelu, Hardsigmoid, Hardswish, LeakyRelu, Mish, Prelu, Relu, Relu6, Selu, Sigmoid, Silu, Softplus, Tanh
from flambeau.network.attention import Attention, TransformerBlock
from flambeau.network.columns import ColumnEmbedding, ColumnTokens
from flambeau.network.combine import DenseConnection, Gated, Highway, Parallel, Repeat, Residual, Sequential
from flambeau.network.convolution import Conv2d, ConvBlock, DepthwiseConv2d, Upsample
from flambeau.network.custom import Custom
from flambeau.network.dense import Dropout, Flatten, Linear
from flambeau.network.initialisation import Initialise
from flambeau.network.joining import FromTap, Tap
from flambeau.network.norm import BatchNorm, Dropout2d, GroupNorm, InstanceNorm, LayerNorm
from flambeau.network.pooling import AttentionPool, AvgPool, FirstState, GlobalAvgPool, GlobalMaxPool, LastState, MaxPool
from flambeau.network.pretrained import CustomNetwork, TimmNetwork, TransformersNetwork
from flambeau.network.recurrent import Gru, Lstm, Rnn
from flambeau.network.scaling import LayerScale, SqueezeExcitation, StochasticDepth
from flambeau.network.sequence import AsImage, AsSequence, ClassToken, Conv1d, Conv1dBlock, Embedding, PatchEmbedding, PositionalEncoding
from flambeau.network.spec import Branches, LayerList, NetworkSpec

__all__ = [
    "AsImage",
    "AsSequence",
    "Attention",
    "AttentionPool",
    "AvgPool",
    "BatchNorm",
    "Branches",
    "ClassToken",
    "ColumnEmbedding",
    "ColumnTokens",
    "Conv1d",
    "Conv1dBlock",
    "Conv2d",
    "ConvBlock",
    "Custom",
    "CustomNetwork",
    "DenseConnection",
    "DepthwiseConv2d",
    "Dropout",
    "Dropout2d",
    "Elu",
    "Embedding",
    "FirstState",
    "Flatten",
    "FromTap",
    "Gated",
    "Gelu",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "Gru",
    "Hardsigmoid",
    "Hardswish",
    "Highway",
    "Initialise",
    "InstanceNorm",
    "LastState",
    "LayerList",
    "LayerNorm",
    "LayerScale",
    "LeakyRelu",
    "Linear",
    "Lstm",
    "MaxPool",
    "Mish",
    "NetworkSpec",
    "Parallel",
    "PatchEmbedding",
    "PositionalEncoding",
    "Prelu",
    "Relu",
    "Relu6",
    "Repeat",
    "Residual",
    "Rnn",
    "Selu",
    "Sequential",
    "Sigmoid",
    "Silu",
    "Softplus",
    "SqueezeExcitation",
    "StochasticDepth",
    "Tanh",
    "Tap",
    "TimmNetwork",
    "TransformerBlock",
    "TransformersNetwork",
    "Upsample",
]
