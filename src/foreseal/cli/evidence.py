"""foreseal evidence"""

from __future__ import annotations

from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("evidence")
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A new folder, or a file ending in .zip (default: in out/).",
)
@project_option
@json_option
def command(targets: tuple[str, ...], out: Path | None, folder: str, as_json: bool) -> None:
    """Write what another person needs to check the track record of TARGETs without you.

    Without TARGETs it covers all that were declared. All entries of the log go with it, so that nothing can
    be left out; payloads and receipts are those of the targets. `foreseal verify` checks it, offline.
    """
    from foreseal.cli.summary import show_trust
    from foreseal.run import Project
    from foreseal.run.evidence import write_evidence

    terminal = Terminal(as_json)
    project = Project.open(folder)
    made = write_evidence(project, targets, out)
    terminal.say(
        f"Wrote {made.path}: {made.size} entries, {made.payloads} payloads and {made.receipts} receipts of "
        f"{', '.join(made.targets) or 'no target'}."
    )
    if made.left_out:
        terminal.say(f"Left out: the payloads of {', '.join(made.left_out)}.")
    if made.absent:
        terminal.say(f"Not shipped, as this installation lacks them: {', '.join(made.absent)}.")
    options = "".join(f" --target {name}" for name in made.targets) if made.left_out else ""
    show_trust(terminal, project, f"foreseal verify {made.path}{options}")
    terminal.result(
        {
            "path": str(made.path),
            "targets": list(made.targets),
            "left_out": list(made.left_out),
            "size": made.size,
            "payloads": made.payloads,
            "receipts": made.receipts,
            "absent": list(made.absent),
        }
    )
