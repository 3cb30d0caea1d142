"""The command line: one small file per verb, imported when it is called.

Exit codes: 0 ok, 1 verification or scoring said no, 2 usage, 3 environment, 130 stopped by a person.
"""

from __future__ import annotations

import difflib
import importlib
import json
import sqlite3
import sys
from typing import Any, NoReturn

import click

from foreseal import __version__
from foreseal.errors import ForesealError, SetupError, Stopped

VERBS = (
    "init",
    "collect",
    "consent",
    "export",
    "forecast",
    "decide",
    "approve",
    "agree",
    "seal",
    "score",
    "evidence",
    "disclose",
    "verify",
    "witness",
    "monitor",
    "hub",
    "run",
    "status",
    "key",
    "erase",
    "doctor",
    "backup",
    "restore",
    "demo",
)

_DISK = "What was acknowledged before is safe. See to the disk or the permissions, then run it again."
_NEW_FOLDER = "Give another folder, or see to the disk or the permissions, then run it again."
_MAKERS = {"init", "demo", "restore"}  # of a folder in which nothing was acknowledged before
_INTERRUPTED = "What was sealed stays sealed; the same command again goes on from there."


class Verbs(click.Group):
    """Commands in the order of the data flow; a command's module is imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"foreseal.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            if not near:
                raise
            message = f"No such command {args[0]!r}. Did you mean {near[0]!r}?"
            raise click.UsageError(message, ctx) from error


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="foreseal")
def cli() -> None:
    """Forecast, decide, and prove it.

    A project is a folder with a foreseal.toml. Make one with `foreseal init`, do what is due with
    `foreseal run`, check everything with `foreseal verify`.
    """


def main(args: list[str] | None = None) -> Any:
    """Run the command line and turn Foreseal's errors into a message and an exit code."""
    given = sys.argv[1:] if args is None else args
    as_json = "--json" in given
    disk = _NEW_FOLDER if _MAKERS.intersection(given[:1]) else _DISK
    try:
        code = cli.main(args=args, standalone_mode=False)
    except click.exceptions.Abort as stop:
        interrupted = isinstance(stop.__cause__, KeyboardInterrupt)
        _stop(Stopped("Stopped.", hint=_INTERRUPTED if interrupted else "Nothing was done."), as_json)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        if as_json:
            _tell(error.format_message(), "", "UsageError")
        sys.exit(error.exit_code)
    except ForesealError as error:
        _stop(error, as_json)
    except OSError as error:
        what = error.strerror or str(error)
        where = f"{error.filename}: " if error.filename else ""
        _stop(SetupError(f"{where}{what}.", hint=disk), as_json)
    except sqlite3.OperationalError as error:
        _stop(SetupError(f"a database of the project cannot be used: {error}.", hint=disk), as_json)
    sys.exit(code if isinstance(code, int) else 0)


def _stop(error: ForesealError, as_json: bool) -> NoReturn:
    print(f"Error: {error.message}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(error.hint, file=sys.stderr)  # noqa: T201
    if as_json:
        _tell(error.message, error.hint, type(error).__name__)
    sys.exit(error.exit_code)


def _tell(message: str, hint: str, kind: str) -> None:
    """The one object on standard output, where there is no result."""
    found = {"error": {"message": message, "hint": hint, "type": kind}}
    print(json.dumps(found, ensure_ascii=False))  # noqa: T201
