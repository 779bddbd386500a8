"""What this machine and installation can do: versions, processor, memory, disk, extras, and a fit of two seconds."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flambeau.errors import FlambeauError
from flambeau.machine import available_threads, processor
from flambeau.messages import left, text
from flambeau.version import __version__

PACKAGES = ("numpy", "pillow", "onnxruntime", "pydantic", "safetensors", "simplejpeg", "uvicorn")
EXTRAS = {
    "train": ("torch", "onnx", "onnxscript"),
    "zoo": ("torchvision", "timm"),
    "demo": ("scikit-learn",),
    "audio": ("soundfile",),
    "table": ("polars",),
    "text": ("rjieba", "stopwordsiso", "tokenizers"),
    "fast": ("cykooz-resizer",),
    "encoders": ("transformers",),
    "openvino": ("openvino",),
    "int8": ("nncf",),
}


def examine() -> dict[str, Any]:
    """All findings, JSON-ready; ``ok`` is whether a model can be trained and exported here."""
    extras = {name: {package: _version(package) for package in packages} for name, packages in EXTRAS.items()}
    can_train = all(extras["train"].values())
    trial = _trial() if can_train else {"ok": False, "error": text("extra-missing", need="fit", package="PyTorch")}
    return {
        "ok": bool(trial["ok"]) or not can_train,
        "flambeau": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "processor": processor(),
        "threads": available_threads(),
        "memory_gb": _memory(),
        "disk_free_gb": round(shutil.disk_usage(_here()).free / 1e9, 1),
        "packages": {name: _version(name) for name in PACKAGES},
        "extras": extras,
        "device": _device() if can_train else None,
        "trial": trial,
    }


def to_text(findings: dict[str, Any]) -> str:
    """The findings as lines for people."""
    rows = [
        ("flambeau", f"{findings['flambeau']} · python {findings['python']} · {findings['system']}"),
        (text("doctor-processor"), f"{findings['processor']} · {findings['threads']} {text('doctor-threads')}"),
        (text("doctor-memory"), f"{findings['memory_gb']} GB · {text('doctor-disk')} {findings['disk_free_gb']} GB"),
        (text("doctor-device"), str(findings["device"] or "-")),
        (text("doctor-packages"), _listed(findings["packages"])),
        *((f"[{name}]", _listed(packages)) for name, packages in findings["extras"].items()),
        (text("doctor-trial"), _trial_text(findings["trial"])),
    ]
    return "\n".join(f"{left(name, 12)} {value}" for name, value in rows)


def _here() -> Path:
    """The current folder; that of temporary files where it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(tempfile.gettempdir())


def _listed(packages: dict[str, str | None]) -> str:
    return " · ".join(f"{name} {found or '-'}" for name, found in packages.items())


def _trial_text(trial: dict[str, Any]) -> str:
    if not trial["ok"]:
        return str(trial["error"])
    return text("doctor-trial-ok", seconds=trial["seconds"], fit=trial["fit_seconds"], difference=trial["difference"])


def _trial() -> dict[str, Any]:
    """A small fit and its verified export, on pictures that are made here."""
    import numpy as np

    from flambeau import pipeline
    from flambeau.events import silent

    started = time.perf_counter()
    labels = np.arange(90) % 3
    pictures = np.zeros((90, 8, 8), np.uint8)
    for place, label in enumerate(labels):
        pictures[place, 2 * label : 2 * label + 3, place % 5 : place % 5 + 3] = 120 + place
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = ("training.stop_early=null", "data.near_duplicates=ignore")
            finished = pipeline.fit({"x": pictures, "y": labels}, run=Path(folder) / "trial", epochs=2, settings=settings, show=silent)
    except FlambeauError as error:
        return {"ok": False, "error": str(error)}
    return {
        "ok": True,
        "seconds": round(time.perf_counter() - started, 2),
        "fit_seconds": finished.seconds["train"],
        "difference": (finished.verification or {}).get("largest_difference"),
    }


def _device() -> str:
    from flambeau.training.device import choose_device, describe

    return describe(choose_device("auto"), available_threads())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError):  # a system without these names
        return None
