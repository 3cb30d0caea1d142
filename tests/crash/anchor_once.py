"""Works through an outbox with an anchor on a local chain, and dies as soon as the node has the transaction.

    anchor_once.py URL CONTRACT KEY LOG OUTBOX

What was sent is not written down any more: it is killed before it can be.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from foreseal.chain.account import load_account
from foreseal.chain.anchor import GWEI, ChainAnchor
from foreseal.chain.ethereum import Chain
from foreseal.chain.node import Node
from foreseal.clock import LiveClock
from foreseal.run.anvil import CHAIN_ID
from foreseal.seal.checkpoint import read_checkpoint
from foreseal.seal.outbox import Outbox


class DyingNode(Node):
    """Takes the transaction, and then there is nobody left to hear of it."""

    def send(self, raw: bytes) -> None:
        Node.send(self, raw)
        os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, contract: str, key: Path, log: Path, file: Path) -> None:
    checkpoint = (log / "checkpoint").read_bytes()
    outbox, clock = Outbox(file, "chain", read_checkpoint(checkpoint).origin), LiveClock().now
    outbox.offer(checkpoint, clock(), timedelta(hours=1))
    chain = Chain(CHAIN_ID, contract, (DyingNode(url),))
    outbox.work(ChainAnchor(chain, log, lambda: load_account(key), 100 * GWEI), clock)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:6]))
