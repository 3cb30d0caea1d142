"""foreseal score"""

from __future__ import annotations

import click

from foreseal.cli.terminal import Terminal, json_option, plural, project_option


@click.command("score")
@project_option
@json_option
def command(folder: str, as_json: bool) -> int:
    """Settle what is due, and show every track record.

    What could not be done is listed, and the exit code is 1.
    """
    from foreseal.cli.summary import do_verbs, show_records
    from foreseal.run import Project

    terminal = Terminal(as_json)
    done = do_verbs(terminal, folder, ("settle",))
    terminal.say(f"Settled {plural(done.settled, 'cutoff')}.")
    records = show_records(terminal, Project.open(folder))
    terminal.result({"settled": done.settled, "failures": done.failures, "records": records})
    return 1 if done.failures else 0
