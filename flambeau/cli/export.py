"""flambeau export: the tested model in another format, proven on raw test files."""

from __future__ import annotations

from pathlib import Path

import click

from flambeau.cli.options import allow_code, as_json, model, option
from flambeau.cli.output import print_json, shown
from flambeau.messages import text


@click.command("export", help=text("help-export"))
@model
@option("--to", "target", default="onnx", show_default=True, type=click.Choice(["onnx"]))
@allow_code
@as_json
def command(model: Path, target: str, allow_code: bool, as_json: bool) -> None:
    """Parses, calls, prints."""
    from flambeau import pipeline

    exported = pipeline.export(model, target, allow_code=allow_code, show=shown(as_json))
    if as_json:
        print_json(
            {
                "target": exported.target,
                "path": str(exported.path),
                "bytes": exported.num_bytes,
                "verification": exported.verification,
                "latency_ms": exported.latency,
            }
        )
