"""Recurrent modules on (batch, time, features). Trained by torch's own, exported as the recurrent operators of ONNX, which run any length."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from flambeau.network.padding import Flow, OverTime, backwards, flow, parts

_GATES: Mapping[str, tuple[int, ...]] = {"RNN_TANH": (0,), "RNN_RELU": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
"""torch's gates in the order of ONNX: for LSTM input, output, forget, cell; for GRU update, reset, new."""
_ATTRIBUTES: Mapping[str, dict[str, Any]] = {
    "RNN_TANH": {"activations": ["Tanh"]},
    "RNN_RELU": {"activations": ["Relu"]},
    "LSTM": {},
    "GRU": {"linear_before_reset": 1},
}


class Recurrent(OverTime):
    """One of torch's recurrent modules, forward in time: what is behind the end of a sequence comes after all that is real."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        if values.is_meta:
            return flow(without_memory(self.rnn, values), mask)
        return flow(in_onnx(self.rnn, values) if torch.onnx.is_in_onnx_export() else self.rnn(values)[0], mask)


class BothWays(OverTime):
    """Layers of two recurrent modules, one forward, one from the last real time to the first; their features side by side."""

    def __init__(self, ahead: Sequence[nn.RNNBase], back: Sequence[nn.RNNBase], dropout: float) -> None:
        super().__init__()
        self.ahead = nn.ModuleList(Recurrent(rnn) for rnn in ahead)
        self.back = nn.ModuleList(Recurrent(rnn) for rnn in back)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Flow) -> Flow:
        values, mask = parts(x)
        for number, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            values = self.dropout(values) if number else values
            values = torch.cat((ahead(values), backwards(back(backwards(values, mask)), mask)), 2)
        return flow(values, mask)


def without_memory(rnn: nn.RNNBase, values: Tensor) -> Tensor:
    """What `rnn` gives for tensors that have no memory, with the products of all times at once: as many operations, counted in no time."""
    for layer in range(rnn.num_layers):
        states = values.new_empty(*values.shape[:2], rnn.hidden_size)
        suffixes = _suffixes(rnn, layer)
        for suffix in suffixes:
            _ = values @ getattr(rnn, f"weight_ih{suffix}").T, states @ getattr(rnn, f"weight_hh{suffix}").T
        values = torch.cat([states] * len(suffixes), 2)
    return values


def in_onnx(rnn: nn.RNNBase, values: Tensor) -> Tensor:
    """What `rnn` gives for (batch, time, features), as ONNX operators: torch's own export unrolls it to the length of the example."""
    for layer in range(rnn.num_layers):
        values = _layer(rnn, layer, values)
    return values


def _layer(rnn: nn.RNNBase, layer: int, values: Tensor) -> Tensor:
    suffixes = _suffixes(rnn, layer)
    weights = [torch.stack([_ordered(rnn, f"weight_{kind}{suffix}") for suffix in suffixes]) for kind in ("ih", "hh")]
    bias = torch.stack([torch.cat([_ordered(rnn, f"bias_{kind}{suffix}") for kind in ("ih", "hh")]) for suffix in suffixes])
    attributes = dict(_ATTRIBUTES[rnn.mode])
    if "activations" in attributes:
        attributes["activations"] = attributes["activations"] * len(suffixes)
    batch, time, _ = values.shape
    result = torch.onnx.ops.symbolic(
        rnn.mode.partition("_")[0],
        (values.transpose(0, 1), *weights, bias),
        {"hidden_size": rnn.hidden_size, "direction": "bidirectional" if rnn.bidirectional else "forward", **attributes},
        dtype=values.dtype,
        shape=(time, len(suffixes), batch, rnn.hidden_size),
        version=14,
    )
    return result.permute(2, 0, 1, 3).flatten(2)


def _suffixes(rnn: nn.RNNBase, layer: int) -> list[str]:
    """Of the names of a layer's weights, one for each direction."""
    return [f"_l{layer}", f"_l{layer}_reverse"][: 2 if rnn.bidirectional else 1]


def _ordered(rnn: nn.RNNBase, name: str) -> Tensor:
    """A weight or bias of all gates (gates * hidden, ...) in ONNX's order of the gates."""
    tensor: Tensor = getattr(rnn, name)
    size = rnn.hidden_size
    return torch.cat([tensor[gate * size : (gate + 1) * size] for gate in _GATES[rnn.mode]])
