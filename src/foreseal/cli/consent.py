"""foreseal consent"""

from __future__ import annotations

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("consent")
@click.argument("dataset")
@click.argument("cases", nargs=-1)
@click.option("--withdraw", is_flag=True, help="Seal that these people have withdrawn their consent.")
@project_option
@json_option
def command(dataset: str, cases: tuple[str, ...], withdraw: bool, folder: str, as_json: bool) -> None:
    """Tell how many have consented to decisions about them, or seal that somebody has withdrawn.

    DATASET is a personal dataset, CASES ids as its source writes them, or pseudonyms. No decision is made
    about who has withdrawn; what was decided before stands. To be forgotten, see `foreseal erase`.
    """
    from foreseal.errors import UsageError
    from foreseal.run import Project, consenting
    from foreseal.run.session import Session

    terminal = Terminal(as_json)
    project = Project.open(folder)
    if withdraw != bool(cases):
        raise UsageError(
            "Name the people and --withdraw, or neither.",
            hint="Consent itself comes with the data, in the column that [datasets.NAME] names.",
        )
    consenting.declared(project, dataset)
    entries: list[int] = []
    if withdraw:
        with Session.begin(project) as session:
            entries = [said.index for said in consenting.withdraw(session, dataset, cases)]
        terminal.say(f"Withdrawn: {len(cases)}. Sealed in {len(entries)} entries.")
    history = project.history()
    given = {s for s, said in history.consents.items() if said.body["dataset"] == dataset}
    gone = {s for s, said in history.withdrawn.items() if said.body["dataset"] == dataset}
    terminal.say(f"{dataset}: {len(given - gone)} consents stand, {len(gone)} were withdrawn.")
    terminal.result(
        {"dataset": dataset, "standing": len(given - gone), "withdrawn": len(gone), "entries": entries}
    )
