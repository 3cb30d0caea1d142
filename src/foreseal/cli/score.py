"""foreseal score"""

from __future__ import annotations

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("score")
@project_option
@json_option
def command(folder: str, as_json: bool) -> None:
    """Settle what is due, and show every track record."""
    from foreseal.cli.summary import do_verbs, show_records
    from foreseal.run import Project

    terminal = Terminal(as_json)
    done = do_verbs(terminal, folder, ("settle",))
    terminal.say(f"Settled {done.settled} cutoffs.")
    terminal.result({"settled": done.settled, "records": show_records(terminal, Project.open(folder))})
