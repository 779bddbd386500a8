"""OpenVINO: Intel's runtime, in the precision that is asked for. Loading needs openvino only; int8 is made with nncf.

The graph begins behind the resize, as every export's does: OpenVINO's own resize answers differently. The precision is always said,
since OpenVINO would take bfloat16 by itself where the processor has it.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from flambeau.errors import CheckFailed, DataError
from flambeau.exporting.exporter import Exporter
from flambeau.exporting.onnx import OUTPUT, Onnx
from flambeau.extras import need
from flambeau.machine import available_threads
from flambeau.types import Array, Runner

if TYPE_CHECKING:
    from flambeau.network.build import Network

Precision: TypeAlias = Literal["fp32", "bf16", "int8"]
HINTS: Mapping[str, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""Precision of a file -> what the rest of its graph is computed in."""
PLACE = ["flambeau", "precision"]
"""Where the file says its precision."""
CONVERTER = "openvino.tools.ovc"


class OpenVino(Exporter):
    """Two files, model.xml and model.bin, as OpenVINO itself writes them."""

    name = "openvino"
    runtime = "openvino"
    file = "model.xml"
    more = ("model.bin",)

    def __init__(self, precision: Precision = "fp32", calibration: Sequence[Mapping[str, Array]] = ()) -> None:
        """
        Args:
            calibration: encoded training batches of one example each; int8 takes the ranges of its numbers from them.
        """
        self.precision = precision
        self._calibration = calibration

    def export(self, network: Network, sample: Mapping[str, Array], path: Path, metadata: Mapping[str, str]) -> None:
        """As Exporter.export, by way of ONNX."""
        need("int8" if self.precision == "int8" else "openvino", "export")
        import openvino

        with tempfile.TemporaryDirectory() as scratch:
            onnx = Path(scratch) / Onnx.file
            Onnx().export(network, sample, onnx, metadata)
            try:
                model = openvino.Core().read_model(onnx.read_bytes())
            except RuntimeError as error:
                raise CheckFailed("export-impossible", where=self.name, target=self.name, reason=_reason(error)) from error
        if self.precision == "int8":
            model = _quantised(model, self._calibration)
        for key, value in metadata.items():
            model.set_rt_info(value, ["flambeau", key])
        model.set_rt_info(self.precision, PLACE)
        openvino.save_model(model, path, compress_to_fp16=False)

    def load(self, path: Path, threads: int | None = None) -> Runner:
        """As Exporter.load.

        Raises:
            ExtraMissing: openvino is not installed.
        """
        need("openvino", "load")
        return OpenVinoRunner(path, threads)


class OpenVinoRunner:
    """A file of ours in OpenVINO, on the CPU, one request at a time."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        openvino = _runtime()
        try:
            weights = np.frombuffer(path.with_suffix(".bin").read_bytes(), np.uint8)
            model = openvino.Core().read_model(path.read_bytes(), openvino.Tensor(weights) if weights.size else b"")
            said = model.get_rt_info(PLACE).astype(str) if model.has_rt_info(PLACE) else "fp32"
            settings = {
                "INFERENCE_PRECISION_HINT": HINTS[said],
                "INFERENCE_NUM_THREADS": threads or available_threads(),
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,  # the machine may be shared
            }
            compiled = openvino.Core().compile_model(model, "CPU", settings)
            names = [name for port in compiled.outputs for name in port.get_names()]
        except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
            raise DataError("model-damaged", where=str(path), reason=_reason(error)) from error
        if OUTPUT not in names:
            raise DataError("model-damaged", where=str(path), reason=f"no output '{OUTPUT}'")
        self.precision = said
        self._names = [port.get_any_name() for port in compiled.inputs]
        self._request = compiled.create_infer_request()
        self._tensor = openvino.Tensor
        self._lock = Lock()

    def __call__(self, inputs: Mapping[str, Array]) -> npt.NDArray[np.float32]:
        """As types.Runner."""
        arrays = [np.require(inputs[name], requirements=("C_CONTIGUOUS", "WRITEABLE")) for name in self._names]
        with self._lock:
            for name, array in zip(self._names, arrays, strict=True):
                self._request.set_tensor(name, self._tensor(array, shared_memory=True))  # given as a dictionary, it would be copied
            self._request.infer()
            answers: npt.NDArray[np.float32] = self._request.get_tensor(OUTPUT).data.copy()
        return answers


def _runtime() -> Any:
    """The package, imported without its converter of foreign models, if it is not there yet. OpenVINO itself takes that for optional; it is
    half of what the import takes, and a server has no use for it."""
    if "openvino" in sys.modules:
        return sys.modules["openvino"]
    sys.modules[CONVERTER] = None  # type: ignore[assignment]  # its import fails, as where it is not installed
    try:
        return import_module("openvino")
    finally:
        del sys.modules[CONVERTER]


def _quantised(model: Any, calibration: Sequence[Mapping[str, Array]]) -> Any:
    with _silent():
        import nncf

        return nncf.quantize(model, nncf.Dataset([dict(batch) for batch in calibration]), subset_size=len(calibration))


@contextmanager
def _silent() -> Iterator[None]:
    """nncf without its progress bars, and without what it would tell its makers of its use: it reads this variable when it is imported."""
    before = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        if before is None:
            del os.environ["NNCF_CI"]
        else:
            os.environ["NNCF_CI"] = before


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
