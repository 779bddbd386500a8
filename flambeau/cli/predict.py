"""flambeau predict: answers for files, for the rows of a table, for all files of a folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flambeau.cli.answers import Answer, as_csv, as_line, as_object
from flambeau.cli.options import allow_code, as_json, device, model, option
from flambeau.cli.output import print_json
from flambeau.errors import DataError, FlambeauError, UsageError
from flambeau.messages import text

if TYPE_CHECKING:
    from flambeau.model import Model


@click.command("predict", help=text("help-predict"))
@model
@click.argument("inputs", nargs=-1, required=True, type=click.Path(readable=False, path_type=Path), metavar="INPUT...")
@option("--csv", "as_table", is_flag=True)
@option("--keep", multiple=True, metavar="COLUMN")
@device
@allow_code
@as_json
def command(model: Path, inputs: tuple[Path, ...], as_table: bool, keep: tuple[str, ...], device: str, allow_code: bool, as_json: bool) -> int:
    """Parses, calls, prints."""
    from flambeau.model import load

    if as_table and as_json:
        raise UsageError("output-two", where="--csv")
    loaded = load(model, allow_code=allow_code, device=device)
    started = time.perf_counter()
    named = [value for path in inputs for value in _values(path, loaded, keep)]
    results = iter(loaded.try_predict([value for _, value, _ in named if not isinstance(value, FlambeauError)]))
    answers = [Answer(name, kept, value if isinstance(value, FlambeauError) else next(results)) for name, value, kept in named]
    milliseconds = (time.perf_counter() - started) * 1000 / len(answers)
    if as_json:
        print_json({"predictions": list(map(as_object, answers))})
    elif as_table:
        for line in as_csv(answers):
            click.echo(line)
    else:
        _show(answers, milliseconds)
    return max((answer.result.exit_code for answer in answers if isinstance(answer.result, FlambeauError)), default=0)


def _values(path: Path, model: Model, keep: tuple[str, ...]) -> list[tuple[str, object, dict[str, object]]]:
    """A file -> its name and itself; a file with rows, a folder -> a name and an example for each row, each file. And the cells to keep.
    A folder without files is an error in their place."""
    from flambeau.data.endings import ROWS

    if path.suffix.casefold() in ROWS and not _is_folder(path):
        rows = model.rows(path, keep=keep)
        return [(f"{path}#{number}", example, {column: example[column] for column in keep}) for number, example in enumerate(rows, 1)]
    if keep:
        raise UsageError("keep-no-rows", where="--keep", path=str(path))
    if _is_folder(path):
        from flambeau.data.folder import files_below

        try:
            return [(str(file), file, {}) for file in files_below(path)]
        except DataError as error:
            return [(str(path), error, {})]
    return [(str(path), path, {})]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _show(answers: list[Answer], milliseconds: float) -> None:
    """A line for each; errors on standard error."""
    from flambeau.cli.problems import render

    for answer in answers:
        if isinstance(answer.result, FlambeauError):
            click.echo(render(answer.result, colour=False), err=True)
        else:
            click.echo(as_line(answer, milliseconds))
