"""flambeau test: the model's score on the test split, or on other labelled data."""

from __future__ import annotations

from pathlib import Path

import click

from flambeau.cli.options import allow_code, as_json, model, option
from flambeau.cli.output import print_json, shown
from flambeau.messages import text


@click.command("test", help=text("help-test"))
@model
@click.argument("data", required=False, type=click.Path(path_type=Path))
@option("--min", "minimum", multiple=True, metavar="METRIC=VALUE")
@option("--max", "maximum", multiple=True, metavar="METRIC=VALUE")
@allow_code
@as_json
def command(model: Path, data: Path | None, minimum: tuple[str, ...], maximum: tuple[str, ...], allow_code: bool, as_json: bool) -> int:
    """Parses, calls, prints."""
    from flambeau import pipeline

    tested = pipeline.test(model, data, minimum=minimum, maximum=maximum, allow_code=allow_code, show=shown(as_json))
    if as_json:
        print_json(tested.to_json())
    return 0
