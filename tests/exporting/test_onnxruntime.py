"""ONNX Runtime as it is imported here: it tells nobody that it runs, and a stop that comes while torch writes for it is one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from flambeau.errors import Interrupted
from flambeau.exporting.onnx import Onnx
from flambeau.journal import terminable

ASK = """
import sys, numpy
ort = {imported}
ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"]).run(None, {{"x": numpy.ones(2, "f")}})
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])
    answer = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [value], [answer])
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10).SerializeToString())
    return path


def written(home: Path, imported: str, model: Path) -> list[str]:
    """The files in a home folder after a model was asked."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    command = [sys.executable, "-c", ASK.format(imported=imported), str(model)]
    subprocess.run(command, check=True, env={**environment, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"})
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def test_it_keeps_no_number_for_this_machine(tmp_path: Path, model: Path) -> None:
    if not written(tmp_path / "as it comes", "__import__('onnxruntime')", model):
        pytest.skip("this build of ONNX Runtime tells nobody anything")
    assert written(tmp_path / "ours", "__import__('flambeau.machine').machine.import_onnxruntime()", model) == []


class Halves(torch.nn.Module):
    """Stops this process while it is traced, and goes on."""

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGTERM)
        return tensors[0] / 2


def test_a_stop_while_torch_writes_is_no_network_that_cannot_be_written(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted), terminable():
        Onnx().export(Halves(), {"x": np.ones((2, 3), np.float32)}, tmp_path / "model.onnx", {})  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGTERM) == before
