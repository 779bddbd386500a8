"""Networks as readable lists of layers: ``[Conv2d(32), Residual([Conv2d(32)]), GlobalAvgPool()]`` is the YAML of the same names."""

from flambeau.network.activation import (
    Elu,
    Gelu,
    Hardsigmoid,
    Hardswish,
    LeakyRelu,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from flambeau.network.combine import Parallel, Repeat, Residual, Sequential
from flambeau.network.convolution import AvgPool, Conv2d, ConvBlock, DepthwiseConv2d, GlobalAvgPool, GlobalMaxPool, MaxPool, Upsample
from flambeau.network.dense import Dropout, Flatten, Linear
from flambeau.network.initialisation import Initialise
from flambeau.network.norm import BatchNorm, Dropout2d, GroupNorm, InstanceNorm, LayerNorm
from flambeau.network.spec import CustomNetwork, LayerList, NetworkSpec, TimmNetwork

__all__ = [
    "AvgPool",
    "BatchNorm",
    "Conv2d",
    "ConvBlock",
    "CustomNetwork",
    "DepthwiseConv2d",
    "Dropout",
    "Dropout2d",
    "Elu",
    "Flatten",
    "Gelu",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Initialise",
    "InstanceNorm",
    "LayerList",
    "LayerNorm",
    "LeakyRelu",
    "Linear",
    "MaxPool",
    "Mish",
    "NetworkSpec",
    "Parallel",
    "Prelu",
    "Relu",
    "Relu6",
    "Repeat",
    "Residual",
    "Selu",
    "Sequential",
    "Sigmoid",
    "Silu",
    "Softplus",
    "Tanh",
    "TimmNetwork",
    "Upsample",
]
