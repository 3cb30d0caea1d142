"""foreseal restore"""

from __future__ import annotations

from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, program


@click.command("restore")
@click.argument("backup", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@json_option
def command(backup: Path, folder: Path, as_json: bool) -> None:
    """Put the backup in DIR into FOLDER (default: here), which must be new or empty.

    Every file is checked first. The keys are not in a backup: copy them to FOLDER/keys yourself. A log that
    is older than what its key has signed signs nothing more: `foreseal seal adopt` takes it into use only
    where it extends the latest checkpoint or receipt that you hold.
    """
    from foreseal.run.backup import restore

    terminal = Terminal(as_json)
    found = restore(backup, folder)
    terminal.say(f"Restored {found.files} files and a log of {found.size} entries to {folder}.")
    terminal.say()
    terminal.say("Next:")
    terminal.say(f"  1. Copy author.pem and log.pem to {folder / 'keys'} (mode 0600).")
    terminal.say(f"  2. {program()} doctor -C {folder}")
    terminal.say("  3. If the lock database of this key is lost, or this is another machine:")
    terminal.say(f"     {program()} seal adopt NEWEST_RECEIPT_OR_CHECKPOINT -C {folder}")
    terminal.result({"folder": str(folder), "files": found.files, "bytes": found.bytes, "size": found.size})
