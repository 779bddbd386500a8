"""flambeau layers: all layers, or one of them with its settings."""

from __future__ import annotations

import click

from flambeau.cli.options import as_json
from flambeau.cli.output import print_json
from flambeau.messages import text


@click.command("layers", help=text("help-layers"))
@click.argument("name", required=False)
@as_json
def command(name: str | None, as_json: bool) -> None:
    """Parses, calls, prints."""
    from flambeau.catalogue import layers, to_text

    found = layers(name)
    if as_json:
        print_json({"layers": found})
    else:
        click.echo(to_text(found, full=name is not None))
