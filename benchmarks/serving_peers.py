"""The same model behind other servers, each written as its own documentation shows and with the setting that suits it best; and in a bare loop.

MODEL=... SIZE=... MODE=... python serving_peers.py PORT            FastAPI
MODEL=... SIZE=... MODE=... python serving_peers.py floor FOLDER S  the bare loop, for S seconds

It runs in the peers' own environment, so nothing of flambeau is imported. All of them decode as ours does (a JPEG of the wanted size by
simplejpeg, any other by Pillow), run the same file in the same runtime on one thread, and answer with JSON, by orjson where that is theirs
to choose. LitServe takes no raw body, so it gets the picture as a form.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import simplejpeg
from PIL import Image

BATCH = 16


def runner(model: str) -> Callable[[np.ndarray], np.ndarray]:
    """(batch, channels, height, width) uint8 -> (batch, answers), on one thread."""
    if model.endswith(".onnx"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda pictures: session.run(None, {name: pictures})[0]
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(openvino.Core().read_model(model), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda pictures: request.infer({0: pictures})[0]


def decoded(body: bytes, size: int, mode: str) -> np.ndarray:
    """JPEG -> (channels, size, size) uint8."""
    if simplejpeg.decode_jpeg_header(body)[:2] == (size, size):
        picture = simplejpeg.decode_jpeg(body, "GRAY" if mode == "L" else "RGB")
        return picture.transpose(2, 0, 1)
    picture = np.asarray(Image.open(io.BytesIO(body)).convert(mode).resize((size, size), Image.Resampling.BILINEAR))
    return picture[None] if mode == "L" else np.ascontiguousarray(picture.transpose(2, 0, 1))


def answer(row: np.ndarray) -> dict[str, Any]:
    """What a server says about one picture."""
    order = np.argsort(-row)
    probabilities = {str(place): float(row[place]) for place in order}
    return {"label": str(order[0]), "confidence": float(row[order[0]]), "probabilities": probabilities}


def serve_fastapi(model: str, size: int, mode: str, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI, Request
    from fastapi.responses import Response

    app, run = FastAPI(), runner(model)

    async def predict(request: Request) -> Response:
        return Response(orjson.dumps(answer(run(decoded(await request.body(), size, mode)[None])[0])), media_type="application/json")

    predict.__annotations__ = {"request": Request}
    app.post("/predict")(predict)
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def floor(model: str, size: int, mode: str, folder: str, seconds: float) -> None:
    """The same work in one loop without any server -> pictures per second and CPU seconds each, one by one and in batches, as JSON."""
    run = runner(model)
    bodies = [path.read_bytes() for path in sorted(Path(folder).rglob("*.jpg"))[:64]]
    result = {}
    for batch in (1, BATCH):
        done, begin, used = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - begin < seconds:
            chosen = [bodies[(done + place) % len(bodies)] for place in range(batch)]
            rows = run(np.stack([decoded(body, size, mode) for body in chosen]))
            done += sum(bool(orjson.dumps(answer(row))) for row in rows)
        result[str(batch)] = {"per_second": done / (time.perf_counter() - begin), "cpu": (time.process_time() - used) / done}
    print(orjson.dumps(result).decode())


def main() -> None:
    model, size, mode = os.environ["MODEL"], int(os.environ["SIZE"]), os.environ["MODE"]
    if sys.argv[1] == "floor":
        floor(model, size, mode, sys.argv[2], float(sys.argv[3]))
    else:
        serve_fastapi(model, size, mode, int(sys.argv[1]))


if __name__ == "__main__":
    main()
