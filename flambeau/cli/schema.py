"""flambeau schema: the JSON Schema of a recipe, for editors."""

from __future__ import annotations

import json

import click

from flambeau.messages import text


@click.command("schema", help=text("help-schema"))
def command() -> None:
    """Parses, calls, prints."""
    from flambeau.recipe import json_schema

    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=1))
