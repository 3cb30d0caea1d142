"""A local chain with the contract on it, an account, and a log that is anchored there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foreseal.chain.account import load_account, make_account
from foreseal.chain.anchor import GWEI, ChainAnchor
from foreseal.chain.deploy import deploy
from foreseal.chain.ethereum import Chain
from foreseal.chain.node import Node
from foreseal.errors import SetupError
from foreseal.run.anvil import CHAIN_ID, Anvil, find_anvil, local_chain
from tests.conftest import require

MAX_FEE = 100 * GWEI


@contextmanager
def started(*options: str) -> Iterator[Anvil]:
    """A local chain; where anvil is not installed the test is skipped, or fails if everything is required."""
    try:
        find_anvil()
    except SetupError as error:
        require("anvil", error.hint)
    with local_chain(*options) as anvil:
        yield anvil


@dataclass
class Port:
    """An account on a local chain, and the contract that it uses."""

    anvil: Anvil
    key: Path
    contract: str

    @classmethod
    def open(cls, anvil: Anvil, folder: Path, name: str = "chain", contract: str = "") -> Port:
        """A new account with money; deploys the contract unless one is given."""
        folder.mkdir(parents=True, exist_ok=True)
        key = folder / f"{name}.pem"
        anvil.fund(make_account(key))
        return cls(anvil, key, contract or deploy(anvil.node, load_account(key), CHAIN_ID, MAX_FEE, 5))

    @property
    def account(self):
        return load_account(self.key)

    def chain(self, **more) -> Chain:
        return Chain(CHAIN_ID, self.contract, (Node(self.anvil.url),), **more)

    def anchor(self, log: Path, **more) -> ChainAnchor:
        """The anchor of the log in a folder."""
        return ChainAnchor(self.chain(**more), log, lambda: load_account(self.key), MAX_FEE)
