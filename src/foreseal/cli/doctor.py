"""foreseal doctor"""

from __future__ import annotations

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("doctor")
@project_option
@json_option
def command(folder: str, as_json: bool) -> int:
    """Check the project itself: settings, keys, store, log. Names the first thing that is damaged."""
    from foreseal.run import Project
    from foreseal.run.health import examine

    terminal = Terminal(as_json)
    findings = examine(Project.open(folder))
    for each in findings:
        terminal.say(
            f"{'ok  ' if each.ok else 'FAIL'}  {each.what}: {each.says}", style=None if each.ok else "red"
        )
        if each.hint:
            terminal.say(f"      {each.hint}")
    well = all(each.ok for each in findings)
    terminal.result(
        {
            "ok": well,
            "findings": [{"what": f.what, "ok": f.ok, "says": f.says, "hint": f.hint} for f in findings],
        }
    )
    return 0 if well else 1
