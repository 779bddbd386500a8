"""flambeau fit: from raw data to a tested model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flambeau.cli.options import allow_code, as_json, described, option
from flambeau.cli.output import print_json, shown
from flambeau.messages import text


@click.command("fit", help=text("help-fit"))
@described
@option("--run", type=click.Path(path_type=Path), metavar="DIR")
@option("--resume", type=click.Path(path_type=Path), metavar="RUN")
@option("--refit", is_flag=True)
@option("--find-lr", is_flag=True)
@option("--force", is_flag=True)
@option("--dry-run", is_flag=True)
@allow_code
@as_json
def command(
    run: Path | None, resume: Path | None, refit: bool, find_lr: bool, force: bool, dry_run: bool, allow_code: bool, as_json: bool, **described: Any
) -> None:
    """Parses, calls, prints."""
    from flambeau import pipeline

    show = shown(as_json)
    result: Any
    if dry_run:
        result = pipeline.plan(allow_code=allow_code, show=show, **described)
    else:
        result = pipeline.fit(run=run, resume=resume, refit=refit, find_lr=find_lr, force=force, allow_code=allow_code, show=show, **described)
    if as_json:
        print_json(result.to_json())
