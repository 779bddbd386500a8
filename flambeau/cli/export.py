"""flambeau export: the tested model in another format, proven on raw test files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flambeau.cli.options import allow_code, as_json, model, option
from flambeau.cli.output import print_json, shown
from flambeau.messages import text

if TYPE_CHECKING:
    from flambeau.exporting.openvino import Precision


@click.command("export", help=text("help-export"))
@model
@option("--to", "target", default="onnx", show_default=True, type=click.Choice(["onnx", "openvino"]))
@option("--precision", default="fp32", show_default=True, type=click.Choice(["fp32", "bf16", "int8"]))
@allow_code
@as_json
def command(model: Path, target: str, precision: Precision, allow_code: bool, as_json: bool) -> None:
    """Parses, calls, prints."""
    from flambeau import pipeline

    exported = pipeline.export(model, target, precision=precision, allow_code=allow_code, show=shown(as_json))
    if as_json:
        print_json(
            {
                "target": exported.target,
                "path": str(exported.path),
                "bytes": exported.num_bytes,
                "verification": exported.verification,
                "latency_ms": exported.latency,
                "precision": exported.precision,
                "score": exported.score,
                "serving": exported.serving,
            }
        )
