"""foreseal init"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, program


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--app", default="", help="Start from an application: traffic, diagnosis, ...")
@click.option(
    "--hub",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a forecast hub, for --app epidemic, instead of its synthetic example.",
)
@click.option("--name", default="", help="Name of the project (default: the folder's).")
@click.option("--origin", default="", help="Name of the log, such as example.org/traffic.")
@json_option
def command(folder: Path, app: str, hub: Path | None, name: str, origin: str, as_json: bool) -> None:
    """Make a project in FOLDER (default: here), with its own author and log keys.

    Set FORESEAL_PASSPHRASE to encrypt the keys.
    """
    from foreseal.run.create import create

    terminal = Terminal(as_json)
    made = create(folder, app=app, name=name, origin=origin, hub=hub)
    author_key, log_key = made.keys
    terminal.say(f"Made a project in {folder}.")
    terminal.say()
    terminal.say(f"  Author key  {author_key}   signs what you say")
    terminal.say(f"  Log key     {log_key}   signs the log")
    terminal.say("  Both are private and in no backup of the project. Copy them to a safe place now:")
    terminal.say(f"    cp -p {shlex.quote(str(author_key))} {shlex.quote(str(log_key))} /a/safe/place/")
    terminal.say()
    terminal.say("  Give this line to whoever is to verify your log:")
    terminal.say(f"    {made.log_key}", style="bold")
    terminal.say()
    if made.extras:
        terminal.say("This example needs more than is installed:")
        terminal.say(f'  pip install "foreseal[{",".join(made.extras)}]"')
    place = "" if folder == Path() else f" -C {shlex.quote(str(folder))}"
    toml = folder / "foreseal.toml"
    terminal.say(
        f"Next: {program()} run{place}" if app else f"Next: edit {toml}, then {program()} run{place}"
    )
    terminal.result(
        {
            "folder": str(folder),
            "origin": made.origin,
            "log_key": made.log_key,
            "author": made.author,
            "keys": [str(path) for path in made.keys],
        }
    )
