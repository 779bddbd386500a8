"""flambeau serve: a model behind HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from flambeau.cli.options import allow_code, as_json, device, model, option
from flambeau.cli.output import print_json
from flambeau.messages import text


@click.command("serve", help=text("help-serve"))
@model
@option("--host", default="127.0.0.1", show_default=True)
@option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@option("--threads", type=click.IntRange(min=1), metavar="N")
@device
@option("--runtime", default="fastest", show_default=True, type=click.Choice(["fastest", "tested"]))
@allow_code
@as_json
def command(model: Path, host: str, port: int, threads: int | None, device: str, runtime: str, allow_code: bool, as_json: bool) -> int:
    """Parses, calls, prints."""
    from flambeau.model import serve

    def announce(url: str, seconds: float, runtime: str) -> None:
        if as_json:
            print_json({"url": url, "seconds": seconds, "runtime": runtime})
        else:
            click.echo(text("serve-ready", url=url, seconds=seconds, runtime=runtime))

    tested = runtime == "tested"
    return serve(model, host=host, port=port, threads=threads, allow_code=allow_code, device=device, tested=tested, announce=announce)
