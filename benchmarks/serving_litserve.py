"""The model behind LitServe: a module of its own, since LitServe starts its workers from it. See serving_peers.py.

(LitServe reads the annotations of `decode_request` as they stand, so they are no strings here.)
"""

import os
import sys
from typing import Any

import litserve
import numpy as np
from fastapi import Request
from serving_peers import BATCH, answer, decoded, runner

MODEL, SIZE, MODE = os.environ["MODEL"], int(os.environ["SIZE"]), os.environ["MODE"]
IS_BATCHED = os.environ["BATCHED"] == "1"


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.run = runner(MODEL)

    def decode_request(self, request: Request) -> np.ndarray:
        return decoded(request["file"].file.read(), SIZE, MODE)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, pictures: np.ndarray) -> Any:
        return self.run(pictures) if IS_BATCHED else self.run(pictures[None])[0]

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return answer(output)


if __name__ == "__main__":
    settings = {"max_batch_size": BATCH, "batch_timeout": 0.001} if IS_BATCHED else {}
    server = litserve.LitServer(Api(**settings), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
