"""foreseal backup"""

from __future__ import annotations

from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("backup")
@click.argument("target", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@project_option
@json_option
def command(target: Path, folder: str, as_json: bool) -> None:
    """Copy the project into DIR, which must be new or empty, with the SHA-256 of every file.

    Private keys and the lock database are never in a backup. Keep the keys in a safe place of their own; of
    the lock database keep nothing. `foreseal restore` says how to go on without it.
    """
    from foreseal.run.backup import MANIFEST, back_up

    terminal = Terminal(as_json)
    made = back_up(Path(folder), target)
    terminal.say(
        f"Saved {made.files} files, {made.bytes:,} bytes, a log of {made.size} entries, in {target}."
    )
    terminal.say(f"Check it at any time: cd {target} && sha256sum --check --quiet {MANIFEST}")
    terminal.say(
        "Not in it, and never in a backup: private keys, the lock database of the log.", style="bold"
    )
    for name, reason in made.left_out:
        terminal.say(f"  left out  {name}  ({reason})")
    terminal.result(
        {
            "folder": str(target),
            "files": made.files,
            "bytes": made.bytes,
            "size": made.size,
            "left_out": [{"name": name, "reason": reason} for name, reason in made.left_out],
        }
    )
