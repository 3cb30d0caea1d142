"""foreseal witness"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foreseal.cli.terminal import Terminal, json_option

if TYPE_CHECKING:
    from foreseal.seal.cosignature import CosignatureSigner

KEY, VKEY, DATABASE = "witness.pem", "witness.vkey", "witness.db"


@click.command("witness")
@click.option("--state", "folder", required=True, type=click.Path(path_type=Path), help="Key and memory.")
@click.option("--init", "name", help="Make the key of a witness of this name, print its vkey, and stop.")
@click.option("--log", "logs", multiple=True, help="Verifier key (vkey) of a log to cosign; may be repeated.")
@click.option("--listen", default="127.0.0.1:8737", help="Address and port; port 0 takes a free one.")
@json_option
def command(folder: Path, name: str | None, logs: tuple[str, ...], listen: str, as_json: bool) -> None:
    """Run a witness: cosign the logs of others, each only as long as it extends what was seen of it.

    Make its key once with --init NAME, a name such as example.com/witness. Its memory must not be lost or
    restored from a backup: a witness that forgets can be shown a second history. It speaks plain HTTP; put it
    behind a server that speaks TLS, and give its vkey and address to the operators of logs.
    """
    from foreseal.clock import LiveClock
    from foreseal.errors import UsageError
    from foreseal.seal.note import parse_vkey
    from foreseal.seal.witness import Witness
    from foreseal.seal.witness_server import WitnessServer

    terminal = Terminal(as_json)
    if name is not None:
        vkey = _make_key(folder, name)
        terminal.say(f"Made {folder / KEY}. The witness's key, for those who trust it:")
        terminal.say(vkey)
        terminal.result({"vkey": vkey})
        return
    if not logs:
        raise UsageError("a witness that knows no log has nothing to do.", hint="Name one with --log VKEY.")
    host, port = _address(listen)
    signer = _load_key(folder)
    witness = Witness(folder / DATABASE, signer, map(parse_vkey, logs), LiveClock().now)
    with WitnessServer(witness, host, port) as server:
        terminal.say(f"Witness {signer.verifier}")
        terminal.say(
            f"at {server.url} for {len(logs)} log{'s' if len(logs) > 1 else ''}. Stop it with Ctrl+C."
        )
        terminal.result({"vkey": str(signer.verifier), "url": server.url})
        server.serve_forever()


def _make_key(folder: Path, name: str) -> str:
    from foreseal.run.project import passphrase
    from foreseal.seal.cosignature import CosignatureSigner
    from foreseal.seal.disk import make_folder, write_file
    from foreseal.seal.keys import generate_key
    from foreseal.seal.note import check_name

    check_name(name)
    make_folder(folder)
    folder.chmod(0o700)
    vkey = str(CosignatureSigner(name, generate_key(folder / KEY, passphrase())).verifier)
    write_file(folder / VKEY, f"{vkey}\n".encode())
    return vkey


def _load_key(folder: Path) -> CosignatureSigner:
    from foreseal.errors import SetupError
    from foreseal.run.project import passphrase
    from foreseal.seal.cosignature import CosignatureSigner, parse_witness
    from foreseal.seal.disk import read_file
    from foreseal.seal.keys import MAX_PEM, load_key

    if not (folder / VKEY).is_file():
        raise SetupError(
            f"there is no witness in {folder}.", hint="Make its key once with: foreseal witness --init NAME"
        )
    named = parse_witness(read_file(folder / VKEY, MAX_PEM).decode("utf-8", "replace").strip())
    signer = CosignatureSigner(named.name, load_key(folder / KEY, passphrase()))
    if signer.verifier != named:
        raise SetupError(f"{folder / KEY} is not the key that {folder / VKEY} names.", hint="Restore it.")
    return signer


def _address(text: str) -> tuple[str, int]:
    from foreseal.errors import UsageError

    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError(f"{text!r} is not an address; write 127.0.0.1:8737.")
    return host.strip("[]"), int(port)
