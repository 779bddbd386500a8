"""What is not in the base installation, and how to get it."""

from __future__ import annotations

from importlib.util import find_spec

from flambeau.errors import ExtraMissing

NEEDED = {
    "train": ("torch", "onnx", "onnxscript"),
    "zoo": ("torchvision", "timm"),
    "demo": ("sklearn",),
    "audio": ("soundfile",),
    "fast": ("cykooz_resizer",),
    "text": ("tokenizers", "rjieba", "stopwordsiso"),
    "encoders": ("transformers",),
    "openvino": ("openvino",),
    "int8": ("openvino", "nncf"),
}
"""Modules of each extra."""


def need(extra: str, verb: str) -> None:
    """
    Raises:
        ExtraMissing: a module of `extra` is not installed; says what to type.
    """
    missing = next((module for module in NEEDED[extra] if find_spec(module) is None), None)
    if missing is not None:
        raise ExtraMissing("extra-missing", where=missing, need=verb, package=missing, extra=extra)
