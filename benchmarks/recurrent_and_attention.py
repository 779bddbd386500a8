"""A training step of our GRU and of our transformer block beside the plain modules of PyTorch with the same sizes, taking turns.

python benchmarks/recurrent_and_attention.py
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import torch
from measuring import record, spread, timed
from torch import Tensor, nn

from flambeau.network.attention import TransformerBlock
from flambeau.network.chain import build_chain
from flambeau.network.layer import SEQUENCE, Layer, Shape
from flambeau.network.padding import Padded, parts
from flambeau.network.recurrent import Gru

BATCH, TIME, FEATURES = 32, 60, 96
ROUNDS = 15


class PlainGru(nn.Module):
    """torch's own, with its own way to leave padding out."""

    def __init__(self, bidirectional: bool) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, FEATURES, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return self.gru(x)[0]  # type: ignore[no-any-return]
        packed = nn.utils.rnn.pack_padded_sequence(x, mask.sum(1), batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0]


class PlainTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(FEATURES, 4, 4 * FEATURES, 0.1, "gelu", batch_first=True, norm_first=True)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.block(x, src_key_padding_mask=None if mask is None else ~mask)  # type: ignore[no-any-return]


class Ours(nn.Module):
    def __init__(self, layer: Layer, varies: bool) -> None:
        super().__init__()
        self.chain = build_chain((layer,), Shape(SEQUENCE, (None if varies else TIME, FEATURES)))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return parts(self.chain(x if mask is None else Padded(x, mask)))[0]


def main() -> None:
    torch.set_num_threads(1)
    x = torch.randn(BATCH, TIME, FEATURES)
    mask = torch.arange(TIME) < torch.randint(TIME // 2, TIME + 1, (BATCH, 1))
    mask[0] = True
    cases: dict[str, tuple[nn.Module, nn.Module, Tensor | None]] = {
        "GRU": (Ours(Gru(FEATURES), False), PlainGru(False), None),
        "GRU, both ways": (Ours(Gru(FEATURES, bidirectional=True), False), PlainGru(True), None),
        "GRU, both ways, padded": (Ours(Gru(FEATURES, bidirectional=True), True), PlainGru(True), mask),
        "transformer block": (Ours(TransformerBlock(4, dropout=0.1), False), PlainTransformer(), None),
        "transformer block, padded": (Ours(TransformerBlock(4, dropout=0.1), True), PlainTransformer(), mask),
    }
    for name, (ours, plain, seen) in cases.items():
        steps = step_of(ours, x, seen), step_of(plain, x, seen)
        pairs = [(timed(steps[0])[1], timed(steps[1])[1]) for _ in range(ROUNDS)]
        ratios = [mine / theirs for mine, theirs in pairs]
        milliseconds = [median(one) * 1000 for one in zip(*pairs, strict=True)]
        print(f"{name}: ours {milliseconds[0]:.1f} ms, plain {milliseconds[1]:.1f} ms, ratio {median(ratios):.3f}")
        what = f"CPU time of a training step, {name}: ours / plain PyTorch, batch {BATCH} x {TIME} times x {FEATURES}, 1 thread"
        record(what, spread(ratios)[0], ROUNDS, spread(ratios)[1], "python benchmarks/recurrent_and_attention.py")


def step_of(module: nn.Module, x: Tensor, mask: Tensor | None) -> Callable[[], None]:
    optimizer = torch.optim.SGD(module.parameters(), 1e-3)

    def step() -> None:
        for _ in range(3):
            optimizer.zero_grad()
            module(x, mask).square().mean().backward()
            optimizer.step()

    step()
    return step


if __name__ == "__main__":
    main()
