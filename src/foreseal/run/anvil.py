"""A chain of one node on this machine (anvil), for the demonstration, tests and benchmarks.

It keeps nothing, has no other nodes and makes a block for each transaction: it shows what contracts do, and
is no outside clock.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from foreseal.chain.node import Node
from foreseal.errors import SetupError

CHAIN_ID = 31337

_WEI = hex(100 * 10**18)
_LISTENING = "Listening on "
_HINT = (
    "In a checkout of Foreseal on Linux: `make anvil`. Elsewhere: npm install --global "
    "@foundry-rs/anvil-linux-amd64 (for other machines "
    "@foundry-rs/anvil-darwin-arm64 and so on), or put the program anvil of Foundry on the PATH."
)


def find_anvil() -> str:
    """Where the program is: on the PATH, or installed beside this Python. Raises `SetupError`."""
    beside = Path(sys.prefix) / "anvil" / "node_modules" / ".bin" / "anvil"
    found = shutil.which("anvil") or (str(beside) if beside.exists() else None)
    if found is None:
        raise SetupError("A local chain needs the program anvil, which is not installed.", hint=_HINT)
    return found


@dataclass(slots=True)
class Anvil:
    """A running node."""

    process: subprocess.Popen[str]
    port: int

    @classmethod
    def start(cls, *options: str, port: int = 0) -> Anvil:
        """Start it on a free port of the loopback interface, or on the one given."""
        command = [find_anvil(), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID)]
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith(_LISTENING):
                # What it prints about each request has to go somewhere.
                threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
                return cls(process, int(line.rpartition(":")[2]))
        process.wait()
        raise SetupError(f"anvil does not start: {' '.join(filter(None, said[-3:]))}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def node(self) -> Node:
        """A connection to it."""
        return Node(self.url)

    def fund(self, address: str) -> None:
        """Give an account 100 ether, of which there is any amount here."""
        self.node.ask("anvil_setBalance", address, _WEI)

    def mine(self, blocks: int = 1) -> None:
        """Make blocks without transactions."""
        self.node.ask("anvil_mine", hex(blocks))

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def local_chain(*options: str) -> Iterator[Anvil]:
    """A local chain that ends with the ``with`` block. Without options two further blocks make one final."""
    anvil = Anvil.start(*(options or ("--slots-in-an-epoch", "1")))
    try:
        yield anvil
    finally:
        anvil.kill()


def _drain(stream: IO[str]) -> None:
    with stream:
        for _ in stream:
            pass
