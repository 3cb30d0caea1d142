"""foreseal erase"""

from __future__ import annotations

import sys

import click

from foreseal.cli.terminal import Terminal, json_option, plural, project_option


@click.command("erase")
@click.argument("dataset")
@click.argument("cases", nargs=-1, required=True, metavar="CASE...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_option
@json_option
def command(dataset: str, cases: tuple[str, ...], yes: bool, folder: str, as_json: bool) -> None:
    """Make what is kept about people unreadable for ever, and seal that it was done.

    DATASET has personal = true. A CASE is an id as the source writes it, or a pseudonym; `-` reads one per
    line from standard input, which keeps them out of the history of the shell.

    The keys are destroyed; the encrypted records stay, so that everything that was sealed can still be
    verified. Nothing brings them back but an older copy of keys/subjects.db: destroy those too. Remove these
    people from the source first, or the next collect brings them back under a new pseudonym.
    """
    from foreseal.errors import UsageError
    from foreseal.run import Project
    from foreseal.run.erasure import erase, seal_erasures
    from foreseal.run.session import Session

    terminal = Terminal(as_json)
    project = Project.open(folder)
    if not yes and (not sys.stdin.isatty() or "-" in cases):
        raise UsageError("There is nobody to ask whether to erase.", hint="Say so with --yes.")
    lines = sys.stdin.read().splitlines() if cases == ("-",) else cases
    names = [line.strip() for line in lines if line.strip()]
    if not yes:
        click.confirm(
            f"Make {plural(len(names), 'subject')} of {dataset} unreadable for ever?", abort=True, err=as_json
        )
    done = erase(project, dataset, names)
    for each in done:
        terminal.say(f"Erased {each.case_id} of {dataset}.")
    for file in sorted({file for each in done for file in each.named_in or ()}):
        terminal.say(f"{file} still names them. Remove them there, or they come back.", style="yellow")
    if any(each.named_in is None for each in done):
        terminal.say("The source could not be read: see that it names them no more.", style="yellow")
    with Session.begin(project) as session:
        sealed = seal_erasures(session)
        waiting = dataset not in session.history.datasets
    for said in sealed:
        terminal.say(f"Sealed as entry {said.index}.")
    if waiting:
        terminal.say("To be sealed by the next run, which declares the dataset.")
    terminal.result(
        {
            "dataset": dataset,
            "erased": [each.case_id for each in done],
            "named_in": [list(each.named_in) if each.named_in is not None else None for each in done],
            "entries": [said.index for said in sealed],
        }
    )
