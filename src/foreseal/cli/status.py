"""foreseal status"""

from __future__ import annotations

import click

from foreseal.cli.summary import show_approvals, show_records, show_witnessed
from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("status")
@project_option
@json_option
def command(folder: str, as_json: bool) -> None:
    """Show datasets, the log, every track record, and who approved what."""
    from foreseal.run import Project
    from foreseal.run.witnessing import witnessed_so_far

    terminal = Terminal(as_json)
    project = Project.open(folder)
    with project.store() as store:
        datasets = store.catalogue().to_dicts()
    terminal.table(
        f"{project.name} ({project.settings.clock.mode})",
        ("dataset", "kind", "appends", "rows", "rejected", "unit", "licence"),
        [
            [row[key] for key in ("dataset", "kind", "appends", "rows", "rejected", "unit", "licence")]
            for row in datasets
        ],
        right=(2, 3, 4),
    )
    reader = project.reader()
    terminal.say(f"Log {reader.origin}: {reader.size} entries, root {reader.checkpoint.root.hex()}")
    witnessed = show_witnessed(terminal, witnessed_so_far(project, reader))
    records = show_records(terminal, project)
    approvals = show_approvals(terminal, project)
    terminal.result(
        {
            "project": project.name,
            "mode": project.settings.clock.mode,
            "datasets": datasets,
            "log": {
                "origin": reader.origin,
                "size": reader.size,
                "root": reader.checkpoint.root.hex(),
                "key": str(project.trusted()),
            },
            "witnessed": witnessed,
            "records": records,
            "approvals": approvals,
        }
    )
