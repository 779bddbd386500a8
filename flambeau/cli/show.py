"""flambeau show: the layers of a model, or of what would be built."""

from __future__ import annotations

from typing import Any

import click

from flambeau.cli.options import allow_code, as_json, described
from flambeau.cli.output import print_json
from flambeau.messages import text


@click.command("show", help=text("help-show"))
@described
@allow_code
@as_json
def command(allow_code: bool, as_json: bool, **described: Any) -> None:
    """Parses, calls, prints."""
    from flambeau import pipeline

    table = pipeline.show(described.pop("data"), allow_code=allow_code, **described)
    if as_json:
        print_json(table.to_json())
    else:
        click.echo(table.to_text())
