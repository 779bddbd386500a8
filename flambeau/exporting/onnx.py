"""ONNX: the default target, and the runtime of every artifact. Loading needs onnxruntime only, exporting needs torch."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flambeau.errors import CheckFailed, DataError
from flambeau.exporting.exporter import Exporter
from flambeau.machine import available_threads, import_onnxruntime
from flambeau.types import MASK, Array, Runner

if TYPE_CHECKING:
    from flambeau.network.build import Network

OUTPUT = "answers"
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
SHORTEST = 4
"""Times of the example that is exported: torch takes an axis of 0 or 1 for one that never varies."""


class Onnx(Exporter):
    """One self-contained file: preprocessing graph, network and activation; raw encoded values in, answers out."""

    name = "onnx"
    runtime = "onnxruntime"
    file = "model.onnx"

    def export(self, network: Network, sample: Mapping[str, Array], path: Path, metadata: Mapping[str, str]) -> None:
        """As Exporter.export: any batch size, any length where there is a mask, opset of torch's choice, weights inside the file."""
        import onnx
        import torch

        sample = {name: _long_enough(name, array, sample) for name, array in sample.items()}
        names = list(sample)
        tensors = tuple(torch.from_numpy(np.ascontiguousarray(sample[name])) for name in names)
        network.eval()
        try:
            with _quiet(), _stopped_afterwards():
                program = torch.onnx.export(
                    network,
                    tensors,
                    input_names=names,
                    output_names=[OUTPUT],
                    dynamic_shapes=(_free_axes(names),),
                    dynamo=True,
                    verbose=False,
                )
        except torch.onnx.errors.OnnxExporterError as error:
            raise CheckFailed("export-impossible", where=self.name, target=self.name, reason=_first_cause(error)) from error
        assert program is not None
        model = program.model_proto
        onnx.helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())

    def load(self, path: Path, threads: int | None = None) -> Runner:
        """As Exporter.load."""
        return OnnxRunner(path, threads)


class OnnxRunner:
    """A file of ours in ONNX Runtime, on the CPU or, with onnxruntime-gpu, on a GPU.

    The bytes are given instead of the path: external data, which could point at any file of the machine, is then refused.
    """

    def __init__(self, path: Path, threads: int | None = None, device: str = "cpu") -> None:
        onnxruntime = import_onnxruntime()
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        faults = (state.InvalidProtobuf, state.InvalidGraph, state.InvalidArgument, state.NotImplemented, state.Fail, RuntimeError, ValueError)
        try:
            # without enable_fallback=0 it prints to standard output and tries the same once more
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=_providers(device), enable_fallback=0)
        except faults as error:
            raise DataError("model-damaged", where=str(path), reason=str(error).splitlines()[0][:200]) from error
        if OUTPUT not in (entry.name for entry in self._session.get_outputs()):
            raise DataError("model-damaged", where=str(path), reason=f"no output '{OUTPUT}'")
        self.input_names = tuple(entry.name for entry in self._session.get_inputs())
        self.on_gpu = self._session.get_providers()[0] != _CPU

    def __call__(self, inputs: Mapping[str, Array]) -> npt.NDArray[np.float32]:
        """As types.Runner."""
        answers: npt.NDArray[np.float32] = self._session.run([OUTPUT], {name: inputs[name] for name in self.input_names})[0]
        return answers


def can_use_gpu() -> bool:
    """Whether the ONNX Runtime that is installed was built for NVIDIA's GPUs."""
    return _CUDA in import_onnxruntime().get_available_providers()


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    """What computes, best first; on a GPU in float32 to its last bit (without TF32), as it was tested."""
    if device == "cpu":
        return [_CPU]
    return [(_CUDA, {"device_id": device.partition(":")[2] or "0", "use_tf32": "0"}), _CPU]


def _free_axes(names: Sequence[str]) -> tuple[dict[int, Any], ...]:
    """For each tensor the axes that may have any size: the batch, and the time of an input that has a mask."""
    import torch

    batch = torch.export.Dim("batch", min=1)
    times = {name: torch.export.Dim(f"time{place}", min=1) for place, name in enumerate(names) if name + MASK in names}
    found = [times.get(name.removesuffix(MASK) if name.removesuffix(MASK) in times else name) for name in names]
    return tuple({0: batch} if time is None else {0: batch, 1: time} for time in found)


def _long_enough(name: str, array: Array, sample: Mapping[str, Array]) -> Array:
    """An array of the sample; of one whose length varies, with more padding where it is so short that its length would be taken for fixed."""
    if name + MASK not in sample and not (name.endswith(MASK) and name.removesuffix(MASK) in sample):
        return array
    missing = max(0, SHORTEST - array.shape[1])
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch and onnxscript say of themselves: deprecations, and that torchvision, which nobody asked for, is not there."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _stopped_afterwards() -> Iterator[None]:
    """The first SIGINT or SIGTERM takes effect at the end: what it raises inside, torch takes for a network that it cannot write."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    caught: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        if len(caught) > 1:
            _handled(before[signal.Signals(number)], number)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if caught:
            _handled(before[signal.Signals(caught[0])], caught[0])


def _handled(handler: Any, number: int) -> None:
    """A signal, as it would have been handled."""
    if callable(handler):
        handler(number, None)
    elif handler != signal.SIG_IGN:
        signal.raise_signal(number)


def _first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
