"""flambeau eject: a finished model as plain PyTorch files."""

from __future__ import annotations

from pathlib import Path

import click

from flambeau.cli.options import allow_code, as_json, model, option
from flambeau.cli.output import print_json, shown
from flambeau.messages import text


@click.command("eject", help=text("help-eject"))
@model
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@option("--with-data", is_flag=True)
@option("--force", is_flag=True)
@allow_code
@as_json
def command(model: Path, folder: Path, with_data: bool, force: bool, allow_code: bool, as_json: bool) -> None:
    """Parses, calls, prints."""
    from flambeau import pipeline

    ejected = pipeline.eject(model, folder, with_data=with_data, force=force, allow_code=allow_code, show=shown(as_json))
    if as_json:
        print_json({"path": str(ejected.path), "files": ejected.files, "bytes": ejected.num_bytes, "checked": ejected.num_checked})
