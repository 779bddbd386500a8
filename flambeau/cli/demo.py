"""flambeau demo: the whole walk on real handwritten digits."""

from __future__ import annotations

from pathlib import Path

import click

from flambeau.cli.options import as_json, option
from flambeau.cli.output import print_json, shown
from flambeau.messages import text


@click.command("demo", help=text("help-demo"))
@option("--folder", default="runs/demo", show_default=True, type=click.Path(path_type=Path), metavar="DIR")
@as_json
def command(folder: Path, as_json: bool) -> None:
    """Parses, calls, prints."""
    from flambeau.demo import run_demo

    result = run_demo(folder, shown(as_json), say=(lambda line: None) if as_json else click.echo)
    if as_json:
        print_json(result)
