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
        mark, style = ("FAIL", "red") if not each.ok else ("warn", "yellow") if each.warns else ("ok  ", None)
        terminal.say(f"{mark}  {each.what}: {each.says}", style=style)
        if each.hint:
            terminal.say(f"      {each.hint}")
    well = all(each.ok for each in findings)
    terminal.result(
        {
            "ok": well,
            "findings": [
                {"what": f.what, "ok": f.ok, "warns": f.warns, "says": f.says, "hint": f.hint}
                for f in findings
            ],
        }
    )
    return 0 if well else 1
