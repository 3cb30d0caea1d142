"""What a command prints: tables and progress for people, one JSON object for programs.

With ``--json`` standard output carries exactly one object; everything else goes to standard error.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
project_option = click.option(
    "-C",
    "--project",
    "folder",
    default=".",
    type=click.Path(file_okay=True),
    help="Project folder (default: the current one).",
)


SAID_EVERY = 10.0  # seconds between two lines of progress where no bar can be drawn
NOT_A_TERMINAL = 160  # columns; a file or a pipe has no width of its own


def _finite(value: Any) -> Any:
    """``value`` with null for what is no number: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plural(count: int, noun: str) -> str:
    """``1 decision``, ``2 decisions``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def program() -> str:
    """How this program was called, to be repeated in advice: ``foreseal`` or ``.venv/bin/foreseal``."""
    called = sys.argv[0]
    if Path(called).name == "__main__.py":
        return "python -m foreseal"
    return "foreseal" if shutil.which("foreseal") == called or not called.endswith("foreseal") else called


class Terminal:
    """Prints for a person, or collects one object for a program."""

    def __init__(self, as_json: bool) -> None:
        from rich.console import Console

        self.as_json = as_json
        out = sys.stderr if as_json else sys.stdout
        width = None if out.isatty() else NOT_A_TERMINAL
        self.out = Console(file=out, highlight=False, soft_wrap=True, width=width)
        self.err = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    def say(self, text: str = "", style: str | None = None) -> None:
        """One line for a person."""
        self.out.print(text, style=style, markup=False)

    def table(
        self, title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]], right: Iterable[int] = ()
    ) -> None:
        """A table for a person; columns numbered in ``right`` are aligned to the right."""
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table

        numeric = set(right)
        table = Table(
            title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
        )
        for i, column in enumerate(columns):
            table.add_column(column, justify="right" if i in numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        self.out.print(table)

    def result(self, found: Mapping[str, Any]) -> None:
        """The one object of ``--json``; nothing for a person."""
        if self.as_json:
            click.echo(json.dumps(_finite(found), ensure_ascii=False, default=str, allow_nan=False))

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str, int, int], None]]:
        """A progress bar on standard error; call the yielded function with (text, done, total).

        Where the output is no terminal, a plain line on standard output every `SAID_EVERY` seconds, too;
        not with ``--json``.
        """
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
        ) as bar:
            task = bar.add_task(text, total=None)
            plain = not self.as_json and not (self.out.is_terminal and self.err.is_terminal)
            said = time.monotonic()

            def update(label: str, done: int, total: int) -> None:
                nonlocal said
                bar.update(task, description=label, completed=done, total=total)
                if plain and time.monotonic() - said >= SAID_EVERY:
                    said = time.monotonic()
                    self.say(f"   {done} of {plural(total, 'step')} done, next: {label}")

            yield update

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Show Foreseal's warnings as single lines on standard error, each text once."""
        from foreseal.errors import ForesealWarning

        seen: set[str] = set()
        original = warnings.showwarning

        def show(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
            if not issubclass(category, ForesealWarning):
                original(message, category, *rest, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                self.err.print(f"Warning: {message}", style="yellow", markup=False)

        with warnings.catch_warnings():
            warnings.simplefilter("always", ForesealWarning)
            warnings.showwarning = show
            yield
