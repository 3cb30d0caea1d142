"""foreseal collect"""

from __future__ import annotations

import click

from foreseal.cli.summary import show_collected
from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("collect")
@project_option
@click.option("--rejected", is_flag=True, help="List every rejected row.")
@json_option
def command(folder: str, rejected: bool, as_json: bool) -> int:
    """Read the sources of foreseal.toml and keep what is new.

    Rows that cannot be kept are listed with file, row, column and reason. The exit code is 2 only if a source
    could not be read, or brought rows and none of them could be kept; the others are kept all the same.
    """
    from foreseal.run import Project
    from foreseal.run.session import Session

    terminal = Terminal(as_json)
    project = Project.open(folder)
    with terminal.warnings(), Session.begin(project) as session:
        session.restore_marks()
        found = session.collect()
    show_collected(terminal, found, rejected=rejected)
    terminal.result({"collected": [each.as_dict() for each in found]})
    return 2 if any(each.hopeless for each in found) else 0
