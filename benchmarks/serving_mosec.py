"""The model behind mosec: a module of its own, since mosec starts its workers from it. See serving_peers.py."""

from __future__ import annotations

import os
from typing import Any

import mosec
import numpy as np
import orjson
from serving_peers import BATCH, answer, decoded, runner

MODEL, SIZE, MODE = os.environ["MODEL"], int(os.environ["SIZE"]), os.environ["MODE"]
IS_BATCHED = os.environ["BATCHED"] == "1"


class Infer(mosec.Worker):
    def __init__(self) -> None:
        self.run = runner(MODEL)

    def deserialize(self, data: bytes) -> np.ndarray:
        return decoded(data, SIZE, MODE)

    def serialize(self, data: Any) -> bytes:
        return orjson.dumps(data)

    def forward(self, data: Any) -> Any:
        if IS_BATCHED:
            return [answer(row) for row in self.run(np.stack(data))]
        return answer(self.run(data[None])[0])


if __name__ == "__main__":
    server = mosec.Server()
    server.register_runtime({"/predict": [mosec.Runtime(Infer, num=1, max_batch_size=BATCH if IS_BATCHED else 1, max_wait_time=1)]})
    server.run()
