"""foreseal hub"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foreseal.cli.terminal import Terminal, json_option, plural, program, project_option

if TYPE_CHECKING:
    from foreseal.collect.hub import Hub

MAX_LISTED = 10
_folder = click.argument("path", type=click.Path(path_type=Path))
_target = click.option("--target", default="", help="Which target (default: the hub's first with quantiles).")


# What other tools call it.
_MEANT = {"validate": "check", "verify": "check", "evaluate": "score", "submit": "write"}


class _Commands(click.Group):
    """Names the command that was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = _MEANT.get(args[0]) or next(iter(difflib.get_close_matches(args[0], self.commands)), "")
            if not near:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near!r}?", ctx) from error


@click.group("hub", cls=_Commands)
def command() -> None:
    """Read, check, score and seal the submissions of a forecast hub (hubverse format)."""


@command.command("check")
@_folder
@_target
@json_option
def check_command(path: Path, target: str, as_json: bool) -> int:
    """Check every submission in the hub at PATH by its tasks.json; exit code 1 if it would refuse one."""
    from foreseal.collect.hub import Hub
    from foreseal.collect.submission import read_submissions

    terminal = Terminal(as_json)
    hub = Hub.open(path, target)
    problems: dict[str, tuple[str, ...]] = {}
    files = 0
    for paths in hub.models().values():
        for made in read_submissions(paths, hub):
            files += 1
            if made.problems:
                problems[made.path.relative_to(hub.folder).as_posix()] = made.problems
    _show(terminal, problems)
    terminal.say(f"{files - len(problems)} of {plural(files, 'file')} are as the hub asks for.")
    terminal.result({"ok": not problems, "files": files, "problems": problems})
    return 1 if problems else 0


@command.command("score")
@_folder
@_target
@click.option("--baseline", default="", help="The hub's baseline (default: the model called so).")
@click.option("--horizons", default="0,1,2,3", show_default=True, help="Horizons to score.")
@json_option
def score_command(path: Path, target: str, baseline: str, horizons: str, as_json: bool) -> int:
    """Score all models of the hub at PATH: WIS, WIS of logarithms, relative skill, coverage, what is missing.

    Outcomes are the newest vintage of the hub's target data. Of a file that the hub would refuse, the tasks
    that are whole are scored; it is listed.
    """
    from foreseal.collect.hub import Hub
    from foreseal.collect.submission import read_submissions
    from foreseal.collect.vintages import newest
    from foreseal.errors import UsageError
    from foreseal.score.hub import score_hub

    terminal = Terminal(as_json)
    hub = Hub.open(path, target)
    models = hub.models()
    try:
        steps = tuple(int(part) for part in horizons.split(","))
    except ValueError:
        raise UsageError(f"{horizons!r} are no horizons.", hint="Such as --horizons 0,1,2,3") from None
    problems: dict[str, tuple[str, ...]] = {}
    said = {}
    with terminal.progress("read") as update:
        for count, (model, paths) in enumerate(models.items()):
            update(f"read {model}", count, len(models))
            made = read_submissions(paths, hub)
            problems |= {
                each.path.relative_to(hub.folder).as_posix(): each.problems for each in made if each.problems
            }
            said[model] = [(each.round, each.keys, each.judged) for each in made if each.round]
    chosen = baseline or next((name for name in said if name.lower().endswith("baseline")), "")
    found = score_hub(said, newest(hub), hub.levels, chosen, steps)
    columns = ("tasks", "missing", "relative_wis", "relative_log_wis", "skill", "cover_50", "cover_95")
    rows = [
        (row["model"], *(_number(row[name]) for name in columns)) for row in found.table.iter_rows(named=True)
    ]
    terminal.table("", ("model", *(name.replace("_", " ") for name in columns)), rows, right=range(1, 8))
    terminal.say(
        f"{found.tasks} tasks with an outcome, {found.without_outcome} without. Relative: mean score over "
        f"that of {found.baseline} on the tasks shared with it; skill: pairwise, as the hub defines it."
    )
    _show(terminal, problems)
    terminal.result(
        {
            "baseline": found.baseline,
            "tasks": found.tasks,
            "without_outcome": found.without_outcome,
            "models": found.table.to_dicts(),
            "problems": problems,
        }
    )
    return 0


@command.command("seal")
@_folder
@project_option
@_target
@json_option
def seal_command(path: Path, folder: str, target: str, as_json: bool) -> int:
    """Seal every submission of the hub at PATH as it stands, in a project's log, with one receipt each.

    A file that the hub would refuse is sealed too, and listed. Sealing proves that a file existed when it was
    sealed, not that it was submitted in time. Running it again seals what is new or has changed.
    """
    from foreseal.run import Project
    from foreseal.run.receipts import write_receipts
    from foreseal.run.session import Session
    from foreseal.run.submissions import seal_hub

    terminal = Terminal(as_json)
    project, hub = Project.open(folder), _open(path, target)
    with terminal.progress("seal") as update, Session.begin(project) as session:
        found = seal_hub(session, hub, update)
    receipts = write_receipts(project)
    _show(terminal, found.problems)
    terminal.say(
        f"Sealed {plural(found.sealed, 'submission')}; {found.before} were sealed before, "
        f"{found.left_out} are no submission that can be sealed."
    )
    place = project.folder / "out" / "receipts"
    terminal.say(f"Receipts: {place}/hub-*/    Check them: {program()} verify -C {project.folder}")
    terminal.result(
        {
            "sealed": found.sealed,
            "before": found.before,
            "left_out": found.left_out,
            "problems": found.problems,
            "receipts": len(receipts),
        }
    )
    return 0


@command.command("write")
@_folder
@click.argument("name", metavar="TARGET")
@click.option("--model", required=True, help="Team and model, such as city-surveillance.")
@project_option
@json_option
def write_command(path: Path, name: str, model: str, folder: str, as_json: bool) -> int:
    """Write what the project sealed for TARGET as submissions to the hub at PATH, one file a cutoff."""
    from foreseal.run import Project
    from foreseal.run.submissions import submit

    terminal = Terminal(as_json)
    written = submit(Project.open(folder), name, model, _open(path, ""))
    terminal.say(f"{plural(len(written), 'file')} in {written[0].parent}/, as the hub asks for.")
    terminal.result({"files": [str(each) for each in written]})
    return 0


def _open(path: Path, target: str) -> Hub:
    from foreseal.collect.hub import Hub

    return Hub.open(path, target)


def _number(value: float | int) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _show(terminal: Terminal, problems: dict[str, tuple[str, ...]]) -> None:
    for name, each in list(problems.items())[:MAX_LISTED]:
        terminal.say(f"{name}: {'; '.join(each)}.", style="yellow")
    if len(problems) > MAX_LISTED:
        terminal.say(f"and {len(problems) - MAX_LISTED} more files; --json names them.")
