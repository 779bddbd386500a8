"""flambeau check: mistakes in recipe and data, in seconds, without training."""

from __future__ import annotations

from typing import Any

import click

from flambeau.cli.options import allow_code, as_json, described
from flambeau.cli.output import print_json, shown
from flambeau.messages import text


@click.command("check", help=text("help-check"))
@described
@allow_code
@as_json
def command(allow_code: bool, as_json: bool, **described: Any) -> None:
    """Parses, calls, prints."""
    from flambeau import pipeline

    preview = pipeline.check(allow_code=allow_code, show=shown(as_json), **described)
    if as_json:
        print_json({"ok": True, **preview.to_json()})
    else:
        click.echo(text("check-passed"))
