"""The command line: parses and prints, decides nothing. Nothing heavier than click is imported before a command runs."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any

import click

from flambeau.cli.output import json_wanted, open_streams, print_error, use_utf8
from flambeau.errors import FlambeauError, Interrupted, UsageError
from flambeau.garbage import search_rarely
from flambeau.messages import text
from flambeau.version import __version__

COMMANDS = ("fit", "check", "show", "test", "predict", "export", "eject", "serve", "demo", "doctor", "layers", "schema")
"""One module of this package each; the order of the help."""


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the walk."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command's module is imported now, and no other."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"flambeau.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but an unknown command is our error, with the closest name."""
        from flambeau.naming import closest

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise UsageError("command-unknown", where=args[0], name=args[0], guess=closest(args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the catalogue, without importing any command."""
        with formatter.section(text("help-commands")):
            formatter.write_dl([(name, text(f"help-{name}")) for name in COMMANDS])


SPINS = "1000"
"""Turns before a thread sleeps: a few microseconds bridge the gap to the next operation, a tenth of the time of a training of small steps."""


HELP = {"help_option_names": ["-h", "--help"]}


@click.group(cls=Commands, help=text("help-flambeau"), context_settings=HELP, no_args_is_help=False, invoke_without_command=True)
@click.version_option(__version__, prog_name="flambeau")
@click.pass_context
def flambeau(context: click.Context) -> None:
    """Everything else is a command; alone it prints its help."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and ends the process with the exit code of UX: 0, or by kind of error."""
    outlet = open_streams()
    use_utf8()
    if "OMP_WAIT_POLICY" not in os.environ:
        # threads that wait for each other soon sleep instead of spinning: with a busy neighbour, a training takes four fifths of the time
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    # NumPy multiplies nothing large here, and the threads of its OpenBLAS take a tenth of a CPU second to start
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    search_rarely()
    code = run(sys.argv[1:] if arguments is None else arguments)
    if outlet is not None and (problem := outlet.problem()) is not None:
        print_error(problem, as_json=False)
        code = code or problem.exit_code
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs one command; its exit code."""
    as_json = json_wanted(arguments)
    try:
        result: Any = flambeau.main(arguments, prog_name="flambeau", standalone_mode=False)
    except FlambeauError as error:
        print_error(error, as_json)
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "flambeau"
        print_error(UsageError("usage", where=command, reason=error.format_message(), command=command), as_json)
        return 2
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for the end of a dialogue, which there is none of
            return _unforeseen(error.__cause__, as_json)
        print_error(Interrupted("stopped"), as_json)
        return 130
    except Exception as error:  # noqa: BLE001
        return _unforeseen(error, as_json)
    return result if isinstance(result, int) else 0


def _unforeseen(error: Exception, as_json: bool) -> int:
    """What none of our errors says: a name that no file can have, or a bug of ours, with its traceback for the report."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        print_error(UsageError("usage", reason=error.strerror, command="flambeau"), as_json)
        return UsageError.exit_code
    import traceback

    traceback.print_exc()
    print_error(FlambeauError("bug", where=type(error).__name__, reason=str(error)), as_json)
    return FlambeauError.exit_code
