"""All targets of export. A new one is one file and one name here."""

from __future__ import annotations

from flambeau.errors import UsageError
from flambeau.exporting.exporter import Exporter
from flambeau.exporting.onnx import Onnx
from flambeau.exporting.openvino import OpenVino

EXPORTERS: tuple[Exporter, ...] = (Onnx(), OpenVino())


def exporter_named(name: str) -> Exporter:
    """The target of this name.

    Raises:
        UsageError: there is none.
    """
    for exporter in EXPORTERS:
        if exporter.name == name:
            return exporter
    raise UsageError("format-unknown", where=name, format=name, formats=", ".join(exporter.name for exporter in EXPORTERS))
