"""flambeau predict: answers for files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flambeau.cli.options import allow_code, as_json, device, model
from flambeau.cli.output import print_json
from flambeau.errors import FlambeauError
from flambeau.messages import printable, text
from flambeau.types import Prediction, Valued

if TYPE_CHECKING:
    from flambeau.model import Model

DIGITS = 6
"""Of a number; those before the point are all shown."""
EXACT = (1, 1e15)
"""Sizes that are written without a power of ten."""


@click.command("predict", help=text("help-predict"))
@model
@click.argument("inputs", nargs=-1, required=True, type=click.Path(readable=False, path_type=Path), metavar="INPUT...")
@device
@allow_code
@as_json
def command(model: Path, inputs: tuple[Path, ...], device: str, allow_code: bool, as_json: bool) -> int:
    """Parses, calls, prints."""
    from flambeau.model import load

    loaded = load(model, allow_code=allow_code, device=device)
    started = time.perf_counter()
    named = [pair for path in inputs for pair in _values(path, loaded)]
    results = loaded.try_predict([value for _, value in named])
    names = [name for name, _ in named]
    milliseconds = (time.perf_counter() - started) * 1000 / len(results)
    if as_json:
        print_json({"predictions": [_to_json(name, result) for name, result in zip(names, results, strict=True)]})
    else:
        from flambeau.cli.problems import render

        for name, result in zip(names, results, strict=True):
            if isinstance(result, FlambeauError):
                click.echo(render(result, colour=False), err=True)
            else:
                click.echo(f"{printable(name)}   {_line(result)}   {milliseconds:6.1f} ms")
    return max((result.exit_code for result in results if isinstance(result, FlambeauError)), default=0)


def _values(path: Path, model: Model) -> list[tuple[str, object]]:
    """A file -> its name and itself; a file with rows -> a name and an example for each row."""
    from flambeau.data.endings import ROWS

    if path.suffix.casefold() not in ROWS:
        return [(str(path), path)]
    return [(f"{path}#{number}", example) for number, example in enumerate(model.rows(path), 1)]


def _to_json(name: str, result: Prediction | FlambeauError) -> dict[str, object]:
    from flambeau.predictor import plain

    return {"input": name, "error": result.to_json()} if isinstance(result, FlambeauError) else {"input": name, **plain(result)}


def _line(result: Prediction) -> str:
    if isinstance(result, Valued):
        return _numbers(result.value) + (f"   ({_numbers(result.low)} – {_numbers(result.high)})" if result.low is not None else "")
    return "   ".join(f"{printable(label)} {probability:.1%}" for label, probability in list(result.probabilities.items())[:3])


def _numbers(value: float | dict[str, float] | None) -> str:
    if isinstance(value, dict):
        return "   ".join(f"{printable(name)} {_number(number)}" for name, number in value.items())
    return _number(value or 0.0)


def _number(value: float) -> str:
    """Six digits, and all those before the point: 5432604, 12.5."""
    if not EXACT[0] <= abs(value) < EXACT[1]:
        return f"{value:.6g}"
    shown = f"{value:.{max(0, DIGITS - len(str(int(abs(value)))))}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
