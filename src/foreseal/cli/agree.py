"""foreseal agree"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foreseal.cli.terminal import Terminal, json_option, project_option

if TYPE_CHECKING:
    from foreseal.seal.agreement import Agreement

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("agree")
def command() -> None:
    """Sign terms with others, and seal what all have signed.

    One party proposes, the others sign, each seals the same agreement in its own log. Terms are any file;
    send it with the agreement. A party's author id stands in its settings, and in its log.
    """


@command.command("propose")
@click.argument("terms", type=_EXISTING)
@click.option("--name", required=True, help="What is agreed, in a few words.")
@click.option("--with", "others", multiple=True, required=True, help="NAME=ed25519:... of another party.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The agreement, to be sent.")
@project_option
@json_option
def propose_command(
    terms: Path, name: str, others: tuple[str, ...], out: Path, folder: str, as_json: bool
) -> None:
    """Write an agreement over the file TERMS, signed by this project's author."""
    from foreseal.clock import LiveClock
    from foreseal.errors import UsageError
    from foreseal.run import Project
    from foreseal.run.agreeing import propose
    from foreseal.seal.keys import parse_author

    parties = {}
    for each in others:
        who, gap, key = each.partition("=")
        if not gap or who in parties:
            raise UsageError(f"--with {each!r} is not NAME=ed25519:..., or names somebody twice.")
        parse_author(key)
        parties[who] = key
    if out.exists():
        raise UsageError(f"{out} exists already.", hint="Name a new file.")
    made = LiveClock().now().replace(microsecond=0)
    agreement = propose(Project.open(folder), name, _terms(terms), parties, made)
    _write(Terminal(as_json), agreement, out)


@command.command("sign")
@click.argument("agreement", type=_EXISTING)
@click.argument("terms", type=_EXISTING)
@project_option
@json_option
def sign_command(agreement: Path, terms: Path, folder: str, as_json: bool) -> None:
    """Add this project's signature to AGREEMENT, once you have read TERMS."""
    from foreseal.run import Project
    from foreseal.run.agreeing import sign

    found = sign(Project.open(folder), _read(agreement), _terms(terms))
    _write(Terminal(as_json), found, agreement)


@command.command("seal")
@click.argument("agreement", type=_EXISTING)
@click.argument("terms", type=_EXISTING)
@project_option
@json_option
def seal_command(agreement: Path, terms: Path, folder: str, as_json: bool) -> None:
    """Seal AGREEMENT, signed by all of its parties, in this project's log; TERMS go among the payloads.

    What is in log/payload is published with the log. To keep terms among the parties, agree on a text that
    holds their digest and something random.
    """
    from foreseal.run import Project
    from foreseal.run.agreeing import seal

    terminal = Terminal(as_json)
    said, anchored = seal(Project.open(folder), _read(agreement), _terms(terms))
    terminal.say(f"Sealed as entry {said.index}, {said.leaf[:16]}...")
    for each in anchored:
        terminal.say(str(each), style=None if each.well else "yellow")
    terminal.result({"index": said.index, "leaf": said.leaf, "anchored": [e.as_dict() for e in anchored]})


def _read(path: Path) -> Agreement:
    from foreseal.seal.agreement import MAX_AGREEMENT, Agreement
    from foreseal.seal.disk import read_file

    return Agreement.parse(read_file(path, MAX_AGREEMENT))


def _terms(path: Path) -> bytes:
    from foreseal.seal.disk import read_file
    from foreseal.seal.schema import MAX_PAYLOAD

    return read_file(path, MAX_PAYLOAD)


def _write(terminal: Terminal, agreement: Agreement, path: Path) -> None:
    from foreseal.seal.disk import write_file

    write_file(path, bytes(agreement))
    lacks = ", ".join(agreement.lacks)
    terminal.say(f"Signed. {path} " + (f"is still to be signed by: {lacks}." if lacks else "is complete."))
    terminal.result({"agreement": str(path), "lacks": list(agreement.lacks)})
