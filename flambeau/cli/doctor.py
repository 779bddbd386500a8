"""flambeau doctor: what this machine and installation can do."""

from __future__ import annotations

import click

from flambeau.cli.options import as_json
from flambeau.cli.output import print_json
from flambeau.messages import text


@click.command("doctor", help=text("help-doctor"))
@as_json
def command(as_json: bool) -> int:
    """Parses, calls, prints."""
    from flambeau.doctor import examine, to_text

    findings = examine()
    if as_json:
        print_json(findings)
    else:
        click.echo(to_text(findings))
    return 0 if findings["ok"] else 4
