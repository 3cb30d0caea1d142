"""foreseal key"""

from __future__ import annotations

from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, project_option

_FILE = click.Path(dir_okay=False, path_type=Path)
_KEY_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("key")
def command() -> None:
    """Show, replace and revoke the key that signs what you say."""


@command.command("show")
@project_option
@json_option
def show(folder: str, as_json: bool) -> None:
    """List the author keys that the log knows, and what became of them."""
    from foreseal.run import Project
    from foreseal.run.keys import show_keys

    terminal = Terminal(as_json)
    project = Project.open(folder)
    found = show_keys(project)
    for each in found:
        terminal.say(f"{each.author}  since entry {each.since}  {each.state}")
        for key in each.recovery:
            terminal.say(f"  recovery key {key}")
    if not found:
        terminal.say("The log names no author yet; `foreseal run` seals the first entry.")
    terminal.say(f"Log key: {project.settings.seal.key}")
    terminal.result(
        {
            "author": project.settings.seal.author,
            "log": project.settings.seal.key,
            "keys": [
                {
                    "author": each.author,
                    "since": each.since,
                    "state": each.state,
                    "recovery": list(each.recovery),
                }
                for each in found
            ],
        }
    )


@command.command("rotate")
@click.option("--recovery", type=_FILE, help="Declare this key as a recovery key; made if it is not there.")
@click.option("--with", "consent", type=_KEY_FILE, help="A recovery key that signs in place of the old key.")
@project_option
@json_option
def rotate(recovery: Path | None, consent: Path | None, folder: str, as_json: bool) -> None:
    """Make a new author key; the old one signs it over, and its file is kept.

    Targets go on: who holds the new key is the same author. Keep a recovery key apart from the project; it
    can do nothing but rotate and revoke.
    """
    from foreseal.run import Project
    from foreseal.run.keys import rotate

    terminal = Terminal(as_json)
    made = rotate(Project.open(folder), recovery=recovery, consent=consent)
    terminal.say(f"The author key is now {made.author}, sealed as entry {made.index}.")
    if made.kept:
        terminal.say(f"The old key is kept as {made.kept}.")
    if not made.edited:
        terminal.say(f'Write author = "{made.author}" under [seal] in foreseal.toml.', style="bold")
    terminal.say("Back up keys/author.pem now.")
    terminal.result(
        {
            "author": made.author,
            "index": made.index,
            "kept": str(made.kept) if made.kept else None,
            "edited": made.edited,
        }
    )


@command.command("revoke")
@click.argument("key", default="")
@click.option("--from", "since", type=int, help="Log index from which the key is void (default: now).")
@click.option("--with", "by", type=_KEY_FILE, help="A recovery key to sign with.")
@click.option("--for-good", is_flag=True, help="End the author's record, where there is no recovery key.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_option
@json_option
def revoke(
    key: str, since: int | None, by: Path | None, for_good: bool, yes: bool, folder: str, as_json: bool
) -> None:
    """Revoke KEY (ed25519:..., the current one if not given), for good.

    What it has signed at or above the index does not count any more; what an outcome has judged before
    stays. After the current key is revoked only a recovery key can name a new one; where the log names none,
    it is not revoked but with --for-good.
    """
    from foreseal.run import Project
    from foreseal.run.keys import revoke

    terminal = Terminal(as_json)
    project = Project.open(folder)
    if not yes:
        name = key or "the current author key"
        click.confirm(f"Revoke {name}? This cannot be undone.", abort=True, err=True)
    made = revoke(project, key, since=since, by=by, for_good=for_good)
    terminal.say(f"{made.author} is revoked, sealed as entry {made.index}.")
    terminal.result({"key": made.author, "index": made.index})
